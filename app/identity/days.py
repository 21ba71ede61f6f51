"""Days in the filters of lists: the start and end, in UTC, of the day in a date field."""

from datetime import UTC, date, datetime, time, timedelta, tzinfo


def start_of(text: str | None) -> datetime | None:
    """The beginning of the day. None where the text is no date."""
    day = _day(text)
    return None if day is None else datetime.combine(day, time(), UTC)


def end_of(text: str | None) -> datetime | None:
    """The end of the day, exclusive. None where the text is no date, and for the calendar's last day."""
    day = _day(text)
    return None if day is None or day == date.max else datetime.combine(day + timedelta(days=1), time(), UTC)


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
