"""A day in a filter is the whole day of the person's zone, however long it is."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core import zones
from app.identity import days

PLACES = [name for _, names in zones.choices() for name in names]
DAYS = st.dates(date(2015, 1, 1), date(2037, 12, 30))
HOUR = timedelta(hours=1)


def length(day: str, name: str) -> timedelta:
    """How long a day is in a zone."""
    zone = zones.zone_of(name)
    first, last = days.start_of(day, zone), days.end_of(day, zone)
    assert first is not None
    assert last is not None
    return last - first


@pytest.mark.parametrize(
    ("day", "name", "hours"),
    [
        ("2026-11-29", "Asia/Tokyo", 24),
        ("2026-03-29", "Europe/Berlin", 23),
        ("2026-10-25", "Europe/Berlin", 25),
        ("2026-04-05", "Australia/Lord_Howe", 24.5),
        ("2026-03-29", "Antarctica/Troll", 22),
        ("2026-03-29", "Asia/Beirut", 23),  # at midnight, so that the day begins at one
        ("2011-12-30", "Pacific/Apia", 0),  # skipped
    ],
)
def test_a_day_on_which_the_clock_is_set_has_its_own_length(day: str, name: str, hours: float) -> None:
    assert length(day, name) == hours * HOUR


def test_the_29th_of_tokyo_begins_on_the_28th_of_utc() -> None:
    tokyo = zones.zone_of("Asia/Tokyo")
    assert days.start_of("2026-11-29", tokyo) == datetime(2026, 11, 28, 15, tzinfo=UTC)
    assert days.end_of("2026-11-29", tokyo) == datetime(2026, 11, 29, 15, tzinfo=UTC)


@given(DAYS, st.sampled_from(PLACES))
def test_days_follow_each_other_without_a_gap_and_hold_what_is_shown_as_that_day(day: date, name: str) -> None:
    zone = zones.zone_of(name)
    first, last = days.start_of(day.isoformat(), zone), days.end_of(day.isoformat(), zone)
    assert first is not None
    assert last is not None
    assert last == days.start_of((day + timedelta(days=1)).isoformat(), zone)
    if first == last:
        return  # a day that this place skipped
    assert 21 * HOUR <= last - first <= 27 * HOUR
    assert first.astimezone(zone).date() == day == (last - timedelta(microseconds=1)).astimezone(zone).date()
    assert (first - timedelta(microseconds=1)).astimezone(zone).date() < day < last.astimezone(zone).date()


@pytest.mark.parametrize("name", ["UTC", "Asia/Tokyo", "America/Los_Angeles", "Pacific/Kiritimati"])
@pytest.mark.parametrize("text", [None, "", "soon", "2026-02-30", "0001-01-01", "9999-12-31", "2026-11-29T10:00"])
def test_no_text_is_an_error(text: str | None, name: str) -> None:
    zone = zones.zone_of(name)
    for found in (days.start_of(text, zone), days.end_of(text, zone)):
        assert found is None or found.year in (1, 9999)
