"""A new payment link, and changes of one: the same fields, but for the currency, which stays."""

from datetime import datetime
from typing import Any

import msgspec
from litestar import Response, get

from app.cabinet import assets
from app.cabinet.cabinet import Cabinet
from app.cabinet.context import MemberContext, context_of
from app.cabinet.fields import end_of_day, last_day, whole_number
from app.cabinet.forms import optional
from app.cabinet.guard import needs
from app.core import clock, metadata
from app.core.currencies import places
from app.core.money import parse_amount
from app.identity import amounts
from app.identity.form_routes import NoStepUp, form_post
from app.identity.forms import Form, FormRefused
from app.identity.identity import PageRequest, visitor_of
from app.identity.keeping import fill_again
from app.invoices.presentation import AssetOnChain
from app.invoices.return_urls import MAX_URL_LENGTH, check_return_url
from app.merchants import settings
from app.merchants.roles import Permission
from app.payment_links.checking import LinkTerms, check_rest
from app.payment_links.presentation import PaymentLinkBody
from app.web.idempotency import create_once, replay_of

MORE = ("pay_in_assets", "success_url", "metadata")
"""Fields of the closed section, which is open where one of them was filled in."""

AMOUNTS = ("amount", "min_amount", "max_amount")


def handlers(cabinet: Cabinet) -> list[Any]:
    """`payment-links/new` and `payment-links/{id}/edit`."""
    services, identity = cabinet.services, cabinet.identity

    async def context(ctx: MemberContext, form: Form, **more: Any) -> dict[str, Any]:
        enabled = await assets.enabled(services, ctx)
        currencies = (await settings.price_terms(ctx.merchant_id)).currencies if enabled else ()
        return {
            "form": form,
            "assets": assets.options(enabled),
            "units": [*((code, f"{code}, paid in coins") for code in currencies), *assets.options(enabled)],
            "has_currencies": bool(currencies),
            "more_open": any(form.text(name) for name in MORE) or bool(set(MORE) & set(form.errors)),
            **more,
        }

    @get("/payment-links/new", opt=needs(Permission.INVOICES_WRITE))
    async def new_link(request: PageRequest) -> Response[Any]:
        form = Form.empty()
        fill_again(request, form)
        return await cabinet.page(request, "cabinet/payment_links/new.html", await context(context_of(request), form))

    async def checked(request: PageRequest, form: Form) -> LinkTerms:
        """The link in the form. Records what is wrong with it."""
        ctx = context_of(request)
        currencies = (await settings.price_terms(ctx.merchant_id)).currencies
        enabled = await assets.enabled(services, ctx)
        unit, chain, decimals = form.text("currency"), None, None
        if unit in currencies:
            decimals = places(unit)
        elif choice := assets.chosen(form, enabled, unit, "currency"):
            unit, chain, decimals = choice.asset.symbol, choice.network.chain, choice.asset.decimals
        return _terms(request, form, enabled, unit, chain, decimals)

    @form_post(
        "/payment-links/new",
        does="Create a payment link",
        step_up=NoStepUp("it takes money in and sends none"),
        check=checked,
        opt=needs(Permission.INVOICES_WRITE),
    )
    async def create(request: PageRequest) -> Response[Any]:
        form, ctx = await identity.read_form(request), context_of(request)
        try:
            asked = await checked(request, form)
            form.refuse_if_wrong()
            with form.catching():
                replay = replay_of(
                    identity.form_key(request),
                    merchant_id=ctx.merchant_id,
                    mode=ctx.mode,
                    endpoint="cabinet payment link",
                    body=(ctx.member.account_id, msgspec.to_builtins(asked)),
                )
                made = await create_once(
                    replay,
                    lambda replay: services.payment_links.create_by(ctx.member, ctx.mode, asked, replay, clock.now()),
                )
        except FormRefused:
            return await cabinet.refused(request, form, "cabinet/payment_links/new.html", await context(ctx, form))
        link = msgspec.json.decode(made.body, type=PaymentLinkBody)
        flash = "The payment link is ready. Send its address, or print its poster."
        return identity.redirect(request, ctx.path("payment-links", link.id), flash=flash)

    async def found(request: PageRequest) -> PaymentLinkBody:
        ctx, link_id = context_of(request), request.path_params["link_id"]
        return await services.payment_links.get(ctx.merchant_id, ctx.mode, link_id, clock.now())

    @get("/payment-links/{link_id:str}/edit", opt=needs(Permission.INVOICES_WRITE))
    async def edit_page(request: PageRequest, link_id: str) -> Response[Any]:
        link = await found(request)
        form = _form_of(request, link)
        shown = await context(context_of(request), form, link=link)
        return await cabinet.page(request, "cabinet/payment_links/edit.html", shown)

    async def checked_change(request: PageRequest, form: Form) -> dict[str, Any]:
        """What the form changes. Records what is wrong with it."""
        ctx, link = context_of(request), await found(request)
        enabled = await assets.enabled(services, ctx)
        decimals = places(link.currency)
        if link.chain is not None:
            asset = services.networks.asset(link.chain, ctx.mode, link.currency)
            decimals = asset.decimals
        asked = _terms(request, form, enabled, link.currency, link.chain, decimals, before=link)
        names = (*AMOUNTS, "description", "max_payments", "expires_at", "success_url", "metadata", "pay_in_assets")
        return {name: getattr(asked, name) for name in names if name != "pay_in_assets" or link.chain is None}

    @form_post(
        "/payment-links/{link_id:str}/edit",
        does="Change a payment link",
        step_up=NoStepUp("it takes money in and sends none"),
        check=checked_change,
        opt=needs(Permission.INVOICES_WRITE),
    )
    async def edit(request: PageRequest, link_id: str) -> Response[Any]:
        form, ctx, link = await identity.read_form(request), context_of(request), await found(request)
        try:
            changes = await checked_change(request, form)
            form.refuse_if_wrong()
            with form.catching():
                await services.payment_links.change_by(ctx.member, ctx.mode, link.id, changes, clock.now())
        except FormRefused:
            shown = await context(ctx, form, link=link)
            return await cabinet.refused(request, form, "cabinet/payment_links/edit.html", shown)
        flash = "Saved. Invoices that the link has made stay as they are."
        return identity.redirect(request, ctx.path("payment-links", link.id), flash=flash)

    return [new_link, create, edit_page, edit]


def _terms(
    request: PageRequest,
    form: Form,
    enabled: list[assets.Choice],
    unit: str,
    chain: str | None,
    decimals: int | None,
    *,
    before: PaymentLinkBody | None = None,
) -> LinkTerms:
    """The link in the form, whose amounts are in `unit`. Records what is wrong with it."""
    given = {name: _amount(form, name, unit, decimals) for name in AMOUNTS}
    if given["amount"]:
        for name in ("min_amount", "max_amount"):
            if given[name]:
                form.record(name, "Leave this empty: the amount above is fixed.")
    named = []
    if chain is None:
        chosen = [assets.chosen(form, enabled, value, "pay_in_assets") for value in form.many("pay_in_assets")]
        named = [AssetOnChain(asset=one.asset.symbol, chain=one.network.chain) for one in chosen if one is not None]
    ends_at = end_of_day(form, "expires_at", visitor_of(request).zone)
    asked = LinkTerms(
        currency=unit,
        chain=chain,
        amount=given["amount"],
        min_amount=given["min_amount"],
        max_amount=given["max_amount"],
        pay_in_assets=tuple(named) or None,
        description=optional(form, "description", 500),
        max_payments=whole_number(form, "max_payments") if form.text("max_payments") else None,
        expires_at=ends_at,
        success_url=optional(form, "success_url", MAX_URL_LENGTH),
        metadata=_metadata(form),
    )
    is_as_before = before is not None and before.expires_at is not None and _moment(before.expires_at) == ends_at
    if ends_at is not None and ends_at <= clock.now() and not is_as_before:
        form.record("expires_at", "Choose today or a later day.")
    with form.gathering():
        check_return_url("success_url", asked.success_url, mode=context_of(request).mode)
    if asked.max_payments is not None and not form.errors.get("max_payments"):
        with form.gathering():
            check_rest(LinkTerms(currency=unit, max_payments=asked.max_payments), context_of(request).mode, clock.now())
    return asked


def _amount(form: Form, name: str, unit: str, decimals: int | None) -> str | None:
    """The decimal in a field; None where it is empty or wrong."""
    if not form.text(name):
        return None
    amount = amounts.amount(form, name, unit if decimals is not None else "")
    if amount and decimals is not None:
        with form.gathering():
            parse_amount(amount, decimals, name)
    return amount or None


def _metadata(form: Form) -> bytes:
    """The JSON object in the field; an empty one where it is empty or wrong."""
    text = form.text("metadata")
    if not text:
        return b"{}"
    try:
        decoded = metadata.from_json(text)
    except msgspec.DecodeError:
        form.record("metadata", 'Enter a JSON object, such as {"tour": "harbour"}.')
        return b"{}"
    encoded = b"{}"
    with form.gathering():
        encoded = metadata.to_json(decoded)
    return encoded


def _form_of(request: PageRequest, link: PaymentLinkBody) -> Form:
    """The form with what the link has now."""
    values = {
        "amount": link.amount or "",
        "min_amount": link.min_amount or "",
        "max_amount": link.max_amount or "",
        "description": link.description or "",
        "max_payments": "" if link.max_payments is None else str(link.max_payments),
        "expires_at": last_day(_moment(link.expires_at), visitor_of(request).zone),
        "success_url": link.success_url or "",
        "metadata": msgspec.json.format(msgspec.json.encode(link.metadata)).decode() if link.metadata else "",
    }
    chosen = [f"{one.asset}@{one.chain}" for one in link.pay_in_assets or ()]
    return Form(values=values, lists={"pay_in_assets": chosen})


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
