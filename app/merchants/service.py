"""Merchants: creation, assets, members, terms, and the platform's switches."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from app.core import ids
from app.core.errors import ApiError, Code, invalid
from app.merchants import memberships_repository, repository
from app.merchants.repository import MerchantRow, SwitchName
from app.merchants.roles import Role
from app.merchants.terms import Mode, PriceTerms, Terms
from app.networks.registry import Networks

MAX_FEE_BPS = 5_000
"""Half of the amount; the database refuses more."""

MAX_TOLERANCE_BPS = 1_000
"""A tenth of the amount; the database refuses more."""


async def create(
    *,
    name: str,
    service_fee_bps: int,
    fee_payer: Literal["merchant", "customer"],
    now: datetime,
    standing: Literal["approved", "pending"] = "approved",
) -> str:
    """Create a merchant. Returns its id. In the caller's transaction if there is one. Raises INVALID_INPUT."""
    if not 1 <= len(name.strip()) <= 100:
        raise invalid("name", "must have 1 to 100 characters")
    if not 0 <= service_fee_bps <= MAX_FEE_BPS:
        raise invalid("service_fee_bps", f"must be from 0 to {MAX_FEE_BPS}")
    merchant_id = ids.new_id(ids.MERCHANT)
    await repository.add(
        merchant_id,
        name=name.strip(),
        status=standing,
        service_fee_bps=service_fee_bps,
        fee_payer=fee_payer,
        now=now,
    )
    return merchant_id


async def lock(merchant_id: str) -> MerchantRow:
    """The merchant, locked until the caller's transaction ends. Raises NOT_FOUND."""
    merchant = await repository.lock(merchant_id)
    if merchant is None:
        raise ApiError(Code.NOT_FOUND, "there is no such merchant")
    return merchant


async def enable_all_assets(merchant_id: str, networks: Networks) -> None:
    """Let a merchant take every asset of every network, live and test, without bounds of its own."""
    assets = [(network.key, asset.symbol) for network in networks for asset in network.assets]
    await repository.enable_assets(merchant_id, assets)


async def enable_test_assets(merchant_id: str, networks: Networks) -> None:
    """Let a merchant take every asset of test mode: it is open before the application is decided."""
    assets = [(network.key, asset.symbol) for network in networks if network.mode == "test" for asset in network.assets]
    await repository.enable_assets(merchant_id, assets)


async def set_daily_cap(merchant_id: str, network: str, asset: str, cap_raw: int | None) -> None:
    """Set the most that a merchant may send of an asset within 24 hours, in minor units; None for no cap."""
    await repository.set_daily_cap(merchant_id, network, asset, cap_raw)


async def set_tolerance(merchant_id: str, tolerance_bps: int) -> None:
    """Set how far a payment may be off and still count as exact, in 1/10,000. Raises INVALID_INPUT."""
    if not 0 <= tolerance_bps <= MAX_TOLERANCE_BPS:
        raise invalid("tolerance_bps", f"must be from 0 to {MAX_TOLERANCE_BPS}")
    await repository.set_tolerance(merchant_id, tolerance_bps)


async def enable_currencies(merchant_id: str, enabled: Sequence[str]) -> None:
    """Let a merchant price in these currencies (ISO 4217) and no others."""
    await repository.set_currencies(merchant_id, enabled)


async def report_in(merchant_id: str, currency: str) -> None:
    """Let a merchant keep its books in a currency (ISO 4217): from now on each movement keeps its worth in it."""
    await repository.set_reporting_currency(merchant_id, currency)


async def add_member(merchant_id: str, account_id: str, role: Role, now: datetime) -> None:
    """Make an account a member of a merchant, or change its role."""
    await memberships_repository.set_role(merchant_id, account_id, role, now)


async def terms_of(merchant_id: str, mode: Mode) -> Terms:
    """What an existing merchant has agreed to."""
    merchant = await repository.find(merchant_id)
    assert merchant is not None, merchant_id
    prices = PriceTerms(tuple(merchant.currencies), merchant.spread_bps, merchant.quote_minutes)
    return Terms(merchant_id, mode, merchant.service_fee_bps, merchant.fee_payer, merchant.accept_parts, prices)


async def pause(switch: SwitchName, reason: str, now: datetime) -> None:
    """Pause something for all merchants, at once and until `resume`."""
    await repository.pause(switch, reason, now)


async def resume(switch: SwitchName) -> None:
    """End a pause."""
    await repository.resume(switch)
