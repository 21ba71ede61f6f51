"""So many tries in a window and no more, counted in Postgres: a restart of anything gives nobody a new start.

A try is taken in one statement before what it pays for is done, so a hundred parallel tries get no more than one
after another would. What is counted is a keyed hash of an e-mail address or a network address, whether or not
there is such an account: how a try is counted tells nothing.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.core import database
from app.core.crypto import hmac_sha256
from app.core.errors import ApiError, Code


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `tries` within `window`, which opens with the first of them. `purpose` names the count."""

    purpose: str
    tries: int
    window: timedelta


class Throttle:
    """Counts tries. `key` hides what is counted from whoever reads the table."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    async def take(self, tries: Sequence[tuple[Limit, str]], now: datetime) -> None:
        """Take a try of each limit for its subject, in this order. Raises RATE_LIMITED at the first that is used up.

        What comes after a limit that is used up is not counted: whoever is throttled by address can't use up the
        tries of the accounts that they go on asking for. Commits on its own; not inside a transaction.
        """
        for limit, subject in tries:
            bucket = self._bucket(limit, subject)
            taken = await database.fetch_value(
                """
                INSERT INTO throttles AS t (bucket, used, ends_at) VALUES ($1, 1, $2::timestamptz + $4::interval)
                ON CONFLICT (bucket) DO UPDATE SET
                    used = CASE WHEN t.ends_at <= $2 THEN 1 ELSE t.used + 1 END,
                    ends_at = CASE WHEN t.ends_at <= $2 THEN excluded.ends_at ELSE t.ends_at END
                WHERE t.used < $3 OR t.ends_at <= $2
                RETURNING used
                """,
                bucket,
                now,
                limit.tries,
                limit.window,
            )
            if taken is None:
                raise await self._refusal(bucket, now)

    async def give_back(self, tries: Sequence[tuple[Limit, str]], now: datetime) -> None:
        """Give back what `take` took: it was no failure."""
        await database.execute(
            "UPDATE throttles SET used = used - 1 WHERE bucket = ANY($1) AND used > 0 AND ends_at > $2",
            sorted(self._bucket(limit, subject) for limit, subject in tries),
            now,
        )

    async def _refusal(self, bucket: bytes, now: datetime) -> ApiError:
        ends_at: datetime | None = await database.fetch_value("SELECT ends_at FROM throttles WHERE bucket = $1", bucket)
        left_s = max(1, math.ceil((ends_at - now).total_seconds())) if ends_at else 1
        minutes = math.ceil(left_s / 60)
        wait = "a minute" if minutes == 1 else f"{minutes} minutes"
        return ApiError(Code.RATE_LIMITED, f"too many attempts: try again in {wait}", retry_after_s=left_s)

    def _bucket(self, limit: Limit, subject: str) -> bytes:
        return hmac_sha256(self._key, f"{limit.purpose}:{subject}".encode())


async def purge(now: datetime) -> int:
    """Delete counts whose window is over; how many."""
    return await database.execute("DELETE FROM throttles WHERE ends_at <= $1", now)
