"""The one source of time. Tests and the sandbox may shift it; nothing else calls `datetime.now`."""

import time
from datetime import UTC, datetime, timedelta

import msgspec

_encode = msgspec.json.Encoder().encode
_shift = timedelta()


def now() -> datetime:
    """The current time, aware, in UTC, to the microsecond (what Postgres keeps)."""
    return datetime.now(UTC) + _shift


def unshifted_now() -> datetime:
    """The machine's own time: for what another program's clock decides, such as the schedule of arq."""
    return datetime.now(UTC)


def monotonic_s() -> float:
    """Seconds for measuring durations; never goes back and is not shifted."""
    return time.monotonic()


def shift(by: timedelta) -> None:
    """Move this process's clock by `by`, on top of earlier shifts. Only for tests and the sandbox."""
    global _shift
    _shift += by


def unshift() -> None:
    """Undo every shift."""
    global _shift
    _shift = timedelta()


def rfc3339(moment: datetime) -> str:
    """`2026-01-31T09:30:00.123456Z`: RFC 3339 in UTC with a `Z`, microseconds only where there are any."""
    if moment.tzinfo is None:
        raise ValueError("a moment without a time zone")
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return _encode(moment)[1:-1].decode()  # in this form, and for a tenth of the cost of `isoformat`
