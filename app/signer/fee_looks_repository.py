"""Statements on `fee_looks`: what the signer offers now, for the operators' pages, which call no node."""

from datetime import datetime

from app.core.statement import Command, insert
from app.withdrawals.tables import FeeLook


async def record(network: str, rate_raw: int | None, problem: str | None, now: datetime) -> None:
    """Store the fee for 1,000 units of size, in minor units of the native coin, or why there is none."""
    await _RECORD.run(network=network, rate_raw=rate_raw, problem=problem, looked_at=now)


_RECORD = Command(
    insert(FeeLook).on_conflict(
        target=FeeLook.network,
        action="DO UPDATE",
        values=[FeeLook.rate_raw, FeeLook.problem, FeeLook.looked_at],
    )
)
