"""Invariants I1 to I7 of security.md, which hold after every step. Tests and production call the same functions.

Each reads the caller's snapshot (reconciliation/snapshot.py). The second half of I7, the balances on chain, needs a
node and is in `checks/holdings.py`.
"""

from datetime import datetime

from app.core.settings import CheckpointKeys
from app.reconciliation.checks import (
    balances,
    conservation,
    coverage,
    deposits,
    events,
    hash_chains,
    secrets,
    withdrawals,
)
from app.reconciliation.findings import Result


async def i1_balances_are_their_entries() -> Result:
    """I1: the entries of each ledger sum to its balance, which is negative only after a reversal."""
    return await balances.check()


async def i2_deposits_are_credited_once() -> Result:
    """I2: each credited deposit has exactly one credit, and each credit has its deposit."""
    return await deposits.check()


async def i3_withdrawals_are_paid_once() -> Result:
    """I3: each payout has at most one economic transfer, and one that is confirmed has it."""
    return await withdrawals.check()


async def i4_events_are_accounted_for(now: datetime) -> Result:
    """I4: each event is delivered, pending or dead-lettered."""
    return await events.check(now)


async def i5_chains_verify(keys: CheckpointKeys | None, *, full: bool) -> Result:
    """I5: every hash chain verifies and agrees with the signed checkpoints."""
    return await hash_chains.check(keys, full=full)


async def i6_secrets_are_secret(since: datetime | None) -> Result:
    """I6: no secret is in clear text in rows that people read."""
    return await secrets.check(since)


async def i7_assets_are_conserved() -> Result:
    """I7: for each asset, the sum of all ledgers is all that was received less all that was sent."""
    return await conservation.check()


async def blocks_are_covered(since_heights: dict[str, int] | None = None) -> Result:
    """Coverage: every block since the start was scanned (security.md, "Money")."""
    return await coverage.check(since_heights)


async def all_of_them(
    keys: CheckpointKeys | None,
    now: datetime,
    *,
    full: bool,
    since: datetime | None = None,
    since_heights: dict[str, int] | None = None,
) -> list[Result]:
    """Check every invariant that needs only the database, one after another."""
    return [
        await i5_chains_verify(keys, full=full),
        await i1_balances_are_their_entries(),
        await i2_deposits_are_credited_once(),
        await i3_withdrawals_are_paid_once(),
        await i4_events_are_accounted_for(now),
        await i6_secrets_are_secret(since),
        await i7_assets_are_conserved(),
        await blocks_are_covered(since_heights),
    ]
