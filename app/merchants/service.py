"""Merchants: made, given assets and members, and the platform's switches."""

from datetime import datetime
from typing import Literal

from app.core import database, ids
from app.core.errors import invalid
from app.merchants.roles import Role
from app.networks.registry import Networks

MAX_FEE_BPS = 5_000
"""Half of the amount; the database refuses more."""

MAX_TOLERANCE_BPS = 1_000
"""A tenth of the amount; the database refuses more."""


SwitchName = Literal["invoices", "payouts", "refunds"]


async def create(
    *,
    name: str,
    service_fee_bps: int,
    fee_payer: Literal["merchant", "customer"],
    now: datetime,
    standing: Literal["approved", "pending"] = "approved",
) -> str:
    """A merchant; its id. In the caller's transaction where there is one. Raises INVALID_INPUT."""
    if not 1 <= len(name.strip()) <= 100:
        raise invalid("name", "must have 1 to 100 characters")
    if not 0 <= service_fee_bps <= MAX_FEE_BPS:
        raise invalid("service_fee_bps", f"must be from 0 to {MAX_FEE_BPS}")
    merchant_id = ids.new_id(ids.MERCHANT)
    await database.execute(
        "INSERT INTO merchants (id, name, status, service_fee_bps, fee_payer, created_at)"
        " VALUES ($1, $2, $3, $4, $5, $6)",
        merchant_id,
        name.strip(),
        standing,
        service_fee_bps,
        fee_payer,
        now,
    )
    return merchant_id


async def enable_all_assets(merchant_id: str, networks: Networks) -> None:
    """Let a merchant take every asset of every network, live and test, without bounds of its own."""
    for network in networks:
        for asset in network.assets:
            await database.execute(
                """
                INSERT INTO merchant_assets (merchant, network, asset, enabled) VALUES ($1, $2, $3, true)
                ON CONFLICT (merchant, network, asset) DO UPDATE SET enabled = true
                """,
                merchant_id,
                network.key,
                asset.symbol,
            )


async def set_daily_cap(merchant_id: str, network: str, asset: str, cap_raw: int | None) -> None:
    """The most that a merchant may send of an asset within 24 hours, in minor units; None for no cap."""
    await database.execute(
        "UPDATE merchant_assets SET daily_cap_raw = $4 WHERE merchant = $1 AND network = $2 AND asset = $3",
        merchant_id,
        network,
        asset,
        cap_raw,
    )


async def set_tolerance(merchant_id: str, tolerance_bps: int) -> None:
    """How far a payment may be off and still count as exact, in 1/10,000. Raises INVALID_INPUT."""
    if not 0 <= tolerance_bps <= MAX_TOLERANCE_BPS:
        raise invalid("tolerance_bps", f"must be from 0 to {MAX_TOLERANCE_BPS}")
    await database.execute("UPDATE merchants SET tolerance_bps = $2 WHERE id = $1", merchant_id, tolerance_bps)


async def add_member(merchant_id: str, account_id: str, role: Role, now: datetime) -> None:
    """Make an account a member of a merchant, or change its role."""
    await database.execute(
        """
        INSERT INTO memberships (merchant, account, role, created_at) VALUES ($1, $2, $3, $4)
        ON CONFLICT (merchant, account) DO UPDATE SET role = excluded.role
        """,
        merchant_id,
        account_id,
        role,
        now,
    )


async def pause(switch: SwitchName, reason: str, now: datetime) -> None:
    """Pause something for all merchants, at once and until `resume`."""
    await database.execute(
        "INSERT INTO switches (name, paused_at, reason) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING",
        switch,
        now,
        reason,
    )


async def resume(switch: SwitchName) -> None:
    """End a pause."""
    await database.execute("DELETE FROM switches WHERE name = $1", switch)
