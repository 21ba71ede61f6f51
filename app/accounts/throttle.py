"""Limits on tries within a window, counted in Postgres, so that a restart of a process or of Redis resets none.

A try is counted in one statement before the attempt itself, so parallel attempts get no more tries than sequential
ones. The subject is stored as a keyed hash of an email address or a network address. It is counted whether or not
there is such an account, so the count does not show that.
"""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from app.accounts import throttle_repository as repository
from app.core.crypto import hmac_sha256
from app.core.errors import ApiError, Code


class Limit(msgspec.Struct, frozen=True):
    """At most `tries` within `window`, which begins with the first of them. `purpose` names the count."""

    purpose: str
    tries: int
    window: timedelta


class Throttle:
    """Counts tries. `key` is the key of the hashes, so that readers of the table can't find out the subjects."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    async def take(self, tries: Sequence[tuple[Limit, str]], now: datetime) -> None:
        """Use a try of each limit for its subject, in this order. Raises RATE_LIMITED at the first that is used up.

        Limits after the one that is used up are not counted: a client that is throttled by its address can't use up
        the tries of accounts as well. Commits on its own; not inside a transaction.
        """
        for limit, subject in tries:
            bucket = self._bucket(limit, subject)
            if not await repository.take(bucket, tries=limit.tries, window=limit.window, now=now):
                raise await self._refusal(bucket, now)

    async def release(self, tries: Sequence[tuple[Limit, str]], now: datetime) -> None:
        """Release the tries that `take` used: the attempt succeeded."""
        await repository.release(sorted(self._bucket(limit, subject) for limit, subject in tries), now)

    async def _refusal(self, bucket: bytes, now: datetime) -> ApiError:
        ends_at = await repository.ends_at(bucket)
        left_s = max(1, math.ceil((ends_at - now).total_seconds())) if ends_at else 1
        wait = in_words(timedelta(seconds=left_s))
        return ApiError(Code.RATE_LIMITED, f"Too many attempts. Try again in {wait}.", retry_after_s=left_s)

    def _bucket(self, limit: Limit, subject: str) -> bytes:
        return hmac_sha256(self._key, f"{limit.purpose}:{subject}".encode())


def in_words(wait: timedelta) -> str:
    """A time to wait, rounded up to whole minutes: `a minute`, `4 minutes`."""
    minutes = math.ceil(wait / timedelta(minutes=1))
    return "a minute" if minutes <= 1 else f"{minutes} minutes"
