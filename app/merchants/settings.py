"""Settings that members of a merchant may change. Operators set fees, caps and assets (administration.py)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import get_args

import msgspec

from app.core import currencies, database
from app.core.errors import Problems, invalid
from app.merchants import branding, frame_origins, repository
from app.merchants.branding import Branding
from app.merchants.members import Member
from app.merchants.repository import EnabledAsset, FeePayer, MerchantRow, ReturnRule
from app.merchants.roles import Permission
from app.merchants.terms import Mode

MAX_CURRENCIES = 20

PRICE_TERMS_BOUNDS: Mapping[str, tuple[int, int]] = MappingProxyType(
    {"spread_bps": (0, 1_000), "quote_minutes": (5, 60), "late_quote_bps": (0, 1_000)}
)
"""The least and the most of each; the database refuses others. A quote's life: contract, section 10."""


class PriceSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How a merchant prices in national currencies (`Merchant`)."""

    currencies: tuple[str, ...]
    spread_bps: int
    quote_minutes: int
    late_quote_bps: int
    reporting_currency: str | None


async def fee_payer(merchant_id: str) -> FeePayer:
    """Who pays the service fee unless an invoice says otherwise."""
    return (await _merchant(merchant_id)).fee_payer


async def accepts_parts(merchant_id: str) -> bool:
    """Whether several deposits may pay an invoice together."""
    return (await _merchant(merchant_id)).accept_parts


async def set_invoice_terms(by: Member, *, payer: str, parts: str, now: datetime) -> None:
    """Set who pays the service fee, and whether several deposits may pay an invoice (`parts`: "yes" or "no").

    Both apply to new invoices.

    Raises Forbidden, INVALID_INPUT.
    """
    by.require(Permission.SETTINGS_MANAGE)
    check_invoice_terms(payer, parts)
    accepted = parts == "yes"
    async with database.transaction():
        was = await repository.lock(by.merchant_id)
        assert was is not None, "a member's merchant exists"
        await repository.set_invoice_terms(by.merchant_id, payer, accepted)
        if was.fee_payer != payer:
            await by.record("merchant.fee_payer_changed", by.merchant_id, now, was=was.fee_payer, is_now=payer)
        if was.accept_parts != accepted:
            await by.record("merchant.accept_parts_changed", by.merchant_id, now, was=was.accept_parts, is_now=accepted)


def check_invoice_terms(payer: str, parts: str) -> None:
    """Raise INVALID_INPUT, with all that is wrong, unless both are choices that there are."""
    problems = Problems()
    with problems.gathered():
        if payer not in ("merchant", "customer"):
            raise invalid("fee_payer", "choose who pays the fee")
    with problems.gathered():
        if parts not in ("yes", "no"):
            raise invalid("accept_parts", "choose what a part counts for")
    problems.refuse()


async def return_rule(merchant_id: str) -> ReturnRule:
    """What is required of the addresses that customers give for a return."""
    return (await _merchant(merchant_id)).return_addresses


async def set_return_rule(by: Member, rule: str, now: datetime) -> None:
    """Set whether customers may name a return address, and whether a member confirms it first. It applies at once.

    Raises Forbidden, INVALID_INPUT.
    """
    by.require(Permission.SETTINGS_MANAGE)
    new = next((known for known in get_args(ReturnRule) if known == rule), None)
    if new is None:
        raise invalid("return_addresses", "choose one")
    async with database.transaction():
        was = await repository.lock(by.merchant_id)
        assert was is not None, "a member's merchant exists"
        if was.return_addresses != new:
            await repository.set_return_rule(by.merchant_id, new)
            await by.record(
                "merchant.return_addresses_changed", by.merchant_id, now, was=was.return_addresses, is_now=new
            )


async def price_terms(merchant_id: str) -> PriceSettings:
    """How a merchant prices in national currencies."""
    merchant = await _merchant(merchant_id)
    return PriceSettings(
        currencies=tuple(merchant.currencies),
        spread_bps=merchant.spread_bps,
        quote_minutes=merchant.quote_minutes,
        late_quote_bps=merchant.late_quote_bps,
        reporting_currency=merchant.reporting_currency,
    )


async def set_prices(
    by: Member, new: PriceSettings, offered: Sequence[tuple[str, str]], mode: Mode, now: datetime
) -> None:
    """Set how the merchant prices in national currencies, and which assets (network, symbol) customers may pay a price
    with in a mode, in this order. At least one. They apply from the next invoice or quote on.

    Raises Forbidden, INVALID_INPUT.
    """
    by.require(Permission.SETTINGS_MANAGE)
    check_price_terms(new)
    async with database.transaction():
        was = await repository.lock(by.merchant_id)
        assert was is not None, "a member's merchant exists"
        await repository.set_price_terms(by.merchant_id, **msgspec.structs.asdict(new))
        for name, value in msgspec.structs.asdict(new).items():
            before = getattr(was, name)
            if list(before) != list(value) if name == "currencies" else before != value:
                await by.record(f"merchant.{name}_changed", by.merchant_id, now, was=before, is_now=value)
        await _set_offer(by, offered, mode, now)


def check_price_terms(new: PriceSettings) -> None:
    """Raise INVALID_INPUT, with all that is wrong, unless the values are possible."""
    problems = Problems()
    with problems.gathered():
        if len(new.currencies) > MAX_CURRENCIES or len(set(new.currencies)) != len(new.currencies):
            raise invalid("currencies", f"must be at most {MAX_CURRENCIES} different ones")
        for currency in new.currencies:
            if not currencies.is_currency(currency):
                raise invalid("currencies", f"{currency} is not a currency")
    with problems.gathered():
        if new.reporting_currency is not None and not currencies.is_currency(new.reporting_currency):
            raise invalid("reporting_currency", f"{new.reporting_currency} is not a currency")
    for name, (least, most) in PRICE_TERMS_BOUNDS.items():
        with problems.gathered():
            if not least <= getattr(new, name) <= most:
                raise invalid(name, f"must be from {least} to {most}")
    problems.refuse()


async def offered_assets(merchant_id: str, mode: Mode) -> list[EnabledAsset]:
    """The assets that a merchant takes in a mode, in the order in which customers may choose among the offered."""
    enabled = await repository.enabled_assets(merchant_id, mode)
    return sorted(enabled, key=lambda one: (not one.offered, one.place, one.network, one.asset))


async def _set_offer(by: Member, offered: Sequence[tuple[str, str]], mode: Mode, now: datetime) -> None:
    """Set what customers may pay a price with, in the caller's transaction, which has locked the merchant."""
    before = await offered_assets(by.merchant_id, mode)
    known = {(one.network, one.asset) for one in before}
    if (known and not offered) or len(set(offered)) != len(offered) or not set(offered) <= known:
        raise invalid("assets", "choose at least one of the assets that you take")
    if [(one.network, one.asset) for one in before if one.offered] == list(offered):
        return
    places = {asset: place for place, asset in enumerate(offered)}
    for one in before:
        place = places.get((one.network, one.asset))
        await repository.set_offer(
            by.merchant_id,
            one.network,
            one.asset,
            offered=place is not None,
            place=len(offered) if place is None else place,
        )
    shown = [f"{asset} {network}" for network, asset in offered]
    await by.record("merchant.offer_changed", by.merchant_id, now, mode=mode, is_now=shown)


async def frame_origins_of(merchant_id: str) -> tuple[str, ...]:
    """The origins whose pages may frame the merchant's checkout pages."""
    return tuple((await _merchant(merchant_id)).frame_origins)


async def set_frame_origins(by: Member, origins: Sequence[str], now: datetime) -> None:
    """Set whose pages may frame the merchant's checkout pages; none: nobody's. It applies to the next page load.

    Raises Forbidden, INVALID_INPUT.
    """
    by.require(Permission.SETTINGS_MANAGE)
    new = frame_origins.checked(origins)
    async with database.transaction():
        was = await repository.lock(by.merchant_id)
        assert was is not None, "a member's merchant exists"
        await repository.set_frame_origins(by.merchant_id, new)
        if was.frame_origins != list(new):
            await by.record(
                "merchant.frame_origins_changed", by.merchant_id, now, was=was.frame_origins, is_now=list(new)
            )


async def set_branding(
    by: Member, *, display_name: str | None, accent: str | None, logo: bytes | None, now: datetime
) -> Branding:
    """Set how the merchant's pages for customers look, all three values at once. Raises Forbidden, INVALID_INPUT."""
    by.require(Permission.SETTINGS_MANAGE)
    async with database.transaction():
        saved = await branding.set_branding(
            by.merchant_id, display_name=display_name, accent=accent, logo=logo, now=now
        )
        await by.record(
            "merchant.branding_changed",
            by.merchant_id,
            now,
            display_name=saved.display_name,
            accent=saved.accent,
            logo=saved.logo_tag,
        )
    return saved


async def _merchant(merchant_id: str) -> MerchantRow:
    found = await repository.find(merchant_id)
    assert found is not None, "a member's merchant exists"
    return found
