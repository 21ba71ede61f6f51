"""Reviews: the list of deposits that an operator must decide, with its filters and the dust of each asset; one review
with its facts; and the form of each decision. A decision leads to the next case of the list as it was filtered.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import cast, get_args

import msgspec
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from app.accounts.operators import Operator
from app.audit import log
from app.audit.log import Filters
from app.backoffice import node_looks, reviews
from app.backoffice.node_looks import Booked, NodeLook
from app.backoffice.reviews import ReviewDetails, Which
from app.core import clock
from app.core.keyset import Place
from app.deposits import repository
from app.deposits.reviews import MAX_MESSAGE_CHARS, open_of_invoice, why_not
from app.identity.form_routes import StepUp, form_post
from app.identity.forms import Form, FormRefused
from app.identity.identity import PageRequest
from app.identity.keeping import NOTE
from app.identity.paging import by_moment
from app.lookups import limits
from app.operator import cases, lists, notes
from app.operator.cases import CaseQueue
from app.operator.desk import Desk, gathering, nothing_here, operator_of, reason_of, refusals
from app.refunds import return_addresses
from app.wiring import Services
from app.withdrawals import destinations

STATES: tuple[Which, ...] = get_args(Which)

ACTIONS_SHOWN = 20

WITH_ADDRESS = ("return", "split")
"""The decisions whose form asks for an address."""


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """What a form gives with a decision: `reason` for the audit log, `message` for the merchant, empty where it is told
    nothing more; `destination` is empty where nothing is sent."""

    destination: str
    reason: str
    message: str


class Decision(msgspec.Struct, frozen=True):
    """A way to decide a review: the texts of its form, when it is possible, and its action.

    `decide` takes the services, the review's deposit, what the form gives, the operator and the time, and returns a
    message on what was done.
    """

    label: str
    not_done: str
    impossible_title: str
    impossible_text: str
    is_possible: Callable[[ReviewDetails], bool]
    decide: Callable[[Services, str, Given, Operator, datetime], Awaitable[str]]


async def _credit(services: Services, deposit_id: str, given: Given, by: Operator, now: datetime) -> str:
    await services.reviews.credit(
        deposit_id, by.account_id, given.reason, now, address=by.address, message=given.message
    )
    return f"{deposit_id} is credited."


async def _return(services: Services, deposit_id: str, given: Given, by: Operator, now: datetime) -> str:
    refund_id = await services.returns.send_back(
        deposit_id, given.destination, by.account_id, given.reason, now, address=by.address, message=given.message
    )
    return f"{refund_id} returns {deposit_id}. Another operator must approve it."


async def _split(services: Services, deposit_id: str, given: Given, by: Operator, now: datetime) -> str:
    refund_id = await services.returns.credit_and_return_rest(
        deposit_id, given.destination, by.account_id, given.reason, now, address=by.address, message=given.message
    )
    return (
        f"What was asked of {deposit_id} is credited. {refund_id} returns the rest: another operator must approve it."
    )


async def _close(services: Services, deposit_id: str, given: Given, by: Operator, now: datetime) -> str:
    await services.reviews.close(
        deposit_id, by.account_id, given.reason, now, address=by.address, message=given.message
    )
    return f"{deposit_id} is closed: its money stays in suspense."


DECISIONS: Mapping[str, Decision] = MappingProxyType(
    {
        "credit": Decision(
            label="Credit",
            not_done="It was not credited",
            impossible_title="It can’t be credited",
            impossible_text="It is decided, not final yet, no longer on chain, or has no invoice.",
            is_possible=lambda details: details.can_be_credited,
            decide=_credit,
        ),
        "split": Decision(
            label="Credit what was asked and return the rest of",
            not_done="Nothing was credited or returned",
            impossible_title="It can’t be divided",
            impossible_text="It is decided, not final yet, or brought no more than was asked.",
            is_possible=lambda details: details.split is not None,
            decide=_split,
        ),
        "return": Decision(
            label="Return",
            not_done="It is not being returned",
            impossible_title="It can’t be returned",
            impossible_text="It is decided, not final yet, or no longer on chain.",
            is_possible=lambda details: details.can_be_returned,
            decide=_return,
        ),
        "close": Decision(
            label="Close",
            not_done="It was not closed",
            impossible_title="It is closed already",
            impossible_text="",
            is_possible=lambda details: details.review.status == "open",
            decide=_close,
        ),
    }
)
"""Decisions by the last part of their page's URL."""


class Case(msgspec.Struct, frozen=True):
    """A review, in the queue from which it was opened. `next_id` is the deposit of the next one that the operator may
    decide, None where there is none."""

    details: ReviewDetails
    queue: CaseQueue
    next_id: str | None

    @property
    def id(self) -> str:
        """The id of the deposit."""
        return self.details.review.deposit_id


def routes(desk: Desk) -> list[HTTPRouteHandler]:
    """The handlers below `/desk/reviews`."""
    services = desk.services

    @get("/reviews")
    async def listed(request: PageRequest) -> Response[bytes]:
        state = cast(Which, lists.choice(request, "state", STATES, "open"))
        queue, by = cases.reviews_queue(request, clock.now()), operator_of(request).account_id
        choices = {
            "verdict": cases.verdict_choices(),
            **cases.money_choices(services),
            "age": cases.age_choices(),
            "who": cases.REVIEWS_OF_WHOM,
        }
        found, around = await lists.read(
            queue.pages(request, by_moment, state="" if state == "open" else state),
            lambda place, limit: reviews.page(state, place, limit, by, queue.filters),
            lambda: reviews.total(state, by, queue.filters),
            {} if state == "open" else {"age": "Opened before"},
            **choices,
        )
        context = {
            **around,
            "in_review": found,
            "state": state,
            "queue": queue,
            "sums": await reviews.sums(state, by, queue.filters),
            "dust": await repository.dust(),
            "choices": choices,
        }
        return await desk.page(request, "reviews/list", context)

    @get("/reviews/{deposit_id:str}")
    async def one(request: PageRequest, deposit_id: str) -> Response[bytes]:
        return await show_case(request, await find(request, deposit_id))

    @get("/reviews/{deposit_id:str}/{verb:str}")
    async def decision_page(request: PageRequest, deposit_id: str, verb: str) -> Response[bytes]:
        found = await return_addresses.case_of(deposit_id) if verb in WITH_ADDRESS else None
        given = None if found is None else return_addresses.usable(found)
        return await show(request, deposit_id, verb, Form.empty(destination=given.address) if given else Form.empty())

    @form_post("/reviews/{deposit_id:str}/{verb:str}", does="Settle a review", step_up=StepUp.FRESH_CODE)
    async def decide(request: PageRequest, deposit_id: str, verb: str) -> Response[bytes]:
        decision = find_decision(verb)
        form = await desk.identity.read_form(request)
        case = await find(request, deposit_id)
        try:
            given = Given(
                destination=await returned_to(form, case) if verb in WITH_ADDRESS else "",
                reason=reason_of(form),
                message=message_of(form),
            )
            by = await desk.verified_operator(request, form)
            with refusals(form):
                done = await decision.decide(services, deposit_id, given, by, clock.now())
        except FormRefused:
            return await show(request, deposit_id, verb, form, status=422)
        return desk.done(
            request, done, case.queue.onward(case.next_id), (f"See {deposit_id}", case.queue.case(deposit_id))
        )

    @form_post(
        "/reviews/{deposit_id:str}/notes",
        does="Leave a note on a review",
        step_up=StepUp.FRESH_CODE,
        page="/reviews/{deposit_id:str}",
        shown_as=NOTE,
    )
    async def leave_note(request: PageRequest, deposit_id: str) -> Response[bytes]:
        case = await find(request, deposit_id)
        refused = await notes.leave(desk, request, "review", deposit_id)
        if refused is not None:
            return await show_case(request, case, note_form=refused, status=422)
        return desk.done(request, notes.NOTE_LEFT, case.queue.case(deposit_id))

    async def returned_to(form: Form, case: Case) -> str:
        """The address of a return; where it is refused, its error is recorded."""
        return await checked_destination(form, services, case.details.review.network)

    def find_decision(verb: str) -> Decision:
        if verb not in DECISIONS:
            raise nothing_here()
        return DECISIONS[verb]

    async def find(request: PageRequest, deposit_id: str) -> Case:
        now = clock.now()
        details = await reviews.details_of(deposit_id, now)
        if details is None:
            raise nothing_here()
        queue, by = cases.reviews_queue(request, now), operator_of(request).account_id
        after = Place((details.review.opened_at, deposit_id))
        return Case(details, queue, await reviews.next_to_decide(by, queue.filters, after, but=deposit_id))

    async def show_case(
        request: PageRequest, case: Case, *, note_form: Form | None = None, status: int = 200
    ) -> Response[bytes]:
        details = case.details
        actions = await log.page(Filters(subject=case.id), None, ACTIONS_SHOWN)
        context = {
            "details": details,
            "why_not": await why_not(details.review, operator_of(request).account_id),
            "case": await return_addresses.case_of(case.id),
            "open_together": await _open_together(details),
            "queue": case.queue,
            "next_id": case.next_id,
            "actions": actions,
            **await notes.shown(
                "review", case.id, case.queue.with_filters(f"/desk/reviews/{case.id}/notes"), note_form
            ),
            "node": await node_look(request, details),
        }
        actors = [details.review.decided_by, *(each.actor for each in actions)]
        return await desk.page(request, "reviews/one", context, actors=actors, status=status)

    async def show(
        request: PageRequest, deposit_id: str, verb: str, form: Form, *, status: int = 200
    ) -> Response[bytes]:
        decision, found = find_decision(verb), await find(request, deposit_id)
        details = found.details
        case = await return_addresses.case_of(deposit_id) if verb in WITH_ADDRESS else None
        context = {
            "details": details,
            "form": form,
            "verb": verb,
            "decision": decision,
            "why_not": await why_not(details.review, operator_of(request).account_id),
            "case": case,
            "given": None if case is None else return_addresses.usable(case),
            "queue": found.queue,
        }
        actors = [case.given.decided_by] if case is not None and case.given is not None else []
        return await desk.page(request, "reviews/decide", context, actors=actors, status=status)

    async def node_look(request: PageRequest, details: ReviewDetails) -> NodeLook | None:
        """What a node says of the deposit, where the page was asked for that (`?node=1`)."""
        if request.query_params.get("node") != "1":
            return None
        await limits.count(desk.identity.rate_limiter, request.scope["state"])
        review = details.review
        booked = Booked(
            network=review.network,
            txid=review.txid,
            asset=review.asset,
            amount_raw=review.amount_raw,
            to_address=details.to_address,
            block_height=details.block_height,
        )
        return await node_looks.look(services.networks, booked)

    return [listed, one, leave_note, decision_page, decide]


def message_of(form: Form) -> str:
    """The message to the merchant, empty where there is none; where it is refused, its error is recorded."""
    message = form.text("merchant_message")
    if len(message) > MAX_MESSAGE_CHARS:
        form.refuse("merchant_message", f"Write at most {MAX_MESSAGE_CHARS} characters to the merchant.")
    return message


async def checked_destination(form: Form, services: Services, network: str) -> str:
    """The address on a network to which a form returns something; where it is refused, its error is recorded."""
    destination = form.text("destination")
    with gathering(form):
        await destinations.check(services.networks.get(network), destination, None, field="destination", what="refund")
    return destination


async def _open_together(details: ReviewDetails) -> int:
    """How many reviews of the same invoice wait for a decision, this one among them."""
    invoice = details.invoice
    return 0 if invoice is None else len(await open_of_invoice(invoice.id))
