"""A new invoice: a short form, with the rarely used fields in a closed section.

Its amount is in an asset, or a price in one of the currencies that the merchant has enabled; then the customer chooses
what to pay with, or the form names it.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec
from litestar import Response, get

from app.cabinet import assets
from app.cabinet.cabinet import Cabinet
from app.cabinet.context import MemberContext, context_of
from app.cabinet.forms import one_of, optional
from app.cabinet.guard import needs
from app.core import clock
from app.core.currencies import places
from app.core.money import parse_amount
from app.identity import amounts
from app.identity.form_routes import NoStepUp, form_post
from app.identity.forms import Form, FormRefused
from app.identity.identity import PageRequest
from app.identity.keeping import fill_again
from app.identity.sentences import PLAIN_EMAIL
from app.invoices.creation import NewInvoice
from app.invoices.presentation import AssetOnChain, InvoiceBody
from app.invoices.pricing import FeePayer
from app.invoices.return_urls import MAX_URL_LENGTH, check_return_url
from app.merchants import settings
from app.merchants.roles import Permission
from app.web.idempotency import create_once, replay_of

EXPIRIES = (
    ("15", "15 minutes"),
    ("60", "1 hour"),
    ("360", "6 hours"),
    ("1440", "1 day"),
    ("4320", "3 days"),
    ("10080", "7 days"),
)
"""Minutes to pay in (contract, section 3: 10 to 10,080), and what they are called."""

MORE = ("success_url", "fail_url", "customer_id", "pay_in_assets")
"""Fields of the closed section, which is open where one of them was filled in."""

FEE_PAYERS: tuple[tuple[FeePayer, str], ...] = (
    ("merchant", "You: it is taken out of the amount"),
    ("customer", "The customer: it is added on top"),
)


def handlers(cabinet: Cabinet) -> list[Any]:
    """`invoices/new`."""
    services, identity = cabinet.services, cabinet.identity

    async def context(ctx: MemberContext, form: Form) -> dict[str, Any]:
        enabled = await assets.enabled(services, ctx)
        currencies = (await settings.price_terms(ctx.merchant_id)).currencies if enabled else ()
        return {
            "form": form,
            "assets": assets.options(enabled),
            "units": [*((code, f"{code}, paid in coins") for code in currencies), *assets.options(enabled)],
            "has_currencies": bool(currencies),
            "expiries": EXPIRIES,
            "fee_payers": FEE_PAYERS,
            "more_open": any(form.text(name) for name in MORE) or bool({*MORE, "customer_email"} & set(form.errors)),
        }

    @get("/invoices/new", opt=needs(Permission.INVOICES_WRITE))
    async def new_invoice(request: PageRequest) -> Response[Any]:
        ctx = context_of(request)
        form = Form.empty(expires_in="60", fee_payer=await settings.fee_payer(ctx.merchant_id))
        fill_again(request, form)
        return await cabinet.page(request, "cabinet/invoices/new.html", await context(ctx, form))

    async def checked(request: PageRequest, form: Form) -> NewInvoice:
        """The invoice in the form. Records what is wrong with it."""
        ctx = context_of(request)
        currencies = (await settings.price_terms(ctx.merchant_id)).currencies
        return _new_invoice(form, await assets.enabled(services, ctx), currencies)

    @form_post(
        "/invoices/new",
        does="Create an invoice",
        step_up=NoStepUp("it takes money in and sends none"),
        check=checked,
        opt=needs(Permission.INVOICES_WRITE),
    )
    async def create(request: PageRequest) -> Response[Any]:
        form, ctx = await identity.read_form(request), context_of(request)
        try:
            new = await checked(request, form)
            form.refuse_if_wrong()
            with form.catching():
                replay = replay_of(
                    identity.form_key(request),
                    merchant_id=ctx.merchant_id,
                    mode=ctx.mode,
                    endpoint="cabinet invoice",
                    body=(ctx.member.account_id, msgspec.to_builtins(new)),
                )
                made = await create_once(
                    replay,
                    lambda replay: services.invoice_creation.create_by(ctx.member, ctx.mode, new, replay, clock.now()),
                )
        except FormRefused:
            return await cabinet.refused(request, form, "cabinet/invoices/new.html", await context(ctx, form))
        invoice = msgspec.json.decode(made.body, type=InvoiceBody)
        flash = "The invoice is created. Send the customer the address of its payment page."
        return identity.redirect(request, ctx.path("invoices", invoice.id), flash=flash)

    return [new_invoice, create]


def _new_invoice(form: Form, choices: list[assets.Choice], currencies: Sequence[str]) -> NewInvoice:
    """The invoice in the form. Records what is wrong with it."""
    unit, chain, pay_in_assets, decimals = form.text("currency"), None, None, None
    if unit in currencies:
        named = [assets.chosen(form, choices, value, "pay_in_assets") for value in form.many("pay_in_assets")]
        pay_in_assets = tuple(_on_chain(one) for one in named if one is not None) or None
        decimals = places(unit)
    elif choice := assets.chosen(form, choices, unit, "currency"):
        unit, chain, decimals = choice.asset.symbol, choice.network.chain, choice.asset.decimals
    amount = amounts.amount(form, "amount", unit if decimals is not None else "")
    if amount and decimals is not None:
        with form.gathering():
            parse_amount(amount, decimals)
    minutes = one_of(form, "expires_in", dict(EXPIRIES), "Choose how long the customer has to pay.")
    payer = next((payer for payer, _ in FEE_PAYERS if payer == form.text("fee_payer")), None)
    if payer is None:
        form.record("fee_payer", "Choose who pays the service fee.")
    urls = {name: optional(form, name, MAX_URL_LENGTH) for name in ("success_url", "fail_url")}
    for name, url in urls.items():
        with form.gathering():
            check_return_url(name, url)
    email = optional(form, "customer_email", 254)
    if email is not None and not ("@" in email and email.isprintable() and " " not in email):
        form.record("customer_email", PLAIN_EMAIL)
    return NewInvoice(
        amount=amount,
        currency=unit,
        chain=chain,
        pay_in_assets=pay_in_assets,
        description=optional(form, "description", 500),
        order_id=optional(form, "order_id", 100),
        customer_id=optional(form, "customer_id", 100),
        customer_email=email,
        success_url=urls["success_url"],
        fail_url=urls["fail_url"],
        expires_in=timedelta(minutes=int(minutes or 0)),
        fee_payer=payer,
    )


def _on_chain(choice: assets.Choice) -> AssetOnChain:
    return AssetOnChain(asset=choice.asset.symbol, chain=choice.network.chain)
