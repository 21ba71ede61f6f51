"""Every statement on `throttles`."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from app.accounts.tables import Throttle
from app.core import database
from app.core.statement import Command, Param, Statement, any_of


async def take(bucket: bytes, *, tries: int, window: timedelta, now: datetime) -> bool:
    """Count one try, in a new window where the last one is over; False where all tries of the window are used."""
    # SQL, since the builder has no name for the row that is excluded: the CASEs would be text anyway.
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
        tries,
        window,
    )
    return taken is not None


async def release(buckets: Sequence[bytes], now: datetime) -> None:
    """Subtract one try from each of these whose window is not over."""
    await _GIVE_BACK.run(buckets=buckets, now=now)


_GIVE_BACK = Command(
    Throttle.update({Throttle.used: Throttle.used - 1}).where(
        any_of(Throttle.bucket, Param("buckets")), Throttle.used > 0, Throttle.ends_at > Param("now")
    )
)


async def ends_at(bucket: bytes) -> datetime | None:
    """When the window of a count ends."""
    return await _ENDS_AT.first(bucket=bucket)


_ENDS_AT = Statement(Throttle.select(Throttle.ends_at).where(Throttle.bucket == Param("bucket")), datetime)


async def purge(now: datetime) -> int:
    """Delete counts whose window is over; return how many."""
    return await _PURGE.run(now=now)


_PURGE = Command(Throttle.delete().where(Throttle.ends_at <= Param("now")))
