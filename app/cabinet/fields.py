"""Fields that hold more than text: numbers, days, lists one a line. Errors are shown beside their field."""

from datetime import date, datetime, timedelta, tzinfo

from app.core.zones import beginning
from app.identity.forms import Form

MAX_DIGITS = 12
"""Longer numbers are refused: no field of ours needs them."""


def whole_number(form: Form, name: str) -> int:
    """A whole number. Raises FormRefused for anything else; separators between thousands are ignored."""
    text = form.text(name).replace(",", "").replace(" ", "")
    if not (text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS):
        raise form.refuse(name, "enter a whole number")
    return int(text)


def end_of_day(form: Form, name: str, zone: tzinfo) -> datetime | None:
    """The end, in a zone, of the day in a date field; None where it is empty. Raises FormRefused."""
    day = _day(form, name)
    return None if day is None else beginning(day + timedelta(days=1), zone)


def start_of_day(form: Form, name: str, zone: tzinfo) -> datetime | None:
    """The start, in a zone, of the day in a date field; None where it is empty. Raises FormRefused."""
    day = _day(form, name)
    return None if day is None else beginning(day, zone)


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
        raise form.refuse(name, "enter a day, such as 2027-01-31") from None
    if not 2000 <= day.year <= 2999:
        raise form.refuse(name, "enter a day of this century or the next")
    return day
