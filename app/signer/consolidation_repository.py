"""Statements on `consolidation_policies`: which networks may merge small coins, up to which fee rate."""

from datetime import datetime

import msgspec

from app.core import database
from app.core.statement import Command, Param, Statement, insert, select
from app.withdrawals.tables import ConsolidationPolicy


class Policy(msgspec.Struct, frozen=True):
    """An approval that was not revoked. `max_fee_rate` is in the chain's own unit, sat/vB on Bitcoin."""

    id: int
    network: str
    max_fee_rate: int
    approved_by: str
    approved_at: datetime


async def approved(network: str) -> Policy | None:
    """The policy that holds for a network now; None where there is none."""
    return await _APPROVED.first(network=network)


_APPROVED = Statement(
    select(ConsolidationPolicy, Policy).where(
        ConsolidationPolicy.network == Param("network"), ConsolidationPolicy.revoked_at.is_null()
    ),
    Policy,
)


async def add(network: str, max_fee_rate: int, approved_by: str, now: datetime) -> None:
    """Insert an approval. Raises asyncpg.UniqueViolationError where the network has one. Needs the caller's
    transaction."""
    database.in_transaction()
    await _ADD.run(network=network, max_fee_rate=max_fee_rate, approved_by=approved_by, approved_at=now)


_ADD = Command(
    insert(
        ConsolidationPolicy,
        ConsolidationPolicy.network,
        ConsolidationPolicy.max_fee_rate,
        ConsolidationPolicy.approved_by,
        ConsolidationPolicy.approved_at,
    )
)


async def revoke(network: str, revoked_by: str, now: datetime) -> bool:
    """Revoke a network's approval; False where it has none. Needs the caller's transaction."""
    database.in_transaction()
    return bool(await _REVOKE.run(network=network, revoked_by=revoked_by, now=now))


_REVOKE = Command(
    ConsolidationPolicy.update(
        {ConsolidationPolicy.revoked_by: Param("revoked_by"), ConsolidationPolicy.revoked_at: Param("now")}
    ).where(ConsolidationPolicy.network == Param("network"), ConsolidationPolicy.revoked_at.is_null())
)
