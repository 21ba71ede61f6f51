"""The open reviews of one invoice, settled in one step: one decision with one reason for all of them, or for none."""

from collections.abc import Sequence
from typing import Any, Literal

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from app.accounts.operators import Operator
from app.backoffice.reviews import next_to_decide
from app.core import clock
from app.core.keyset import Place
from app.deposits import reviews
from app.deposits.reviews import why_not
from app.deposits.reviews_repository import DepositReview
from app.identity.form_routes import StepUp, form_post
from app.identity.forms import Form, FormRefused
from app.identity.identity import PageRequest
from app.operator import cases
from app.operator.desk import Desk, nothing_here, operator_of, reason_of, refusals
from app.operator.reviews import checked_destination, message_of
from app.refunds import return_addresses

Verb = Literal["credit", "return", "close"]

VERBS: dict[str, Verb] = {"credit": "credit", "return": "return", "close": "close"}
"""Decisions by the last part of their page's URL."""


def routes(desk: Desk) -> list[HTTPRouteHandler]:
    """`invoices/{invoice}/reviews/{verb}`, below `/desk`."""
    services = desk.services

    @get("/invoices/{invoice_id:str}/reviews/{verb:str}")
    async def page(request: PageRequest, invoice_id: str, verb: str) -> Response[bytes]:
        open_now = await found(invoice_id, verb)
        form = Form.empty()
        if verb == "return" and (address := await _common_address(invoice_id)):
            form = Form.empty(destination=address)
        return await show(request, invoice_id, verb, open_now, form)

    @form_post(
        "/invoices/{invoice_id:str}/reviews/{verb:str}",
        does="Settle the reviews of an invoice",
        step_up=StepUp.FRESH_CODE,
    )
    async def settle(request: PageRequest, invoice_id: str, verb: str) -> Response[bytes]:
        if verb not in VERBS:
            raise nothing_here()
        form = await desk.identity.read_form(request)
        try:
            reason = reason_of(form)
            message_of(form)
            networks = {review.network for review in await found(invoice_id, verb)}
            if verb == "return" and len(networks) == 1:
                await checked_destination(form, services, networks.pop())
            by = await desk.verified_operator(request, form)
            with refusals(form):
                done = await _settle(invoice_id, VERBS[verb], form, reason, by)
        except FormRefused:
            open_now = await found(invoice_id, verb)
            return await show(request, invoice_id, verb, open_now, form, status=422)
        queue = cases.reviews_queue(request, clock.now())
        first = Place((clock.now(), ""))  # the oldest comes next: every one of this invoice is decided
        onward = await next_to_decide(by.account_id, queue.filters, first, but="")
        return desk.done(request, done, queue.onward(onward), (f"See {invoice_id}", f"/desk/invoices/{invoice_id}"))

    async def _settle(invoice_id: str, verb: Verb, form: Form, reason: str, by: Operator) -> str:
        seen, now, message = form.text("cases").split(), clock.now(), form.text("merchant_message")
        if verb == "return":
            destination = form.text("destination").strip()
            refunds = await services.returns.send_all_back(
                invoice_id, destination, seen, by.account_id, reason, now, address=by.address, message=message
            )
            return f"{', '.join(refunds)} return what came for {invoice_id}. Another operator must approve each."
        await services.reviews.settle_all(
            invoice_id, verb, seen, by.account_id, reason, now, address=by.address, message=message
        )
        if verb == "credit":
            return f"Every open review of {invoice_id} is credited."
        return f"Every open review of {invoice_id} is closed: the money stays in suspense."

    async def found(invoice_id: str, verb: str) -> Sequence[DepositReview]:
        open_now = await reviews.open_of_invoice(invoice_id)
        if verb not in VERBS or not open_now:
            raise nothing_here()
        return open_now

    async def show(
        request: PageRequest,
        invoice_id: str,
        verb: str,
        open_now: Sequence[DepositReview],
        form: Form,
        *,
        status: int = 200,
    ) -> Response[bytes]:
        context: dict[str, Any] = {
            "invoice_id": invoice_id,
            "verb": verb,
            "in_review": open_now,
            "form": form,
            "cases": _ids(open_now),  # those that the page shows now, also where a form was refused
            "why_not": await why_not(open_now[0], operator_of(request).account_id),
            "unfinished": [one.deposit_id for one in open_now if one.deposit_status != "suspended"],
            "networks": sorted({one.network for one in open_now}),
            "queue": cases.reviews_queue(request, clock.now()),
        }
        return await desk.page(request, "reviews/settle", context, status=status)

    return [page, settle]


def _ids(open_now: Sequence[DepositReview]) -> str:
    """The reviews that a form shows, for its hidden field."""
    return " ".join(one.deposit_id for one in open_now)


async def _common_address(invoice_id: str) -> str | None:
    """The address that the customer has given for every open review, if it is the same and may be used."""
    given = [
        return_addresses.usable(case)
        for case in await return_addresses.cases(invoice_id)
        if case.review_status == "open"
    ]
    addresses = {one.address if one else None for one in given}
    return addresses.pop() if len(addresses) == 1 else None
