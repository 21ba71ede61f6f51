"""Settings of prices: currencies, spread, how long a quote is good for, what may be paid with, and the currency of the
books."""

from typing import Any

from litestar import Response, get

from app.cabinet import assets
from app.cabinet.cabinet import Cabinet
from app.cabinet.context import MemberContext, context_of
from app.cabinet.guard import needs
from app.core import clock
from app.core.money import format_amount
from app.identity.form_routes import StepUp, form_post
from app.identity.forms import Form, FormRefused
from app.identity.identity import PageRequest
from app.merchants import settings
from app.merchants.roles import Permission
from app.merchants.settings import PRICE_TERMS_BOUNDS, PriceSettings

PLACE = "place."
"""The beginning of the names of the fields that put assets in order: `place.USDT@ethereum`."""

MOST_ASSETS = 50

PERCENT_PLACES = 2
"""A percentage with two places is in 1/10,000."""


def handlers(cabinet: Cabinet) -> list[Any]:
    """`settings/prices`."""
    identity = cabinet.identity

    async def ordered(ctx: MemberContext) -> list[tuple[assets.Choice, bool]]:
        """The assets that the merchant takes in this mode, in its order, each with whether it is offered."""
        choices = {(one.network.key, one.asset.symbol): one for one in assets.every(cabinet.services, ctx)}
        offered = await settings.offered_assets(ctx.merchant_id, ctx.mode)
        return [
            (choices[one.network, one.asset], one.offered) for one in offered if (one.network, one.asset) in choices
        ]

    async def context(ctx: MemberContext, form: Form) -> dict[str, Any]:
        choices = await ordered(ctx)
        return {
            "form": form,
            "choices": [choice for choice, _ in choices],
            "places": [("", "Not offered"), *((str(n), str(n)) for n in range(1, len(choices) + 1))],
        }

    @get("/settings/prices", opt=needs(Permission.SETTINGS_MANAGE))
    async def prices(request: PageRequest) -> Response[Any]:
        ctx = context_of(request)
        now = await settings.price_terms(ctx.merchant_id)
        form = Form.empty(
            currencies=", ".join(now.currencies),
            reporting_currency=now.reporting_currency or "",
            spread_bps=_percent(now.spread_bps),
            quote_minutes=str(now.quote_minutes),
            late_quote_bps=_percent(now.late_quote_bps),
            **{
                f"{PLACE}{choice.value}": str(place) if is_offered else ""
                for place, (choice, is_offered) in enumerate(await ordered(ctx), 1)
            },
        )
        return await cabinet.page(request, "cabinet/settings/prices.html", await context(ctx, form))

    async def checked(request: PageRequest, form: Form) -> tuple[PriceSettings, list[tuple[str, str]]]:
        """The settings in the form, and the assets that are offered. Records what is wrong with them."""
        new, choices = _price_settings(form), [choice for choice, _ in await ordered(context_of(request))]
        offered = _offered(form, choices)
        with form.gathering():
            settings.check_price_terms(new)
        if choices and not offered:
            form.record("assets", "Choose at least one asset, by giving it a place.")
        return new, offered

    @form_post(
        "/settings/prices",
        does="Change prices",
        step_up=StepUp.FRESH_CODE,
        check=checked,
        opt=needs(Permission.SETTINGS_MANAGE),
    )
    async def set_prices(request: PageRequest) -> Response[Any]:
        form, ctx = await identity.read_form(request), context_of(request)
        try:
            new, offered = await checked(request, form)
            await identity.require_fresh_code(request, form)
            with form.catching():
                await settings.set_prices(ctx.member, new, offered, ctx.mode, clock.now())
        except FormRefused:
            return await cabinet.refused(request, form, "cabinet/settings/prices.html", await context(ctx, form))
        flash = "Saved. It applies from the next invoice or quote on."
        return identity.redirect(request, ctx.path("settings"), flash=flash)

    return [prices, set_prices]


def _price_settings(form: Form) -> PriceSettings:
    """The settings in the form. Records what is wrong with its numbers."""
    codes = form.text("currencies").upper().replace(",", " ").split()
    return PriceSettings(
        currencies=tuple(dict.fromkeys(codes)),
        reporting_currency=form.text("reporting_currency").upper() or None,
        spread_bps=_bps(form, "spread_bps"),
        quote_minutes=_whole(form, "quote_minutes"),
        late_quote_bps=_bps(form, "late_quote_bps"),
    )


def _offered(form: Form, choices: list[assets.Choice]) -> list[tuple[str, str]]:
    """The assets that have a place, in its order; those with the same one in the order that they have now."""
    placed = []
    for choice in choices:
        place = form.text(f"{PLACE}{choice.value}")
        if place:
            if not (place.isascii() and place.isdigit() and len(place) <= len(str(MOST_ASSETS))):
                form.record("assets", "Choose a place from the list for each asset.")
                continue
            placed.append((int(place), choice))
    placed.sort(key=lambda one: one[0])
    return [(choice.network.key, choice.asset.symbol) for _, choice in placed]


def _percent(bps: int) -> str:
    return format_amount(bps, PERCENT_PLACES, least_places=0)


def _bps(form: Form, name: str) -> int:
    """A percentage with up to two places, in 1/10,000; zero where it is wrong, which is recorded."""
    whole, _, places = form.text(name, "0").replace(",", ".").partition(".")
    digits = whole + places.ljust(PERCENT_PLACES, "0")
    if not (digits.isascii() and digits.isdigit()) or len(places) > PERCENT_PLACES or len(whole) > PERCENT_PLACES:
        form.record(name, "must be a percentage such as 0.5")
        return 0
    _, most = PRICE_TERMS_BOUNDS[name]
    if int(digits) > most:
        form.record(name, f"must be at most {_percent(most)} percent")
        return 0
    return int(digits)


def _whole(form: Form, name: str) -> int:
    text = form.text(name)
    least, most = PRICE_TERMS_BOUNDS[name]
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(most)) and least <= int(text) <= most):
        form.record(name, f"must be a whole number from {least} to {most}")
        return least
    return int(text)
