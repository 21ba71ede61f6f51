"""The limits of a merchant's payouts and refunds: its status, the platform's switches, a cap per asset and day."""

from datetime import datetime, timedelta
from typing import Literal

import msgspec

from app.core import database
from app.core.errors import ApiError, Code
from app.core.money import format_amount
from app.networks.config import Asset, NetworkConfig
from app.withdrawals import checks_repository as repository

CAP_WINDOW = timedelta(hours=24)
"""Contract, section 4: caps count over a rolling 24 hours."""

STOPPED = ("suspended", "banned")
"""Statuses of a merchant whose own balance pays nothing: no approval, and no signature for what was approved."""


class CapUse(msgspec.Struct, frozen=True):
    """A merchant's cap for an asset, None where there is none, and what counts against it now. In minor units."""

    cap_raw: int | None
    used_raw: int


async def stopped(source: str) -> str | None:
    """`suspended` or `banned` where the ledger that pays belongs to such a merchant; None for all others, and for the
    platform's ledgers: a deposit that is returned from suspense was never the merchant's money."""
    return await repository.merchant_status_among(source, STOPPED)


async def refuse_if_paused(kind: Literal["payouts", "refunds"]) -> None:
    """Raise PAYOUTS_DISABLED or REFUNDS_DISABLED while operators have paused them."""
    if await repository.is_paused(kind):
        code = Code.PAYOUTS_DISABLED if kind == "payouts" else Code.REFUNDS_DISABLED
        raise ApiError(code, f"new {kind} are paused", retry_after_s=60)


async def refuse_beyond_cap(
    merchant_id: str, network: NetworkConfig, asset: Asset, amount_raw: int, now: datetime
) -> None:
    """Raise DAILY_CAP_EXCEEDED if `amount_raw` more within the window is more than the merchant's cap.

    Payouts and refunds count alike, without fees, and stop counting when their money is released. The caller holds
    the lock of the ledger's head: two requests can't both take the last of the cap.
    """
    database.in_transaction()
    use = await cap_use(merchant_id, network.key, asset.symbol, now)
    if use.cap_raw is not None and use.used_raw + amount_raw > use.cap_raw:
        left = format_amount(max(0, use.cap_raw - use.used_raw), asset.decimals)
        raise ApiError(Code.DAILY_CAP_EXCEEDED, f"amount: {left} {asset.symbol} are left of the cap for 24 hours")


async def cap_use(merchant_id: str, network: str, asset: str, now: datetime) -> CapUse:
    """How much of a merchant's cap for an asset is used up. Without a cap nothing is counted."""
    cap_raw = await repository.cap_raw(merchant_id, network, asset)
    if cap_raw is None:
        return CapUse(None, 0)
    return CapUse(cap_raw, await repository.requested_since_raw(merchant_id, network, asset, now - CAP_WINDOW))
