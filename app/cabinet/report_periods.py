"""The periods of a report: days, weeks or months in the reader's time zone, and the period before for comparison."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta, tzinfo
from itertools import pairwise
from types import MappingProxyType

import msgspec

from app.core.zones import beginning

CHOICES: Mapping[str, str] = MappingProxyType(
    {"7": "7 days", "30": "30 days", "90": "90 days", "12m": "12 months", "own": "From and to"}
)
USUAL = "30"

MOST_DAYS = 3 * 366
"""The longest span of days of one's own."""

MOST_BARS = 100
"""More days than this are shown as weeks, and more weeks than this as months."""

EARLIEST = date(2000, 1, 1)


class BadSpan(Exception):
    """The days of one's own are none; the message is a sentence for the reader."""


class Period(msgspec.Struct, frozen=True):
    """Parts that follow each other, each with its name; the last ends before `end`. `unit` is day, week or month."""

    starts: tuple[datetime, ...]
    end: datetime
    names: tuple[str, ...]
    unit: str
    first_day: date
    last_day: date

    @property
    def words(self) -> str:
        """`3 Nov 2026 to 2 Dec 2026`."""
        return f"{in_words(self.first_day)} to {in_words(self.last_day)}"


def period_of(choice: str, first: str | None, last: str | None, today: date, zone: tzinfo) -> Period:
    """The chosen period. `first` and `last` are the days of the choice `own`. Raises BadSpan."""
    if choice == "12m":
        begin = _months_before(today.replace(day=1), 11)
        return _by(_months(begin, today), today + timedelta(days=1), "month", zone)
    if choice != "own":
        return _span(today - timedelta(days=int(choice) - 1), today, zone)
    begin, end = _chosen(first, "first"), _chosen(last, "last")
    if begin > end:
        raise BadSpan(f"The first day, {in_words(begin)}, is after the last one, {in_words(end)}. Exchange them.")
    if begin < EARLIEST or end > today + timedelta(days=366):
        raise BadSpan(f"Choose days between {in_words(EARLIEST)} and today.")
    if (end - begin).days >= MOST_DAYS:
        raise BadSpan("Choose at most three years at once.")
    return _span(begin, end, zone)


def before(period: Period, choice: str, zone: tzinfo) -> Period:
    """The period of the same length that ends where this one begins; of months, as many months."""
    end = period.first_day - timedelta(days=1)
    if choice == "12m":
        begin = _months_before(period.first_day, 12)
        return _by(_months(begin, end), period.first_day, "month", zone)
    return _span(end - (period.last_day - period.first_day), end, zone)


def in_words(day: date) -> str:
    """`3 Nov 2026`."""
    return f"{day.day} {day:%b %Y}"


def _chosen(text: str | None, which: str) -> date:
    try:
        return date.fromisoformat(text or "")
    except ValueError:
        raise BadSpan(f"Choose the {which} day of your own period.") from None


def _span(first: date, last: date, zone: tzinfo) -> Period:
    count, after = (last - first).days + 1, last + timedelta(days=1)
    if count <= MOST_BARS:
        return _by([first + timedelta(days=n) for n in range(count)], after, "day", zone)
    if count <= 7 * MOST_BARS:
        return _by([first + timedelta(days=n) for n in range(0, count, 7)], after, "week", zone)
    return _by(_months(first, last), after, "month", zone)


def _months(first: date, last: date) -> list[date]:
    """`first`, and the first day of every later month up to `last`."""
    found = [first]
    while (following := _months_before(found[-1].replace(day=1), -1)) <= last:
        found.append(following)
    return found


def _months_before(day: date, count: int) -> date:
    months = day.year * 12 + day.month - 1 - count
    return date(months // 12, months % 12 + 1, 1)


def _by(firsts: list[date], after: date, unit: str, zone: tzinfo) -> Period:
    moments = [beginning(day, zone) for day in (*firsts, after)]
    starts = [moment for moment in moments if moment is not None]
    names = [_name(first, following, unit) for first, following in pairwise((*firsts, after))]
    return Period(tuple(starts[:-1]), starts[-1], tuple(names), unit, firsts[0], after - timedelta(days=1))


def _name(first: date, following: date, unit: str) -> str:
    if unit == "month":
        return f"{first:%b %Y}"
    if unit == "day":
        return f"{first.day} {first:%b}"
    last = following - timedelta(days=1)
    return f"{first.day} {first:%b} to {last.day} {last:%b %Y}"
