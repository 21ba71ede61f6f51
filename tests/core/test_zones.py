"""The one form of times, in every zone of the tz database."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core import zones

PLACES = [name for _, names in zones.choices() for name in names]
MOMENTS = st.integers(946_684_800, 2_145_916_800).map(lambda unix_s: datetime.fromtimestamp(unix_s, UTC))
"""From 2000 to 2037."""


def test_a_time_is_written_in_one_form() -> None:
    at, berlin = datetime(2026, 11, 29, 13, 5, 9, tzinfo=UTC), zones.zone_of("Europe/Berlin")
    assert zones.in_words(at, berlin) == "29 Nov 2026, 14:05"
    assert zones.in_words(at, berlin, "second") == "29 Nov 2026, 14:05:09"
    assert zones.in_words(at, zones.zone_of("Asia/Tokyo"), "day") == "29 Nov 2026"
    assert zones.in_words(at, zones.zone_of("Pacific/Auckland"), "day") == "30 Nov 2026"
    assert zones.named(at, berlin) == "29 Nov 2026, 14:05 (Europe/Berlin)"
    assert zones.named(at, UTC) == "29 Nov 2026, 13:05 (UTC)"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Europe/Berlin", "Europe/Berlin (UTC+1)"),
        ("America/St_Johns", "America/St_Johns (UTC−3:30)"),
        ("Africa/Abidjan", "Africa/Abidjan (UTC+0)"),
        ("Asia/Kathmandu", "Asia/Kathmandu (UTC+5:45)"),
        ("UTC", "UTC"),
    ],
)
def test_a_zone_is_named_with_its_offset_of_now(name: str, said: str) -> None:
    assert zones.with_offset(zones.zone_of(name), datetime(2026, 11, 29, tzinfo=UTC)) == said


def test_the_hour_that_comes_twice_says_which_one_it_is() -> None:
    berlin = zones.zone_of("Europe/Berlin")
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert zones.in_words(first, berlin) == "25 Oct 2026, 02:30 (UTC+2)"
    assert zones.in_words(first + timedelta(hours=1), berlin) == "25 Oct 2026, 02:30 (UTC+1)"
    assert zones.in_words(first + timedelta(hours=2), berlin) == "25 Oct 2026, 03:30"


@pytest.mark.parametrize("name", ["Europe/Atlantis", "", "../../etc/passwd", "/etc/passwd", "x" * 300, "a\0b", "utc\n"])
def test_a_name_that_is_no_zone_is_unknown_and_counts_as_utc(name: str) -> None:
    assert not zones.is_known(name)
    assert zones.zone_of(name) is UTC


def test_what_browsers_call_a_zone_is_known() -> None:
    assert all(zones.is_known(name) for name in ("UTC", "Europe/Berlin", "Asia/Calcutta", "Asia/Kolkata", "Etc/GMT+3"))
    assert len(PLACES) > 400
    assert max(map(len, PLACES)) <= zones.MAX_NAME_LENGTH
    assert all(zones.is_known(name) for name in PLACES)


@given(MOMENTS, st.sampled_from(PLACES))
def test_two_times_are_never_written_alike(at: datetime, name: str) -> None:
    zone = ZoneInfo(name)
    told = {zones.in_words(at + timedelta(hours=hours), zone, "second") for hours in range(-3, 4)}
    assert len(told) == 7
