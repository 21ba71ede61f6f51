"""Time zones of people, by their names in the tz database (`Europe/Berlin`), and the one form in which they read times.

A machine may lack the tz database, or have an older one than the machine on which somebody chose a zone. A name that it
doesn't know counts as UTC, so that a page never fails for it.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import cache
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

UTC_NAME = "UTC"
MAX_NAME_LENGTH = 64
"""The longest name of the tz database has 32 characters."""

Kind = Literal["day", "minute", "second"]
"""How exact a time is shown."""

_FORMS: dict[Kind, str] = {"day": "{0.day} {0:%b} {0.year}", "minute": "{0:%H:%M}", "second": "{0:%H:%M:%S}"}

_AREAS = ("Africa", "America", "Antarctica", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific")
"""Areas of the tz database whose zones are places. The others are older names and technical zones."""


def is_known(name: str) -> bool:
    """Whether this machine knows the zone. Names from a browser are any text."""
    return name in _known()


def zone_of(name: str | None) -> tzinfo:
    """The zone of a name; UTC for None and for a name that this machine doesn't know."""
    return UTC if name is None or name == UTC_NAME else _zone(name)


def name_of(zone: tzinfo) -> str:
    """The zone's name in the tz database."""
    return zone.key if isinstance(zone, ZoneInfo) else UTC_NAME


@cache
def choices() -> Sequence[tuple[str, Sequence[str]]]:
    """The zones of places, by area. UTC can be chosen beside them."""
    by_area: dict[str, list[str]] = {area: [] for area in _AREAS}
    for name in sorted(_known()):
        area = name.partition("/")[0]
        if area in by_area:
            by_area[area].append(name)
    return tuple((area, tuple(names)) for area, names in by_area.items() if names)


def beginning(day: date, zone: tzinfo) -> datetime | None:
    """The first moment of a day, in UTC; None for a day at the calendar's edge, which UTC can't express.

    Where midnight does not exist, the day begins when the clock goes on; where it comes twice, with the first.
    """
    try:
        return datetime.combine(day, time(), zone).astimezone(UTC)
    except OverflowError:
        return None


def last_days(count: int, zone: tzinfo, now: datetime) -> tuple[list[date], list[datetime]]:
    """The last `count` days in a zone, today included, and the first moment of each."""
    today = now.astimezone(zone).date()
    days = [today - timedelta(days=count - 1 - place) for place in range(count)]
    return days, [moment for day in days if (moment := beginning(day, zone)) is not None]


def in_words(at: datetime, zone: tzinfo, kind: Kind = "minute") -> str:
    """`29 Nov 2026, 14:05` in the zone; a day alone for the kind `day`.

    In the hour that a clock repeats when it is set back, the offset says which of the two it is.
    """
    local = at.astimezone(zone)
    day = _FORMS["day"].format(local)
    if kind == "day":
        return day
    which = f" ({_offset(local)})" if _is_repeated(local) else ""
    return f"{day}, {_FORMS[kind].format(local)}{which}"


def named(at: datetime, zone: tzinfo, kind: Kind = "minute") -> str:
    """`29 Nov 2026, 14:05 (Europe/Berlin)`: where the zone is not named elsewhere, such as in an email."""
    return f"{in_words(at, zone, kind)} ({name_of(zone)})"


def with_offset(zone: tzinfo, now: datetime) -> str:
    """The zone's name and its present offset, `Europe/Berlin (UTC+1)`; `UTC` alone."""
    name = name_of(zone)
    return name if name == UTC_NAME else f"{name} ({_offset(now.astimezone(zone))})"


def _offset(local: datetime) -> str:
    """`UTC+1`, `UTC−3:30`, `UTC+0`."""
    minutes = (local.utcoffset() or timedelta()) // timedelta(minutes=1)
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{'−' if minutes < 0 else '+'}{hours}{f':{rest:02}' if rest else ''}"


def _is_repeated(local: datetime) -> bool:
    return local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()


@cache
def _known() -> frozenset[str]:
    return frozenset(available_timezones() | {UTC_NAME})


@cache
def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # the last one for a name that is too long for a file
        return UTC
