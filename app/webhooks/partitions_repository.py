"""Statements on the partitions of `webhook_attempts`: one for each month in which deliveries were made.

The processes' role owns no table, so functions of the database make and drop partitions as their owner
(piccolo_migrations/attempts_by_month_swap.sql).
"""

from datetime import datetime

import asyncpg
import msgspec

from app.core import database

BUSY = (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError)
"""What both functions raise where a table is in use for longer than they wait, a third of a second."""


class DroppedPartition(msgspec.Struct, frozen=True):
    """A partition that is gone with its rows, and the size that it had on disk, with its indexes."""

    name: str
    bytes: int


async def keep(at: datetime, months_ahead: int) -> str | None:
    """Take one step towards a partition for the month of `at` and each of the `months_ahead` (1 to 12) after it.

    Returns what was done, None where nothing is left to do. Runs in a transaction of its own. Raises one of BUSY.
    """
    # SQL, as all of this file: the builder calls no function without a table.
    done: str | None = await database.fetch_value("SELECT keep_webhook_attempts($1, $2)", at, months_ahead)
    return done


async def drop_oldest(kept_from: datetime) -> DroppedPartition | None:
    """Drop the oldest partition all of whose attempts were made before `kept_from`; None where there is none.

    Needs a transaction. Raises one of BUSY.
    """
    row = await database.fetch_one("SELECT name, bytes FROM drop_webhook_attempts($1)", kept_from)
    return None if row is None else DroppedPartition(row["name"], row["bytes"])


async def months_ahead(at: datetime) -> int:
    """How many months after that of `at` have a partition, without a gap; -1 where that month itself has none."""
    months: int = await database.fetch_value(
        """
        WITH months AS (
            SELECT n, timed_id_from((date_trunc('month', $1::timestamptz AT TIME ZONE 'UTC') + n * interval '1 month')
                AT TIME ZONE 'UTC') AS first_id
            FROM generate_series(0, 13) n
        )
        SELECT coalesce(min(n), 14)::int - 1 FROM months m
        WHERE NOT EXISTS (SELECT FROM webhook_attempt_partitions() p
            WHERE p.end_id > m.first_id AND coalesce(p.first_id <= m.first_id, true))
        """,
        at,
    )
    return months


async def rest_has_attempts() -> bool:
    """Whether attempts are where no month's partition took them: at deliveries older than the oldest one, or of months
    whose partition was not made in time."""
    found: bool = await database.fetch_value("SELECT EXISTS (SELECT FROM webhook_attempts_rest)")
    return found
