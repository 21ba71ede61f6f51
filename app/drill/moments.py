"""The moment to restore to, as an operator types it."""

import re
from datetime import UTC, datetime, timedelta

from app.drill.refusal import DrillRefused

LATEST = "latest"

_AGO = re.compile(r"(an?|\d{1,6})\s*(s|seconds?|m|min|minutes?|h|hours?|d|days?)(\s+ago)?")
_UNITS = {"s": timedelta(seconds=1), "m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


def parse_moment(text: str, now: datetime) -> datetime | None:
    """A moment such as `1 minute ago`, `90s` or `2026-11-29T12:00:00Z`, in UTC; None for `latest`.

    Raises DrillRefused for anything else, for a time without a zone, and for one after `now`.
    """
    words = text.strip().lower()
    if words == LATEST:
        return None
    if ago := _AGO.fullmatch(words):
        count = 1 if ago[1].startswith("a") else int(ago[1])
        return now - count * _UNITS[ago[2][0]]
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise DrillRefused(
            f"{text!r} is no moment: write `latest`, `1 minute ago`, or a time such as 2026-11-29T12:00:00Z"
        ) from None
    if moment.tzinfo is None:
        raise DrillRefused(f"{text!r} has no time zone: add Z for UTC, or an offset such as +01:00")
    if moment > now:
        raise DrillRefused(f"{text!r} is in the future: nothing can be restored to it")
    return moment.astimezone(UTC)
