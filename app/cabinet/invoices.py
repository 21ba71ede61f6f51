"""Invoices: the list with its search, one invoice with its history, cancelling, refunding."""

from datetime import datetime
from typing import Any

import msgspec
from litestar import Response, get

from app.cabinet import assets, labels, timeline_labels
from app.cabinet.cabinet import Cabinet
from app.cabinet.context import MemberContext, context_of
from app.cabinet.forms import optional, required
from app.cabinet.guard import needs
from app.cabinet.lists import ORDERS, chips, money_query
from app.cabinet.return_addresses import STATES as RETURN_STATES
from app.cabinet.return_addresses import row_of as row_of_case
from app.cabinet.return_addresses import waits_for_merchant
from app.cabinet.saved_filters import saved_links
from app.cabinet.searching import search_of, searched
from app.core import clock
from app.core.errors import ApiError, Code
from app.core.keyset import Page, Total, page_or_first
from app.core.money import format_amount, group_digits
from app.identity import amounts
from app.identity.form_routes import NoStepUp, StepUp, form_post
from app.identity.forms import Form, FormRefused
from app.identity.identity import PageRequest
from app.identity.lists import ListQuery
from app.invoices.presentation import InvoiceBody, QuoteBody
from app.invoices.quoting import amount_worth_raw, format_price, parse_price
from app.invoices.reading_repository import Filters
from app.invoices.states import Status, can_cancel, can_refund
from app.merchants.roles import Permission
from app.networks.config import Asset
from app.networks.registry import Networks
from app.rates.rate import Rate
from app.rates.service import rates_now, to_minor_units, worth_by
from app.refunds import return_addresses
from app.refunds import service as refund_service
from app.refunds.service import NewRefund
from app.reports import reviews, timeline
from app.web.idempotency import create_once, replay_of
from app.web.standby_reads import FROM_STANDBY
from app.withdrawals.presentation import RefundBody
from app.withdrawals.presented_repository import Filters as WithdrawalFilters
from app.withdrawals.presented_repository import live_refunds_raw

FILTERS = ("search", "status", "asset", "from", "to", "order", "link")

MOST_REFUNDS = 50
"""Refunds of one invoice that its page lists."""

MAX_REASON_LENGTH = 500

NOT_CANCELLABLE = "It can’t be cancelled any more."
OVER = frozenset({Status.EXPIRED, Status.CANCELLED, Status.CLOSED})
"""States in which nothing is expected any more: what the exact payment would have brought is not shown."""


class Row(msgspec.Struct, frozen=True):
    """An invoice in a list."""

    id: str
    title: str
    amount: str
    """In `asset`, or in the currency of the price."""
    asset: str
    came: str
    """What counts of the transfers, or has come in, with its asset: empty where that is nothing, or what was asked."""
    status: str
    needs_review: bool
    created_at: datetime


def handlers(cabinet: Cabinet) -> list[Any]:
    """`invoices`, `invoices/{id}`, `invoices/{id}/cancel`, `invoices/{id}/refund`."""
    services, identity = cabinet.services, cabinet.identity

    async def found(request: PageRequest, invoice_id: str) -> InvoiceBody:
        ctx = context_of(request)
        invoice = await services.invoice_reader.get(ctx.merchant_id, ctx.mode, invoice_id)
        if invoice is None:
            raise ApiError(Code.INVOICE_NOT_FOUND, "no such invoice")
        return invoice

    @get("/invoices", opt=needs(Permission.VIEW) | FROM_STANDBY)
    async def invoices(request: PageRequest) -> Response[Any]:
        ctx = context_of(request)
        asked = money_query(request, assets.every(services, ctx), *FILTERS)
        query, order = asked.query, asked.order
        filters = filters_of(cabinet, ctx, query)

        async def read() -> tuple[Page[InvoiceBody], list[Row], Total]:
            page = await page_or_first(
                lambda place: services.invoice_reader.page(
                    ctx.merchant_id, ctx.mode, filters, place, query.rows, order=order
                ),
                query.place,
            )
            total = await services.invoice_reader.total(ctx.merchant_id, ctx.mode, filters)
            return page, [row_of(invoice, services.networks) for invoice in page], total.beside(page)

        page, rows, total = await cabinet.read(request, "invoices", (filters, query.place, query.rows, order), read)
        states, offered = list(labels.INVOICE_STATES.items()), assets.options(assets.every(services, ctx))
        context = {
            "query": query,
            "rows": rows,
            "saved": await saved_links(ctx, "invoices", query),
            "pager": query.pager(page),
            "total": total,
            "chips": chips(query, status=states, asset=offered),
            "order": order,
            "orders": ORDERS,
            "can_order": asked.can_order,
            "states": states,
            "state_words": labels.INVOICE_STATES,
            "assets": offered,
            "searched": None if filters.search is None else searched(filters.search, ctx.mode),
        }
        return await cabinet.page(request, "cabinet/invoices/list.html", context)

    @get("/invoices/{invoice_id:str}", opt=needs(Permission.VIEW))
    async def invoice(request: PageRequest, invoice_id: str) -> Response[Any]:
        ctx, body = context_of(request), await found(request, invoice_id)
        facts = await timeline.of_invoice(ctx.merchant_id, ctx.mode, invoice_id)
        refunds = await services.withdrawal_reader.refunds(
            ctx.merchant_id, ctx.mode, WithdrawalFilters(invoice_id=invoice_id), None, MOST_REFUNDS
        )
        network = None if body.pay_in is None else services.networks.by(body.pay_in.chain, ctx.mode)
        cases = await return_addresses.cases(body.id) if body.needs_review else []
        context = {
            **_shown(cabinet, ctx, body),
            "refunds": [_refund_row(refund) for refund in refunds],
            "quotes": [_quote_row(cabinet, body, quote) for quote in body.quotes],
            "reviews": await reviews.of_invoice(ctx.merchant_id, ctx.mode, invoice_id),
            "timeline": timeline_labels.entries(facts, services.networks, ctx),
            "explorer": (network and network.explorer_tx_url) or "",
            "network_name": network.display_name if network else "",
            "verdicts": labels.VERDICTS,
            "deposit_state": labels.deposit_state,
            "outcomes": labels.OUTCOMES,
            "returns": [row_of_case(cabinet, ctx, case) for case in cases],
            "return_waits": any(case.rule == "confirmed" and waits_for_merchant(case) for case in cases),
            "return_states": RETURN_STATES,
            "metadata": msgspec.json.format(msgspec.json.encode(body.metadata)).decode() if body.metadata else "",
        }
        return await cabinet.page(request, "cabinet/invoices/detail.html", context)

    @get("/invoices/{invoice_id:str}/cancel", opt=needs(Permission.INVOICES_WRITE))
    async def cancel_page(request: PageRequest, invoice_id: str) -> Response[Any]:
        ctx, body = context_of(request), await found(request, invoice_id)
        if not can_cancel(body.status):
            return identity.redirect(request, ctx.path("invoices", body.id), flash=NOT_CANCELLABLE, tone="caution")
        return await cabinet.page(request, "cabinet/invoices/cancel.html", _shown(cabinet, ctx, body))

    @form_post(
        "/invoices/{invoice_id:str}/cancel",
        does="Cancel an invoice",
        step_up=NoStepUp("it moves no money"),
        opt=needs(Permission.INVOICES_WRITE),
    )
    async def cancel(request: PageRequest, invoice_id: str) -> Response[Any]:
        ctx = context_of(request)
        back = ctx.path("invoices", (await found(request, invoice_id)).id)
        try:
            await services.invoices.cancel_by(ctx.member, ctx.mode, invoice_id, clock.now())
        except ApiError as error:
            if error.code is not Code.INVOICE_NOT_CANCELLABLE:
                raise
            return identity.nothing_done(request, back, NOT_CANCELLABLE)
        return identity.redirect(request, back, flash="The invoice is cancelled.")

    @get("/invoices/{invoice_id:str}/refund", opt=needs(Permission.REFUNDS_WRITE))
    async def refund_page(request: PageRequest, invoice_id: str) -> Response[Any]:
        context = await refund_context(request, invoice_id)
        form = Form.empty(amount=context["left"])
        return await cabinet.page(request, "cabinet/invoices/refund.html", {**context, "form": form})

    async def checked(request: PageRequest, form: Form, context: dict[str, Any]) -> NewRefund:
        """The refund in the form. Records what is wrong with it."""
        new = _new_refund(form, context["asset"], _amount_of_worth(form, context))
        with form.gathering():
            amount_raw, _ = await refund_service.checked(context["network"], context["asset"], new)
            if amount_raw > context["left_raw"]:
                left = f"{context['left']} {context['asset'].symbol}"
                form.record("amount", f"Enter at most {left}: no more of this invoice can be sent back.")
        return new

    async def check_refund(request: PageRequest, form: Form) -> None:
        invoice_id = request.path_params["invoice_id"]
        context = await refund_context(request, invoice_id)
        await checked(request, form, context)
        if form.text("worth") and "worth" not in form.errors:
            amount = _amount_of_worth(form, context)
            form.notes["worth"] = f"That is {amount} {context['asset'].symbol} now."

    @form_post(
        "/invoices/{invoice_id:str}/refund",
        does="Request a refund",
        step_up=StepUp.FRESH_CODE,
        check=check_refund,
        opt=needs(Permission.REFUNDS_WRITE),
    )
    async def refund(request: PageRequest, invoice_id: str) -> Response[Any]:
        form, ctx = await identity.read_form(request), context_of(request)
        context = await refund_context(request, invoice_id)
        try:
            new = await checked(request, form, context)
            await identity.require_fresh_code(request, form)
            with form.catching():
                replay = replay_of(
                    identity.form_key(request),
                    merchant_id=ctx.merchant_id,
                    mode=ctx.mode,
                    endpoint="cabinet refund",
                    body=(
                        invoice_id,
                        ctx.member.account_id,
                        form.text("amount"),
                        form.text("worth"),
                        new.refund_address,
                    ),
                )
                made = await create_once(
                    replay,
                    lambda replay: services.refunds.request(ctx.member, ctx.mode, invoice_id, new, replay, clock.now()),
                )
        except FormRefused:
            return await cabinet.refused(request, form, "cabinet/invoices/refund.html", context)
        requested = msgspec.json.decode(made.body, type=RefundBody)
        flash = "The refund is requested. An operator approves it before anything is sent."
        return identity.redirect(request, ctx.path("refunds", requested.id), flash=flash)

    async def refund_context(request: PageRequest, invoice_id: str) -> dict[str, Any]:
        body = await found(request, invoice_id)
        if body.pay_in is None:
            raise ApiError(Code.INVOICE_NOT_REFUNDABLE, f"the invoice is {body.status}")
        network = services.networks.by(body.pay_in.chain, body.mode)
        asset = services.networks.asset(body.pay_in.chain, body.mode, body.pay_in.asset)
        left_raw = max(0, int(body.credited_raw or 0) - await live_refunds_raw(invoice_id))
        fee_raw = int(body.service_fee_charged_raw or 0)
        return {
            **_shown(cabinet, context_of(request), body),
            "left": format_amount(left_raw, asset.decimals),
            "left_raw": left_raw,
            "fee_kept": format_amount(fee_raw, asset.decimals) if fee_raw else "",
            "network": network,
            **await _rate_of(body, asset, left_raw),
        }

    return [invoices, invoice, cancel_page, cancel, refund_page, refund]


def row_of(invoice: InvoiceBody, networks: Networks) -> Row:
    """An invoice in a list, by its order id, else by its own id. What has a price shows it."""
    amount, asset = shown_amount(invoice)
    return Row(
        id=invoice.id,
        title=invoice.order_id or invoice.description or invoice.id,
        amount=amount,
        asset=asset,
        came=_came(invoice, networks),
        status=invoice.status.value,
        needs_review=invoice.needs_review,
        created_at=datetime.fromisoformat(invoice.created_at),
    )


def _came(invoice: InvoiceBody, networks: Networks) -> str:
    """What counts of the transfers, or has come in, where that is another amount than was asked."""
    pay_in = invoice.pay_in
    came_raw = int(invoice.received_raw) if invoice.counted_raw is None else invoice.counted_raw
    if pay_in is None or came_raw in (0, int(pay_in.amount_raw)):
        return ""
    asset = networks.asset(pay_in.chain, invoice.mode, pay_in.asset)
    words = "came in" if invoice.counted_raw is None else "paid"
    return f"{group_digits(format_amount(came_raw, asset.decimals))} {asset.symbol} {words}"


def shown_amount(invoice: InvoiceBody) -> tuple[str, str]:
    """What an invoice asks for: its price and the currency, else the amount and its asset."""
    if invoice.price is not None:
        return invoice.price.amount_decimal, invoice.price.currency
    assert invoice.pay_in is not None, "what has no price names its asset"
    return invoice.amount_decimal or "", invoice.pay_in.asset


def filters_of(cabinet: Cabinet, ctx: MemberContext, query: ListQuery) -> Filters:
    """The list's filters; the export has the same."""
    asset = assets.find(assets.every(cabinet.services, ctx), query.get("asset"))
    return Filters(
        status=query.one_of("status", labels.INVOICE_STATES),
        network=None if asset is None else asset.network.key,
        asset=None if asset is None else asset.asset.symbol,
        search=search_of(cabinet, ctx, query.get("search")),
        payment_link=query.get("link"),
        created_from=query.first_day(),
        created_to=query.last_day(),
    )


def _shown(cabinet: Cabinet, ctx: MemberContext, body: InvoiceBody) -> dict[str, Any]:
    """What the pages of an invoice show: decimal amounts, times, and which actions are possible."""
    pay_in = body.pay_in
    asset = None if pay_in is None else cabinet.services.networks.asset(pay_in.chain, body.mode, pay_in.asset)

    def decimal(raw: str | None) -> str:
        return "" if raw is None or asset is None else format_amount(int(raw), asset.decimals)

    amount, unit = shown_amount(body)
    return {
        "invoice": body,
        "amount": amount,
        "unit": unit,
        "title": body.order_id or body.description or body.id,
        "lead": " · ".join(
            part for part in (f"Order {body.order_id}" if body.order_id else "", body.description or "") if part
        ),
        "service_fee": decimal(body.service_fee_charged_raw if body.credited else body.service_fee_raw),
        "net": "" if body.credited or body.status in OVER else decimal(body.net_raw),
        "received": decimal(body.received_raw),
        "credited": decimal(body.credited_raw),
        "refunded": decimal(body.refunded_raw) if int(body.refunded_raw) else "",
        "created_at": datetime.fromisoformat(body.created_at),
        "expires_at": datetime.fromisoformat(body.expires_at),
        "paid_at": None if body.paid_at is None else datetime.fromisoformat(body.paid_at),
        "can_cancel": can_cancel(body.status) and ctx.may(Permission.INVOICES_WRITE),
        "can_refund": can_refund(body.status) and ctx.may(Permission.REFUNDS_WRITE),
        "state_words": labels.INVOICE_STATES,
        "withdrawal_words": labels.WITHDRAWAL_STATES,
    }


def _quote_row(cabinet: Cabinet, invoice: InvoiceBody, quote: QuoteBody) -> dict[str, Any]:
    """A quote with its state in words: which one is asked for, and which one was honoured."""
    is_current = invoice.pay_in is not None and quote.pay_in.address == invoice.pay_in.address
    if quote.state == "used":
        tone, words = ("positive", "Honoured") if invoice.credited else ("progress", "Has a payment")
    elif quote.state == "open":
        tone, words = ("progress", "Asked for now") if is_current else ("neutral", "Still honoured")
    else:
        tone, words = "neutral", "Ended"
    return {
        "body": quote,
        "words": words,
        "tone": tone,
        "network_name": cabinet.services.networks.by(quote.pay_in.chain, invoice.mode).display_name,
        "spread": format_amount(quote.spread_bps, 2) if quote.spread_bps else "",
        "expires_at": datetime.fromisoformat(quote.expires_at),
    }


def _refund_row(refund: RefundBody) -> dict[str, Any]:
    return {"body": refund, "created_at": datetime.fromisoformat(refund.created_at)}


async def _rate_of(body: InvoiceBody, asset: Asset, left_raw: int) -> dict[str, Any]:
    """Of an invoice with a price: today's rate in its currency, None where there is none, and what is left by it."""
    if body.price is None:
        return {"rate": None, "asset": asset, "left_worth": ""}
    rate = (await rates_now([asset.symbol], body.price.currency, clock.now())).get(asset.symbol)
    left_worth = ""
    if rate is not None:
        worth_raw = to_minor_units(worth_by(rate, left_raw, asset.decimals), rate.quote)
        left_worth = group_digits(format_price(worth_raw, rate.quote))
    return {"rate": rate, "asset": asset, "left_worth": left_worth}


def _amount_of_worth(form: Form, context: dict[str, Any]) -> str | None:
    """The coins that the worth in the form is at today's rate, at most what is left; None where none is given, or it is
    wrong, which is recorded."""
    rate: Rate | None = context["rate"]
    text = form.text("worth")
    if not text:
        return None
    if rate is None:
        form.record("worth", "There is no exchange rate at the moment. Enter an amount above instead.")
        return None
    typed = amounts.amount(form, "worth", rate.quote)
    try:
        worth_raw = parse_price(typed, rate.quote)
    except ApiError as error:
        form.record("worth", error.message.partition(": ")[2])
        return None
    asset: Asset = context["asset"]
    amount_raw = amount_worth_raw(worth_raw, rate.quote, rate.figure, asset.decimals)
    return format_amount(min(amount_raw, context["left_raw"]), asset.decimals)


def _new_refund(form: Form, asset: Asset, amount_of_worth: str | None) -> NewRefund:
    """The refund in the form. Records what is wrong with it."""
    return NewRefund(
        amount=amount_of_worth or amounts.amount(form, "amount", asset.symbol),
        refund_address=required(form, "refund_address", "Enter the destination address that the customer gave you."),
        reason=optional(form, "reason", MAX_REASON_LENGTH),
        customer_visible_reason=optional(form, "customer_visible_reason", MAX_REASON_LENGTH),
        requested_by="",  # the service writes who requests it
    )
