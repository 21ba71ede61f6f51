"""Five wrong secrets lock a key for an hour (contract, section 2). Postgres counts, so nothing forgets.

An attempt is reserved before the secret is looked at and given back if it was right: a hundred parallel guesses
get five looks between them, because the fifth reservation sets the lock. Each statement here commits on its own;
rolled back with the request that failed, a failure would never count.
"""

import secrets
from datetime import datetime, timedelta

from app.core import database

MAX_FAILURES = 5
LOCK = timedelta(hours=1)

DECOYS = 16
"""Rows for attempts on unknown ids: enough that two such attempts seldom wait for
each other, which would tell them from attempts on a known id."""


async def reserve(key_id: str, now: datetime) -> int | None:
    """Take one of the attempts that are left: the series that it belongs to, or None if the key is locked.

    After a lock has run out the count starts anew.
    """
    series: int | None = await database.fetch_value(
        """
        UPDATE api_keys SET
            failed_attempts = CASE WHEN locked_until IS NULL THEN failed_attempts + 1 ELSE 1 END,
            attempt_series = CASE WHEN locked_until IS NULL THEN attempt_series ELSE attempt_series + 1 END,
            locked_until = CASE WHEN locked_until IS NULL AND failed_attempts + 1 >= $3
                THEN $2::timestamptz + $4::interval END
        WHERE id = $1 AND (locked_until IS NULL OR locked_until <= $2)
        RETURNING attempt_series
        """,
        key_id,
        now,
        MAX_FAILURES,
        LOCK,
    )
    return series


async def reserve_decoy() -> None:
    """The same work as `reserve` for a key id that does not exist."""
    await database.fetch_value(
        """
        INSERT INTO api_key_decoys AS decoy (id, attempts) VALUES ($1, 1)
        ON CONFLICT (id) DO UPDATE SET attempts = decoy.attempts + 1
        RETURNING attempts
        """,
        secrets.randbelow(DECOYS),
    )


async def give_back(key_id: str, series: int) -> None:
    """The reserved attempt was right: start the count anew, and lift the lock if this very series had set it.

    A lock of a later series stays: five failures after another success are five failures.
    """
    await database.execute(
        """
        UPDATE api_keys SET failed_attempts = 0, locked_until = NULL, attempt_series = attempt_series + 1
        WHERE id = $1 AND attempt_series = $2
        """,
        key_id,
        series,
    )


async def forgive(key_id: str, series: int, now: datetime) -> None:
    """A secret that needed no evaluation was right: start the count anew unless the key got locked meanwhile."""
    await database.execute(
        """
        UPDATE api_keys SET failed_attempts = 0, locked_until = NULL, attempt_series = attempt_series + 1
        WHERE id = $1 AND attempt_series = $2 AND (locked_until IS NULL OR locked_until <= $3)
        """,
        key_id,
        series,
        now,
    )


async def locked_until(key_id: str) -> datetime | None:
    """When the key's lock ends, if it has one."""
    until: datetime | None = await database.fetch_value("SELECT locked_until FROM api_keys WHERE id = $1", key_id)
    return until
