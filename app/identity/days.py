"""Days in date fields and filters: when the day begins and ends in a person's time zone.

A day on which the clock is set lasts 23 or 25 hours in most zones. Where midnight does not exist, the day begins when
the clock goes on; where it comes twice, with the first.
"""

from datetime import UTC, date, datetime, time, timedelta, tzinfo


def start_of(text: str | None, zone: tzinfo) -> datetime | None:
    """The beginning of the day, in UTC. None where the text is no date, or one at the calendar's edge."""
    day = _day(text)
    return None if day is None else beginning(day, zone)


def end_of(text: str | None, zone: tzinfo) -> datetime | None:
    """The end of the day, exclusive, in UTC. None where the text is no date, or one at the calendar's edge."""
    day = _day(text)
    return None if day is None or day == date.max else beginning(day + timedelta(days=1), zone)


def beginning(day: date, zone: tzinfo) -> datetime | None:
    """The first moment of a day, in UTC; None for a day at the calendar's edge, which UTC can't express."""
    try:
        return datetime.combine(day, time(), zone).astimezone(UTC)
    except OverflowError:
        return None


def _day(text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        return None
