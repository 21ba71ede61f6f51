"""Holds: ledgers on hold, and withdrawals that the signer refuses. An operator releases both.

Both are on one list, whole: a person decides on all of them. It is read again longer where they are many.
"""

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from msgspec.structs import replace

from app.backoffice import holds as on_hold
from app.core import clock
from app.identity.form_routes import StepUp, form_post
from app.identity.forms import Form, FormRefused
from app.identity.identity import PageRequest
from app.identity.lists import chips
from app.identity.paging import by_moment
from app.operator import cases, lists
from app.operator.desk import Desk, nothing_here, reason_of, refusals
from app.web.row_ids import RowId
from app.withdrawals import holds


def routes(desk: Desk) -> list[HTTPRouteHandler]:
    """The handlers below `/desk/holds`."""

    @get("/holds")
    async def listed(request: PageRequest) -> Response[bytes]:
        queue, choices = cases.holds_queue(request, clock.now()), cases.money_choices(desk.services)
        query = queue.pages(request, by_moment)
        ledgers, refused = (
            await on_hold.ledgers(query.rows, queue.filters),
            await on_hold.refused(query.rows, queue.filters),
        )
        longest = ledgers if ledgers.following is not None else refused
        context = {
            "holds": ledgers,
            "refused": refused,
            "query": query,
            "pager": replace(query.pager(longest), next_url=""),
            "total": await on_hold.total(queue.filters),
            "chips": chips(query, lists.LABELS, **choices),
            "choices": choices,
        }
        return await desk.page(request, "holds/list", context)

    @get("/holds/{hold_id:int}")
    async def one(request: PageRequest, hold_id: RowId) -> Response[bytes]:
        return await show(request, hold_id, Form.empty())

    @form_post("/holds/{hold_id:int}", does="Release a hold", step_up=StepUp.FRESH_CODE)
    async def release(request: PageRequest, hold_id: RowId) -> Response[bytes]:
        form = await desk.identity.read_form(request)
        try:
            reason = reason_of(form)
            by = await desk.verified_operator(request, form)
            with refusals(form):
                await holds.release(hold_id, by.account_id, reason, clock.now(), address=by.address)
        except FormRefused:
            return await show(request, hold_id, form, status=422)
        return desk.done(request, "The hold is released: its payments go on.")

    @get("/holds/withdrawals/{withdrawal_id:str}")
    async def one_refused(request: PageRequest, withdrawal_id: str) -> Response[bytes]:
        return await show_refused(request, withdrawal_id, Form.empty())

    @form_post(
        "/holds/withdrawals/{withdrawal_id:str}",
        does="Let the signer check a payment again",
        step_up=StepUp.FRESH_CODE,
    )
    async def release_refused(request: PageRequest, withdrawal_id: str) -> Response[bytes]:
        form = await desk.identity.read_form(request)
        try:
            reason = reason_of(form)
            by = await desk.verified_operator(request, form)
            with refusals(form):
                await holds.release_refused(withdrawal_id, by.account_id, reason, clock.now(), address=by.address)
        except FormRefused:
            return await show_refused(request, withdrawal_id, form, status=422)
        return desk.done(request, f"The signer checks {withdrawal_id} again.")

    async def show(request: PageRequest, hold_id: int, form: Form, *, status: int = 200) -> Response[bytes]:
        hold = await on_hold.ledger(hold_id)
        if hold is None:
            raise nothing_here()
        return await desk.page(request, "holds/one", {"hold": hold, "form": form}, status=status)

    async def show_refused(
        request: PageRequest, withdrawal_id: str, form: Form, *, status: int = 200
    ) -> Response[bytes]:
        held = await on_hold.payment(withdrawal_id)
        if held is None:
            raise nothing_here()
        return await desk.page(request, "holds/refused", {"held": held, "form": form}, status=status)

    return [listed, one, release, one_refused, release_refused]
