"""Manual reviews: the list of deposits that an operator must decide, with the dust of each asset; one review with its
facts; and the form of each decision (credit, return, close).
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import cast, get_args

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from app.accounts.operators import Operator, stated_reason
from app.backoffice import reviews
from app.backoffice.reviews import ReviewDetails, Which
from app.core import clock
from app.core.keyset import page_or_first
from app.deposits import repository
from app.deposits.reviews import open_of_invoice, why_not
from app.identity.form_routes import StepUp, form_post
from app.identity.forms import Form, FormRefused
from app.identity.identity import PageRequest
from app.identity.paging import PAGE_LENGTH, by_moment
from app.operator import lists
from app.operator.desk import Desk, nothing_here, operator_of, refusals
from app.refunds import return_addresses
from app.wiring import Services

STATES: tuple[Which, ...] = get_args(Which)


@dataclass(frozen=True, slots=True)
class Decision:
    """A way to decide a review: the texts of its form, when it is possible, and its action.

    `decide` takes the services, the review's deposit, the form, the reason, the operator and the time, and returns a
    message on what was done.
    """

    label: str
    not_done: str
    reason_hint: str
    impossible_title: str
    impossible_text: str
    is_possible: Callable[[ReviewDetails], bool]
    decide: Callable[[Services, str, Form, str, Operator, datetime], Awaitable[str]]


async def _credit(services: Services, deposit_id: str, _: Form, reason: str, by: Operator, now: datetime) -> str:
    await services.reviews.credit(deposit_id, by.account_id, reason, now, address=by.address)
    return f"{deposit_id} is credited."


async def _return(services: Services, deposit_id: str, form: Form, reason: str, by: Operator, now: datetime) -> str:
    destination = form.text("destination").strip()
    refund_id = await services.returns.send_back(
        deposit_id, destination, by.account_id, reason, now, address=by.address
    )
    return f"{refund_id} returns {deposit_id}. Another operator must approve it."


async def _close(services: Services, deposit_id: str, _: Form, reason: str, by: Operator, now: datetime) -> str:
    await services.reviews.close(deposit_id, by.account_id, reason, now, address=by.address)
    return f"{deposit_id} is closed: its money stays in suspense."


DECISIONS: Mapping[str, Decision] = MappingProxyType(
    {
        "credit": Decision(
            label="Credit",
            not_done="It was not credited",
            reason_hint="For the audit log.",
            impossible_title="It can’t be credited",
            impossible_text="It is decided, not final yet, no longer on chain, or has no invoice.",
            is_possible=lambda details: details.can_be_credited,
            decide=_credit,
        ),
        "return": Decision(
            label="Return",
            not_done="It is not being returned",
            reason_hint="For the audit log. Another operator then approves the refund.",
            impossible_title="It can’t be returned",
            impossible_text="It is decided, not final yet, or no longer on chain.",
            is_possible=lambda details: details.can_be_returned,
            decide=_return,
        ),
        "close": Decision(
            label="Close",
            not_done="It was not closed",
            reason_hint="For the audit log. No money moves: it stays in suspense.",
            impossible_title="It is closed already",
            impossible_text="",
            is_possible=lambda details: details.review.status == "open",
            decide=_close,
        ),
    }
)
"""Decisions by the last part of their page's URL."""


def routes(desk: Desk) -> list[HTTPRouteHandler]:
    """The handlers below `/desk/reviews`."""
    services = desk.services

    @get("/reviews")
    async def listed(request: PageRequest) -> Response[bytes]:
        state = cast(Which, lists.choice(request, "state", STATES, "open"))
        query = lists.list_query(request, by_moment, state=state)
        found = await page_or_first(lambda place: reviews.page(state, place, PAGE_LENGTH), query.place)
        context = {"in_review": found, "state": state, "pager": query.pager(found), "dust": await repository.dust()}
        return await desk.page(request, "reviews/list", context)

    @get("/reviews/{deposit_id:str}")
    async def one(request: PageRequest, deposit_id: str) -> Response[bytes]:
        details = await find(deposit_id)
        context = {
            "details": details,
            "why_not": await why_not(details.review, operator_of(request).account_id),
            "case": await return_addresses.case_of(deposit_id),
            "open_together": await _open_together(details),
        }
        return await desk.page(request, "reviews/one", context, actors=[details.review.decided_by])

    @get("/reviews/{deposit_id:str}/{verb:str}")
    async def decision_page(request: PageRequest, deposit_id: str, verb: str) -> Response[bytes]:
        case = await return_addresses.case_of(deposit_id) if verb == "return" else None
        given = None if case is None else return_addresses.usable(case)
        return await show(request, deposit_id, verb, Form.empty(destination=given.address) if given else Form.empty())

    @form_post("/reviews/{deposit_id:str}/{verb:str}", does="Settle a manual review", step_up=StepUp.FRESH_CODE)
    async def decide(request: PageRequest, deposit_id: str, verb: str) -> Response[bytes]:
        decision = find_decision(verb)
        form = await desk.identity.read_form(request)
        await find(deposit_id)
        try:
            by = await desk.verified_operator(request, form)
            with refusals(form):
                reason = stated_reason(form.text("reason"))
                done = await decision.decide(services, deposit_id, form, reason, by, clock.now())
        except FormRefused:
            return await show(request, deposit_id, verb, form, status=422)
        return desk.done(request, done)

    def find_decision(verb: str) -> Decision:
        if verb not in DECISIONS:
            raise nothing_here()
        return DECISIONS[verb]

    async def find(deposit_id: str) -> ReviewDetails:
        details = await reviews.details_of(deposit_id, clock.now())
        if details is None:
            raise nothing_here()
        return details

    async def show(
        request: PageRequest, deposit_id: str, verb: str, form: Form, *, status: int = 200
    ) -> Response[bytes]:
        decision, details = find_decision(verb), await find(deposit_id)
        case = await return_addresses.case_of(deposit_id) if verb == "return" else None
        context = {
            "details": details,
            "form": form,
            "verb": verb,
            "decision": decision,
            "why_not": await why_not(details.review, operator_of(request).account_id),
            "case": case,
            "given": None if case is None else return_addresses.usable(case),
        }
        actors = [case.given.decided_by] if case is not None and case.given is not None else []
        return await desk.page(request, "reviews/decide", context, actors=actors, status=status)

    return [listed, one, decision_page, decide]


async def _open_together(details: ReviewDetails) -> int:
    """How many reviews of the same invoice wait for a decision, this one among them."""
    invoice = details.invoice
    return 0 if invoice is None else len(await open_of_invoice(invoice.id))
