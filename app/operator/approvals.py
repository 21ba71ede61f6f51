"""Approvals: the list of waiting payouts and refunds, and a page for each of them, where it is approved.

Each approval needs a code in the same form. The form has the digest of the payment that is shown, and the service
refuses any other. Attaching a transaction that has paid it already works the same way.
"""

import binascii
from typing import Any

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from app.accounts.operators import stated_reason
from app.backoffice import networks, queue, withdrawals
from app.backoffice.withdrawals import WithdrawalDetails
from app.core import clock
from app.core.keyset import page_or_first
from app.identity.form_routes import StepUp, form_post
from app.identity.forms import Form, FormRefused
from app.identity.identity import PageRequest
from app.identity.paging import PAGE_LENGTH, by_moment
from app.invoices.quoting import format_price
from app.networks.config import Asset
from app.operator import lists
from app.operator.desk import Desk, nothing_here, operator_of, refusals
from app.operator.labels import Labels
from app.operator.warnings import warnings_about, why_not, why_not_attach
from app.rates.service import worth_raw
from app.withdrawals.conflicts import conflict_of
from app.withdrawals.states import Status

STATES = ("waiting", "moving", "decided")


def routes(desk: Desk) -> list[HTTPRouteHandler]:
    """The handlers below `/desk/approvals`."""
    services, identity = desk.services, desk.identity

    @get("/approvals")
    async def listed(request: PageRequest) -> Response[bytes]:
        state = lists.choice(request, "state", STATES, "waiting")
        context: dict[str, Any] = {"state": state}
        if state == "moving":
            return await desk.page(request, "approvals/moving", {**context, "moving": await networks.on_the_way()})
        if state == "decided":
            query = lists.list_query(request, by_moment, state=state)
            decided = await page_or_first(lambda place: withdrawals.decided(place, PAGE_LENGTH), query.place)
            context |= {"decided": decided, "pager": query.pager(decided)}
            return await desk.page(request, "approvals/decided", context)
        query, account_id = lists.list_query(request, by_moment), operator_of(request).account_id
        waiting = await page_or_first(
            lambda place: queue.waiting_withdrawals(account_id, place, PAGE_LENGTH), query.place
        )
        context |= {"waiting": waiting, "pager": query.pager(waiting)}
        return await desk.page(request, "approvals/list", context, actors=[one.requested_by for one in waiting])

    @get("/approvals/{withdrawal_id:str}")
    async def one(request: PageRequest, withdrawal_id: str) -> Response[bytes]:
        return await show(request, "one", await find(withdrawal_id), Form.empty())

    @form_post(
        "/approvals/{withdrawal_id:str}/approve",
        does="Approve a payout or refund",
        step_up=StepUp.CODE_EACH_TIME,
        page="/approvals/{withdrawal_id:str}",
    )
    async def approve(request: PageRequest, withdrawal_id: str) -> Response[bytes]:
        form, by = await identity.read_form(request), operator_of(request)
        details = await find(withdrawal_id)
        try:
            with refusals(form):
                status = await services.approvals.approve(
                    withdrawal_id,
                    by.account_id,
                    form.text("code").replace(" ", ""),
                    clock.now(),
                    shown=_digest(form.text("digest")),
                    address=by.address,
                )
        except FormRefused:
            return await show(request, "one", await find(withdrawal_id), form, status=422)
        what = _text_of(details, Labels(services.networks))
        if status == Status.PENDING_APPROVAL:
            return desk.done(request, f"Your approval of {what} is recorded. A second operator must approve it too.")
        return desk.done(request, f"Approved: {what}. The signer sends it next.")

    @get("/approvals/{withdrawal_id:str}/reject")
    async def reject_page(request: PageRequest, withdrawal_id: str) -> Response[bytes]:
        return await show(request, "reject", await find(withdrawal_id), Form.empty())

    @form_post("/approvals/{withdrawal_id:str}/reject", does="Reject a payout or refund", step_up=StepUp.FRESH_CODE)
    async def reject(request: PageRequest, withdrawal_id: str) -> Response[bytes]:
        form = await identity.read_form(request)
        details = await find(withdrawal_id)
        try:
            by = await desk.verified_operator(request, form)
            with refusals(form):
                await services.approvals.reject(
                    withdrawal_id, by.account_id, stated_reason(form.text("reason")), clock.now(), address=by.address
                )
        except FormRefused:
            return await show(request, "reject", await find(withdrawal_id), form, status=422)
        return desk.done(
            request, f"Rejected: {_text_of(details, Labels(services.networks))}. Its money is available again."
        )

    @get("/approvals/{withdrawal_id:str}/attach")
    async def attach_page(request: PageRequest, withdrawal_id: str) -> Response[bytes]:
        return await show(request, "attach", await find(withdrawal_id), Form.empty())

    @form_post(
        "/approvals/{withdrawal_id:str}/attach",
        does="Attach a transaction that paid it already",
        step_up=StepUp.CODE_EACH_TIME,
    )
    async def attach(request: PageRequest, withdrawal_id: str) -> Response[bytes]:
        form, by = await identity.read_form(request), operator_of(request)
        details = await find(withdrawal_id)
        try:
            with refusals(form):
                await services.adoption.adopt(
                    withdrawal_id,
                    form.text("txid"),
                    by.account_id,
                    form.text("code").replace(" ", ""),
                    stated_reason(form.text("reason")),
                    clock.now(),
                    shown=_digest(form.text("digest")),
                    address=by.address,
                )
        except FormRefused:
            return await show(request, "attach", await find(withdrawal_id), form, status=422)
        return desk.done(request, f"Confirmed with its transaction: {_text_of(details, Labels(services.networks))}.")

    async def find(withdrawal_id: str) -> WithdrawalDetails:
        details = await withdrawals.details_of(withdrawal_id, clock.now())
        if details is None:
            raise nothing_here()
        return details

    async def show(
        request: PageRequest, template: str, details: WithdrawalDetails, form: Form, *, status: int = 200
    ) -> Response[bytes]:
        by = operator_of(request)
        network = Labels(services.networks).config(details.intent.network)
        asset = None if network is None else network.asset(details.intent.asset)
        conflict = await conflict_of(details.intent.id, by.account_id)
        context = {
            "details": details,
            "asset": asset,
            "worth_now": None if asset is None else await _worth_now(details, asset),
            "warnings": warnings_about(details, asset),
            "why_not": why_not(details, by.account_id, conflict),
            "why_not_attach": why_not_attach(details, conflict),
            "form": form,
        }
        return await desk.page(request, f"approvals/{template}", context, actors=[details.requested_by], status=status)

    return [listed, one, approve, reject_page, reject, attach_page, attach]


async def _worth_now(details: WithdrawalDetails, asset: Asset) -> dict[str, str] | None:
    """What the amount is worth now, in the currency of the invoice's price, else of the merchant's books: `amount` is
    empty where there is no rate, `price` where there is no price. None without a currency."""
    currency = details.price.currency if details.price else details.reporting_currency
    if currency is None:
        return None
    worth = await worth_raw(details.intent.amount_raw, asset.symbol, asset.decimals, currency, clock.now())
    return {
        "currency": currency,
        "amount": "" if worth is None else format_price(worth, currency),
        "price": "" if details.price is None else format_price(details.price.raw, currency),
    }


def _text_of(details: WithdrawalDetails, labels: Labels) -> str:
    intent = details.intent
    amount = labels.amount_in_text(intent.network, intent.asset, intent.amount_raw)
    return f"{intent.id}, {amount} to {labels.short(intent.destination)}"


def _digest(text: str) -> bytes:
    """The digest that the form carries; an invalid one becomes empty and matches nothing."""
    try:
        return binascii.unhexlify(text.strip())
    except (binascii.Error, ValueError):
        return b"none"
