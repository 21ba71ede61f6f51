"""Five wrong secrets lock a key for an hour (contract, section 2). The count is in Postgres, so no restart clears it.

An attempt is reserved before the secret is compared, and given back if it was right. Of a hundred parallel guesses five
are compared, because the fifth reservation sets the lock. Each function commits on its own, outside a transaction: if
the failed request rolled its attempt back, the failure would never count.
"""

import secrets
from datetime import datetime, timedelta

from app.api_keys import repository

MAX_FAILURES = 5
LOCK = timedelta(hours=1)

DECOYS = 16
"""Rows for attempts on unknown ids: enough that two such attempts seldom wait for each other. A wait would show that
the id is unknown."""


async def reserve(key_id: str, now: datetime) -> int | None:
    """Reserve one of the attempts that are left. Returns its series, or None if the key is locked.

    After a lock has expired the count starts at zero.
    """
    return await repository.reserve_attempt(key_id, now, max_failures=MAX_FAILURES, lock=LOCK)


async def reserve_decoy() -> None:
    """The same work as `reserve` for a key id that does not exist."""
    await repository.count_decoy(secrets.randbelow(DECOYS))


async def give_back(key_id: str, series: int) -> None:
    """The reserved attempt was right: reset the count, and lift the lock if this series had set it.

    A lock of a later series stays: five failures after another success are five failures.
    """
    await repository.end_series(key_id, series)


async def forgive(key_id: str, series: int, now: datetime) -> None:
    """A secret that needed no evaluation was right: reset the count unless the key was locked meanwhile."""
    await repository.end_unlocked_series(key_id, series, now)


async def locked_until(key_id: str) -> datetime | None:
    """When the key's lock ends, if it has one."""
    return await repository.locked_until(key_id)
