"""Every statement on `merchants`, `merchant_assets`, `merchant_branding` and `switches`.

Members, invitations and applications have files of their own: memberships_repository.py, invitations_repository.py,
applications_repository.py.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import msgspec
from piccolo.columns.combination import WhereRaw

from app.core import database
from app.core.statement import Command, Param, Statement, insert, select
from app.merchants.roles import Standing
from app.merchants.tables import Merchant, MerchantAsset, MerchantBranding, Switch

FeePayer = Literal["merchant", "customer"]
ReturnRule = Literal["off", "confirmed", "direct"]
SwitchName = Literal["invoices", "payouts", "refunds"]


class MerchantRow(msgspec.Struct, frozen=True, kw_only=True):
    """A merchant. What ends in `_bps` is in 1/10,000."""

    id: str
    name: str
    status: Standing
    service_fee_bps: int
    fee_payer: FeePayer
    tolerance_bps: int
    accept_parts: bool
    currencies: list[str]
    spread_bps: int
    quote_minutes: int
    late_quote_bps: int
    reporting_currency: str | None
    frame_origins: list[str]
    return_addresses: ReturnRule


class AssetTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What a merchant may do with one asset. `min_raw` and `max_raw` bound an invoice; None: the network's own.

    `daily_cap_raw` is the most that payouts and refunds may send within 24 hours; None: no cap.
    """

    enabled: bool
    min_raw: int | None
    max_raw: int | None
    daily_cap_raw: int | None


class EnabledAsset(msgspec.Struct, frozen=True):
    """An asset that a merchant takes, with the merchant's own bounds for one invoice, if any. `offered`: customers may
    pay a price with it; `place` orders these."""

    network: str
    asset: str
    min_raw: int | None
    max_raw: int | None
    offered: bool
    place: int


class BrandingRow(msgspec.Struct, frozen=True, kw_only=True):
    """A merchant's branding without the logo's bytes."""

    display_name: str | None
    accent: str | None
    logo_digest: bytes | None


class PausedSwitch(msgspec.Struct, frozen=True, kw_only=True):
    """A switch that operators have paused."""

    name: SwitchName
    paused_at: datetime
    reason: str


_BY_ID = Merchant.id == Param("id")


async def find(merchant_id: str) -> MerchantRow | None:
    """One merchant."""
    return await _FIND.first(id=merchant_id)


_FIND = Statement(select(Merchant, MerchantRow).where(_BY_ID), MerchantRow)


async def lock(merchant_id: str | None) -> MerchantRow | None:
    """One merchant, locked until the caller's transaction ends. The lock serves its team and applications too."""
    return await _LOCK.first(id=merchant_id)


_LOCK = Statement(select(Merchant, MerchantRow).where(_BY_ID).lock_rows("UPDATE"), MerchantRow)


async def add(
    merchant_id: str, *, name: str, status: Standing, service_fee_bps: int, fee_payer: FeePayer, now: datetime
) -> None:
    """Write a new merchant."""
    await _ADD.run(
        id=merchant_id,
        name=name,
        status=status,
        service_fee_bps=service_fee_bps,
        fee_payer=fee_payer,
        created_at=now,
    )


_ADD = Command(
    insert(
        Merchant,
        Merchant.id,
        Merchant.name,
        Merchant.status,
        Merchant.service_fee_bps,
        Merchant.fee_payer,
        Merchant.created_at,
    )
)


async def set_status(merchant_id: str, status: Standing) -> None:
    """Change a merchant's standing."""
    await _SET_STATUS.run(id=merchant_id, status=status)


_SET_STATUS = Command(Merchant.update({Merchant.status: Param("status")}).where(_BY_ID))


async def reapply(merchant_id: str, name: str) -> None:
    """Make a merchant pending again, under the name of its new application."""
    await _REAPPLY.run(id=merchant_id, name=name)


_REAPPLY = Command(Merchant.update({Merchant.status: "pending", Merchant.name: Param("name")}).where(_BY_ID))


async def set_fee(merchant_id: str, service_fee_bps: int) -> None:
    """Change a merchant's service fee, in 1/10,000."""
    await _SET_FEE.run(id=merchant_id, service_fee_bps=service_fee_bps)


_SET_FEE = Command(Merchant.update({Merchant.service_fee_bps: Param("service_fee_bps")}).where(_BY_ID))


async def set_tolerance(merchant_id: str, tolerance_bps: int) -> None:
    """Change how far a payment may be off and still count as exact, in 1/10,000."""
    await _SET_TOLERANCE.run(id=merchant_id, tolerance_bps=tolerance_bps)


_SET_TOLERANCE = Command(Merchant.update({Merchant.tolerance_bps: Param("tolerance_bps")}).where(_BY_ID))


async def set_price_terms(
    merchant_id: str,
    *,
    currencies: Sequence[str],
    spread_bps: int,
    quote_minutes: int,
    late_quote_bps: int,
    reporting_currency: str | None,
) -> None:
    """Change how a merchant prices in national currencies."""
    await _SET_PRICE_TERMS.run(
        id=merchant_id,
        currencies=list(currencies),
        spread_bps=spread_bps,
        quote_minutes=quote_minutes,
        late_quote_bps=late_quote_bps,
        reporting_currency=reporting_currency,
    )


_SET_PRICE_TERMS = Command(
    Merchant.update(
        {
            Merchant.currencies: Param("currencies"),
            Merchant.spread_bps: Param("spread_bps"),
            Merchant.quote_minutes: Param("quote_minutes"),
            Merchant.late_quote_bps: Param("late_quote_bps"),
            Merchant.reporting_currency: Param("reporting_currency"),
        }
    ).where(_BY_ID)
)


async def set_return_rule(merchant_id: str, rule: ReturnRule) -> None:
    """Change what is required of the addresses that customers give for a return."""
    await _SET_RETURN_RULE.run(id=merchant_id, rule=rule)


_SET_RETURN_RULE = Command(Merchant.update({Merchant.return_addresses: Param("rule")}).where(_BY_ID))


async def set_currencies(merchant_id: str, currencies: Sequence[str]) -> None:
    """Change which currencies a merchant prices in."""
    await _SET_CURRENCIES.run(id=merchant_id, currencies=list(currencies))


_SET_CURRENCIES = Command(Merchant.update({Merchant.currencies: Param("currencies")}).where(_BY_ID))


async def set_reporting_currency(merchant_id: str, currency: str) -> None:
    """Change the currency in which a merchant keeps its books."""
    await _SET_REPORTING_CURRENCY.run(id=merchant_id, reporting_currency=currency)


_SET_REPORTING_CURRENCY = Command(
    Merchant.update({Merchant.reporting_currency: Param("reporting_currency")}).where(_BY_ID)
)


async def set_frame_origins(merchant_id: str, origins: Sequence[str]) -> None:
    """Change whose pages may frame a merchant's checkout pages."""
    await _SET_FRAME_ORIGINS.run(id=merchant_id, frame_origins=list(origins))


_SET_FRAME_ORIGINS = Command(Merchant.update({Merchant.frame_origins: Param("frame_origins")}).where(_BY_ID))


async def currencies_in_use() -> list[str]:
    """Every currency that some merchant prices or reports in."""
    # SQL, since the builder knows no unnest.
    rows = await database.fetch_all(
        """
        SELECT currency FROM (SELECT DISTINCT unnest(array_append(currencies, reporting_currency)) FROM merchants)
            AS used (currency)
        WHERE currency IS NOT NULL ORDER BY 1
        """
    )
    return [row["currency"] for row in rows]


async def set_invoice_terms(merchant_id: str, fee_payer: str, accept_parts: bool) -> None:
    """Change who pays the service fee, and whether several deposits may pay an invoice together."""
    await _SET_INVOICE_TERMS.run(id=merchant_id, fee_payer=fee_payer, accept_parts=accept_parts)


_SET_INVOICE_TERMS = Command(
    Merchant.update({Merchant.fee_payer: Param("fee_payer"), Merchant.accept_parts: Param("accept_parts")}).where(
        _BY_ID
    )
)

_IS_ASSET = (
    (MerchantAsset.merchant == Param("merchant"))
    & (MerchantAsset.network == Param("network"))
    & (MerchantAsset.asset == Param("asset"))
)
_ASSET_KEY = (MerchantAsset.merchant, MerchantAsset.network, MerchantAsset.asset)


async def set_offer(merchant_id: str, network: str, asset: str, *, offered: bool, place: int) -> None:
    """Change whether customers may pay a price with an asset, and where it stands among those."""
    await _SET_OFFER.run(merchant=merchant_id, network=network, asset=asset, offered=offered, place=place)


_SET_OFFER = Command(
    MerchantAsset.update({MerchantAsset.offered: Param("offered"), MerchantAsset.place: Param("place")}).where(
        _IS_ASSET
    )
)


async def enabled_assets(merchant_id: str, mode: str) -> list[EnabledAsset]:
    """The assets that a merchant takes in a mode, by network and symbol."""
    return await _ENABLED_ASSETS.all(merchant=merchant_id, mode=mode)


_ENABLED_ASSETS = Statement(
    select(MerchantAsset, EnabledAsset)
    .where(
        MerchantAsset.merchant == Param("merchant"),
        WhereRaw("{}", MerchantAsset.enabled),
        WhereRaw("split_part({}, ':', 2) = {}", MerchantAsset.network, Param("mode")),
    )
    .order_by(MerchantAsset.network, MerchantAsset.asset),
    EnabledAsset,
)


async def enable_assets(merchant_id: str, assets: Sequence[tuple[str, str]]) -> None:
    """Enable these assets, each by network and symbol. Bounds and caps that are set stay."""
    await _ENABLE_ASSETS.run_each(
        [{"merchant": merchant_id, "network": network, "asset": asset, "enabled": True} for network, asset in assets]
    )


_ENABLE_ASSETS = Command(
    insert(MerchantAsset, *_ASSET_KEY, MerchantAsset.enabled).on_conflict(
        target=_ASSET_KEY, action="DO UPDATE", values=[MerchantAsset.enabled]
    )
)


async def asset_terms(merchant_id: str, network: str, asset: str) -> AssetTerms | None:
    """What a merchant may do with one asset; None where nothing was set."""
    return await _ASSET_TERMS.first(merchant=merchant_id, network=network, asset=asset)


_ASSET_TERMS = Statement(select(MerchantAsset, AssetTerms).where(_IS_ASSET), AssetTerms)


async def set_asset_terms(merchant_id: str, network: str, asset: str, terms: AssetTerms) -> None:
    """Replace what a merchant may do with one asset."""
    await _SET_ASSET_TERMS.run(merchant=merchant_id, network=network, asset=asset, **msgspec.structs.asdict(terms))


_TERMS = (MerchantAsset.enabled, MerchantAsset.min_raw, MerchantAsset.max_raw, MerchantAsset.daily_cap_raw)
_SET_ASSET_TERMS = Command(
    insert(MerchantAsset, *_ASSET_KEY, *_TERMS).on_conflict(target=_ASSET_KEY, action="DO UPDATE", values=list(_TERMS))
)


async def set_daily_cap(merchant_id: str, network: str, asset: str, cap_raw: int | None) -> None:
    """Change the most that a merchant may send of an asset within 24 hours; None for no cap."""
    await _SET_DAILY_CAP.run(merchant=merchant_id, network=network, asset=asset, cap_raw=cap_raw)


_SET_DAILY_CAP = Command(MerchantAsset.update({MerchantAsset.daily_cap_raw: Param("cap_raw")}).where(_IS_ASSET))


async def branding(merchant_id: str) -> BrandingRow | None:
    """A merchant's branding; None where nothing was ever set."""
    return await _BRANDING.first(merchant=merchant_id)


_BRANDING = Statement(
    select(MerchantBranding, BrandingRow).where(MerchantBranding.merchant == Param("merchant")), BrandingRow
)


async def set_branding(
    merchant_id: str,
    *,
    display_name: str | None,
    accent: str | None,
    logo: bytes | None,
    logo_type: str | None,
    logo_digest: bytes | None,
    now: datetime,
) -> None:
    """Replace a merchant's branding."""
    await _SET_BRANDING.run(
        merchant=merchant_id,
        display_name=display_name,
        accent=accent,
        logo=logo,
        logo_type=logo_type,
        logo_digest=logo_digest,
        updated_at=now,
    )


_SET_BRANDING = Command(
    insert(MerchantBranding).on_conflict(
        target=MerchantBranding.merchant,
        action="DO UPDATE",
        values=[
            MerchantBranding.display_name,
            MerchantBranding.accent,
            MerchantBranding.logo,
            MerchantBranding.logo_type,
            MerchantBranding.logo_digest,
            MerchantBranding.updated_at,
        ],
    )
)


async def logo(merchant_id: str) -> bytes | None:
    """A logo's bytes."""
    return await _LOGO.first(merchant=merchant_id)


_LOGO = Statement(
    MerchantBranding.select(MerchantBranding.logo).where(MerchantBranding.merchant == Param("merchant")), bytes
)


async def paused_switches() -> list[PausedSwitch]:
    """The switches that are paused."""
    return await _PAUSED_SWITCHES.all()


_PAUSED_SWITCHES = Statement(select(Switch, PausedSwitch), PausedSwitch)


async def lock_switches(key: int) -> None:
    """Wait for other operators who change a switch; the lock lasts until the caller's transaction ends."""
    # SQL, since an advisory lock is a function call without a table.
    await database.execute("SELECT pg_advisory_xact_lock($1)", key)


async def is_paused(switch: SwitchName) -> bool:
    """Whether a switch is paused."""
    return await _IS_PAUSED.first(name=switch) is not None


_IS_PAUSED = Statement(Switch.select(Switch.name).where(Switch.name == Param("name")), str)


async def pause(switch: SwitchName, reason: str, now: datetime) -> None:
    """Pause a switch; one that is paused stays as it is."""
    await _PAUSE.run(name=switch, paused_at=now, reason=reason)


_PAUSE = Command(insert(Switch).on_conflict(target=Switch.name, action="DO NOTHING"))


async def resume(switch: SwitchName) -> None:
    """End a pause."""
    await _RESUME.run(name=switch)


_RESUME = Command(Switch.delete().where(Switch.name == Param("name")))
