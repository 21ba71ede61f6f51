"""Partitions of attempts: made ahead of their month, and dropped whole once they are old (ATTEMPT_RETENTION_DAYS)."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import TypeVar

from app.audit import service as audit
from app.core import database
from app.core.logging import get_logger
from app.webhooks import partitions_repository as repository
from app.webhooks.partitions_repository import DroppedPartition

log = get_logger(__name__)

T = TypeVar("T")

MONTHS_AHEAD = 2
"""So a job that has failed for a whole month still finds a partition for every attempt."""

TRIES = 30
PAUSE_S = 1.0
"""Tries for a lock, and the wait between them: a table that stays in use for longer waits for the next run."""


async def keep(now: datetime) -> int:
    """Make the partitions of this month and the next MONTHS_AHEAD; return how many were made.

    Each is made in a short transaction of its own. Safe to run at any time, and twice at once. Raises
    LockNotAvailableError where the tables were in use all the time.
    """
    made = 0
    while (done := await _when_free(lambda: repository.keep(now, MONTHS_AHEAD))) is not None:
        log.info("attempts_by_month", done=done)
        made += done.startswith("made")
    return made


async def drop_old(now: datetime, retention_days: int) -> int:
    """Drop partitions all of whose attempts are older than the retention; return how many. Each is in the audit log.

    Deliveries and their counts stay (retention.py). Opens a transaction for each. Raises LockNotAvailableError where
    the tables were in use all the time.
    """
    dropped = 0
    while await _when_free(lambda: _drop_one(now, retention_days)) is not None:
        dropped += 1
    return dropped


async def _drop_one(now: datetime, retention_days: int) -> DroppedPartition | None:
    async with database.transaction():
        gone = await repository.drop_oldest(now - timedelta(days=retention_days))
        if gone is not None:
            await audit.record(
                actor="system",
                action="attempts.dropped",
                subject=gone.name,
                merchant_id=None,
                address=None,
                details={"bytes": gone.bytes, "retention_days": retention_days},
                now=now,
            )
        return gone


async def _when_free(step: Callable[[], Awaitable[T]]) -> T:
    """What a step returns, tried again while the tables are in use."""
    for _ in range(TRIES - 1):
        try:
            return await step()
        except repository.BUSY:
            await asyncio.sleep(PAUSE_S)
    return await step()
