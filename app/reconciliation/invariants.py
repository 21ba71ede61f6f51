"""I1 to I7, as security.md has them: what must hold after every step. Tests and production call the same functions.

Each reads the caller's snapshot (reconciliation/snapshot.py). I7's second half, what the chain holds, needs a node
and is `checks/holdings.py`.
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
    """I1: the entries of each ledger sum to its balance, below zero only after a reversal."""
    return await balances.check()


async def i2_deposits_are_credited_once() -> Result:
    """I2: each credited deposit has exactly one credit, and each credit its deposit."""
    return await deposits.check()


async def i3_withdrawals_are_paid_once() -> Result:
    """I3: each payout has at most one economic transfer, and one that is confirmed has it."""
    return await withdrawals.check()


async def i4_events_are_accounted_for(now: datetime) -> Result:
    """I4: each event is delivered, waiting or visibly dead-lettered."""
    return await events.check(now)


async def i5_chains_verify(keys: CheckpointKeys | None, *, full: bool) -> Result:
    """I5: every hash chain verifies, and is what was signed of it."""
    return await hash_chains.check(keys, full=full)


async def i6_secrets_are_secret(since: datetime | None) -> Result:
    """I6: no secret where it should not be."""
    return await secrets.check(since)


async def i7_assets_are_conserved() -> Result:
    """I7: for each asset, all ledgers together are what came in less what went out."""
    return await conservation.check()


async def blocks_are_covered(since_heights: dict[str, int] | None = None) -> Result:
    """Coverage: every block since the start was read (security.md, "Money")."""
    return await coverage.check(since_heights)


async def all_of_them(
    keys: CheckpointKeys | None,
    now: datetime,
    *,
    full: bool,
    since: datetime | None = None,
    since_heights: dict[str, int] | None = None,
) -> list[Result]:
    """Every invariant that the database alone can tell, one after another."""
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
