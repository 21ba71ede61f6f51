"""Manual reviews: deposits that did not simply pay, and a line an asset of dust. A case's page has its facts and leads
to the ways to end it.
"""

from typing import Literal, cast, get_args

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from app.accounts.operators import Operator, stated_reason
from app.backoffice import reviews
from app.backoffice.reviews import CaseFile, Which
from app.core import clock
from app.core.keyset import page_or_first
from app.deposits import repository
from app.deposits.reviews import why_not
from app.identity.form_routes import StepUp, form_post
from app.identity.forms import Form, FormRefused
from app.identity.paging import PAGE_LENGTH, by_moment, place_of
from app.operator import lists
from app.operator.desk import Asked, Desk, nothing_here, operator_of, refusals

STATES = ("open", "returning", "closed")

Verb = Literal["credit", "return", "close"]

VERBS: tuple[Verb, ...] = get_args(Verb)


def routes(desk: Desk) -> list[HTTPRouteHandler]:
    """The handlers below `/desk/reviews`."""
    services = desk.services

    @get("/reviews")
    async def listed(request: Asked) -> Response[bytes]:
        state = cast(Which, lists.choice(request, "state", STATES, "open"))
        place = place_of(request, by_moment)
        cases = await page_or_first(lambda place: reviews.page(state, place, PAGE_LENGTH), place)
        pager = lists.pager(request, {"state": state}, cases, place)
        context = {"cases": cases, "state": state, "pager": pager, "dust": await repository.dust()}
        return await desk.page(request, "reviews/list", context)

    @get("/reviews/{deposit_id:str}")
    async def one(request: Asked, deposit_id: str) -> Response[bytes]:
        file = await find(deposit_id)
        context = {"file": file, "why_not": await why_not(file.case, operator_of(request).account_id)}
        return await desk.page(request, "reviews/one", context, actors=[file.case.decided_by])

    @get("/reviews/{deposit_id:str}/{verb:str}")
    async def ask(request: Asked, deposit_id: str, verb: str) -> Response[bytes]:
        return await show(request, deposit_id, verb, Form.empty())

    @form_post("/reviews/{deposit_id:str}/{verb:str}", does="Settle a manual review", step_up=StepUp.FRESH_CODE)
    async def decide(request: Asked, deposit_id: str, verb: str) -> Response[bytes]:
        if verb not in VERBS:
            raise nothing_here()
        form = await desk.identity.read_form(request)
        await find(deposit_id)
        try:
            by = await desk.proven(request, form)
            with refusals(form):
                done = await deed(deposit_id, verb, form, by)
        except FormRefused:
            return await show(request, deposit_id, verb, form, status=422)
        return desk.done(request, done)

    async def deed(deposit_id: str, verb: Verb, form: Form, by: Operator) -> str:
        """Do it; what was done, in words."""
        reason, now = stated_reason(form.text("reason")), clock.now()
        if verb == "credit":
            await services.reviews.credit(deposit_id, by.account_id, reason, now, address=by.address)
            return f"{deposit_id} is credited."
        if verb == "return":
            destination = form.text("destination").strip()
            refund_id = await services.returns.send_back(
                deposit_id, destination, by.account_id, reason, now, address=by.address
            )
            return f"{refund_id} returns {deposit_id}. Another operator must approve it."
        await services.reviews.close(deposit_id, by.account_id, reason, now, address=by.address)
        return f"{deposit_id} is closed: its money stays in suspense."

    async def find(deposit_id: str) -> CaseFile:
        file = await reviews.file_of(deposit_id, clock.now())
        if file is None:
            raise nothing_here()
        return file

    async def show(request: Asked, deposit_id: str, verb: str, form: Form, *, status: int = 200) -> Response[bytes]:
        if verb not in VERBS:
            raise nothing_here()
        file = await find(deposit_id)
        context = {"file": file, "form": form, "why_not": await why_not(file.case, operator_of(request).account_id)}
        return await desk.page(request, f"reviews/{verb}", context, status=status)

    return [listed, one, ask, decide]
