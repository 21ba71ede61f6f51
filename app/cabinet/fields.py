"""Fields that hold more than text: numbers, days, lists one a line. An error is recorded, to be shown beside the field,
and the reader returns a neutral value.
"""

from datetime import date, datetime, timedelta, tzinfo

from app.identity import days
from app.identity.forms import Form

MAX_DIGITS = 12
"""Longer numbers are refused: no field of ours needs them."""


def whole_number(form: Form, name: str) -> int:
    """A whole number; zero where it is none. Separators between thousands are ignored."""
    text = "".join(form.text(name).replace(",", "").split())
    if text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS:
        return int(text)
    form.record(name, "must be a whole number" if text else "Enter a whole number.")
    return 0


def end_of_day(form: Form, name: str, zone: tzinfo) -> datetime | None:
    """The end, in a zone, of the day in a date field; None where it is empty or wrong."""
    day = _day(form, name)
    return None if day is None else days.beginning(day + timedelta(days=1), zone)


def start_of_day(form: Form, name: str, zone: tzinfo) -> datetime | None:
    """The start, in a zone, of the day in a date field; None where it is empty or wrong."""
    day = _day(form, name)
    return None if day is None else days.beginning(day, zone)


def last_day(moment: datetime | None, zone: tzinfo) -> str:
    """What a date field shows, in a zone, for the end of a day."""
    return "" if moment is None else (moment - timedelta(microseconds=1)).astimezone(zone).date().isoformat()


def lines(form: Form, name: str) -> list[str]:
    """The entries of a field that has one a line; commas between them are ignored."""
    return [entry for line in form.text(name).splitlines() for part in line.split(",") if (entry := part.strip())]


def _day(form: Form, name: str) -> date | None:
    text = form.text(name)
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        form.record(name, "Enter a day as year, month and day, such as 2027-01-31.")
        return None
    if not 2000 <= day.year <= 2999:
        form.record(name, "Enter a day after the year 2000, such as 2027-01-31.")
        return None
    return day
