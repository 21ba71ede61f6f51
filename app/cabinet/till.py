"""The till: an amount typed on large keys, the code that the customer scans, and whether it is paid.

A sale is an invoice. The device gives each sale a key and keeps it until an answer has come (static/js/till.js): sent
again after a lost connection, or from a page that was loaded anew, it is the same sale. Without a script the form's own
key does the same for a form that is sent twice.
"""

import re
from datetime import timedelta
from typing import Any

import msgspec
from litestar import Response, get

from app.cabinet import assets
from app.cabinet.cabinet import Cabinet
from app.cabinet.context import MemberContext, context_of
from app.cabinet.guard import needs
from app.cabinet.invoices import NOT_CANCELLABLE, shown_amount
from app.core import clock
from app.core.currencies import places
from app.core.errors import ApiError, Code
from app.core.money import parse_amount
from app.identity import amounts
from app.identity.form_routes import NoStepUp, form_post
from app.identity.forms import Form, FormRefused
from app.identity.identity import PageRequest
from app.invoices.creation import NewInvoice
from app.invoices.presentation import AssetOnChain, InvoiceBody
from app.invoices.reader import PublicInvoice
from app.invoices.states import AWAITS_PAYMENT, Status, can_cancel
from app.merchants import settings
from app.merchants.roles import Permission
from app.web.idempotency import create_once, replay_of
from app.web.qr import payment_qr, qr

TIME_TO_PAY = timedelta(minutes=15)
"""Somebody stands at the counter."""

METADATA = b'{"made_at":"till"}'
"""Of each sale's invoice, for whoever reads its events."""

KEYS = ("1", "2", "3", "4", "5", "6", "7", "8", "9", ".", "0", "back")

_SALE = re.compile(r"[0-9a-f]{32}", re.ASCII)

PAID = (Status.PAID, Status.PARTIALLY_REFUNDED, Status.REFUNDED)


class Way(msgspec.Struct, frozen=True):
    """An asset that the customer may choose, and about how much of it that is now; empty where it can't be chosen."""

    value: str
    asset: str
    network: str
    amount: str


def handlers(cabinet: Cabinet) -> list[Any]:
    """`till`, `till/{invoice id}`, and below it `choose` and `cancel`."""
    services, identity = cabinet.services, cabinet.identity

    async def units(ctx: MemberContext) -> list[tuple[str, str]]:
        """What a sale may be in: national currencies, the one of the books first, then coins."""
        enabled = await assets.enabled(services, ctx)
        prices = await settings.price_terms(ctx.merchant_id)
        currencies = sorted(prices.currencies if enabled else (), key=lambda one: one != prices.reporting_currency)
        return [*((code, code) for code in currencies), *assets.options(enabled)]

    async def context(ctx: MemberContext, form: Form) -> dict[str, Any]:
        return {"form": form, "units": await units(ctx), "keys": KEYS}

    @get("/till", opt=needs(Permission.INVOICES_WRITE))
    async def keypad(request: PageRequest) -> Response[Any]:
        return await cabinet.page(request, "cabinet/till/keypad.html", await context(context_of(request), Form.empty()))

    async def checked(request: PageRequest, form: Form) -> NewInvoice:
        """The sale in the form. Records what is wrong with it."""
        ctx, unit = context_of(request), form.text("currency")
        enabled, chain, only = await assets.enabled(services, ctx), None, None
        if unit in (await settings.price_terms(ctx.merchant_id)).currencies:
            decimals: int | None = places(unit)
            offered = [one for one in await settings.offered_assets(ctx.merchant_id, ctx.mode) if one.offered]
            if len(offered) == 1:  # nothing to choose
                network = services.networks.get(offered[0].network)
                only = (AssetOnChain(asset=offered[0].asset, chain=network.chain),)
        elif choice := assets.chosen(form, enabled, unit, "currency"):
            unit, chain, decimals = choice.asset.symbol, choice.network.chain, choice.asset.decimals
        else:
            decimals = None
        amount = amounts.amount(form, "amount", unit if decimals is not None else "", empty="Enter an amount.")
        if amount and decimals is not None:
            with form.gathering():
                parse_amount(amount, decimals)
        return NewInvoice(
            amount=amount, currency=unit, chain=chain, pay_in_assets=only, metadata=METADATA, expires_in=TIME_TO_PAY
        )

    @form_post(
        "/till",
        does="Create an invoice at the till",
        step_up=NoStepUp("it takes money in and sends none"),
        check=checked,
        opt=needs(Permission.INVOICES_WRITE),
    )
    async def charge(request: PageRequest) -> Response[Any]:
        form, ctx = await identity.read_form(request), context_of(request)
        sale = form.text("sale") if _SALE.fullmatch(form.text("sale")) else ""
        try:
            new = await checked(request, form)
            form.refuse_if_wrong()
            with form.catching():
                replay = replay_of(
                    f"{sale or identity.form_key(request)}:{new.amount}:{new.currency}:{new.chain}",
                    merchant_id=ctx.merchant_id,
                    mode=ctx.mode,
                    endpoint="till",  # of no one member: a colleague who signs in goes on with the sale
                    body=(new.amount, new.currency, new.chain),
                )
                made = await create_once(
                    replay,
                    lambda replay: services.invoice_creation.create_by(ctx.member, ctx.mode, new, replay, clock.now()),
                )
        except FormRefused:
            return await cabinet.refused(request, form, "cabinet/till/keypad.html", await context(ctx, form))
        invoice = msgspec.json.decode(made.body, type=InvoiceBody)
        return identity.redirect(request, ctx.path("till", invoice.id) + (f"?sale={sale}" if sale else ""))

    async def found(request: PageRequest, invoice_id: str) -> tuple[InvoiceBody, PublicInvoice]:
        ctx = context_of(request)
        invoice = await services.invoice_reader.get(ctx.merchant_id, ctx.mode, invoice_id)
        public = None if invoice is None else await services.invoice_reader.get_public(invoice.id)
        if invoice is None or public is None:
            raise ApiError(Code.INVOICE_NOT_FOUND, "no such invoice")
        return invoice, public

    @get("/till/{invoice_id:str}", opt=needs(Permission.INVOICES_WRITE))
    async def sale(request: PageRequest, invoice_id: str) -> Response[Any]:
        ctx, (invoice, public) = context_of(request), await found(request, invoice_id)
        waits, now = invoice.status in AWAITS_PAYMENT, clock.now()
        choices = await services.quotes.choices(invoice.id, now) if waits and invoice.price is not None else []
        pay_in, due = invoice.pay_in, public.due
        is_payable = invoice.status is Status.AWAITING_DEPOSIT and due is not None and public.pay_until > now
        amount, unit = shown_amount(invoice)
        ways = [
            Way(
                f"{one.asset.symbol}@{one.network.chain}",
                one.asset.symbol,
                one.network.display_name,
                one.amount_decimal,
            )
            for one in choices
        ]
        chosen = None if pay_in is None else f"{pay_in.asset}@{pay_in.chain}"
        sale_key = request.query_params.get("sale", "")
        exact = [d for d in invoice.deposits if d.review_reason is None and not d.is_gone]
        context: dict[str, Any] = {
            "invoice": invoice,
            "sale_key": sale_key if _SALE.fullmatch(sale_key) else "",
            "amount": amount,
            "unit": unit,
            "due": due if is_payable else None,
            "pay_in": pay_in,
            "network_name": "" if pay_in is None else services.networks.by(pay_in.chain, ctx.mode).display_name,
            "code": payment_qr(due.qr_text, label="QR code for the payment") if is_payable and due else "",
            "page_code": qr(invoice.payment_url, label="QR code of the payment page") if waits else "",
            "ways": ways if not is_payable else [way for way in ways if way.value != chosen],
            "is_payable": is_payable,
            "is_paid": invoice.status in PAID,
            "waits": waits,
            "confirmations": min((d.confirmations for d in exact), default=0),
            "may_cancel": can_cancel(invoice.status),
            "pay_until": public.pay_until,
        }
        if sale_key:  # a sale that was sent again by itself needs no words about it
            context["flash"] = None
        return await cabinet.page(request, "cabinet/till/sale.html", context)

    @form_post(
        "/till/{invoice_id:str}/choose",
        does="Choose at the till what is paid with",
        step_up=NoStepUp("it takes money in and sends none"),
        page="/till/{invoice_id:str}",
        opt=needs(Permission.INVOICES_WRITE),
    )
    async def choose(request: PageRequest, invoice_id: str) -> Response[Any]:
        form, ctx = await identity.read_form(request), context_of(request)
        invoice, _ = await found(request, invoice_id)
        back = ctx.path("till", invoice.id)
        asset, _, chain = form.text("way").partition("@")
        try:
            await services.quotes.choose(invoice.id, asset, chain, clock.now())
        except ApiError as error:
            return identity.nothing_done(request, back, _why_not(error))
        return identity.redirect(request, back)

    @form_post(
        "/till/{invoice_id:str}/cancel",
        does="Cancel a sale at the till",
        step_up=NoStepUp("it moves no money"),
        page="/till/{invoice_id:str}",
        opt=needs(Permission.INVOICES_WRITE),
    )
    async def cancel(request: PageRequest, invoice_id: str) -> Response[Any]:
        ctx, (invoice, _) = context_of(request), await found(request, invoice_id)
        try:
            await services.invoices.cancel_by(ctx.member, ctx.mode, invoice.id, clock.now())
        except ApiError as error:
            if error.code is not Code.INVOICE_NOT_CANCELLABLE:
                raise
            return identity.nothing_done(request, ctx.path("till", invoice.id), NOT_CANCELLABLE)
        return identity.redirect(request, ctx.path("till"), flash="The sale is cancelled.", tone="neutral")

    return [keypad, charge, sale, choose, cancel]


def _why_not(error: ApiError) -> str:
    """Why nothing was chosen, in a sentence. Raises an error that is about something else."""
    match error.code:
        case Code.RATE_UNAVAILABLE:
            return "There is no exchange rate for this at the moment. Try another coin, or again in a minute."
        case Code.INVOICE_NOT_QUOTABLE:
            return "It can’t be chosen any more: a payment was seen, or the time is up."
        case Code.PAY_IN_ASSET_NOT_ALLOWED:
            return "You do not take this coin any more. Choose another one."
        case Code.AMOUNT_TOO_SMALL | Code.AMOUNT_TOO_LARGE:
            return "The amount is too small or too large for this coin. Choose another one."
        case Code.POOL_EXHAUSTED | Code.INVOICES_DISABLED:
            return "This coin can’t be taken at the moment. Choose another one, or try again in a minute."
        case _:
            raise error
