"""Fields that hold more than text: numbers, days, lists one a line. Errors are shown beside their field."""

from datetime import UTC, date, datetime, time, timedelta

from app.identity.forms import Form

MAX_DIGITS = 12
"""Longer numbers are refused: no field of ours needs them."""


def whole_number(form: Form, name: str) -> int:
    """A whole number. Raises FormRefused for anything else; separators between thousands are ignored."""
    text = form.text(name).replace(",", "").replace(" ", "")
    if not (text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS):
        raise form.refuse(name, "enter a whole number")
    return int(text)


def end_of_day(form: Form, name: str) -> datetime | None:
    """The end, in UTC, of the day in a date field; None where it is empty. Raises FormRefused."""
    day = _day(form, name)
    return None if day is None else datetime.combine(day, time(), UTC) + timedelta(days=1)


def start_of_day(form: Form, name: str) -> datetime | None:
    """The start, in UTC, of the day in a date field; None where it is empty. Raises FormRefused."""
    day = _day(form, name)
    return None if day is None else datetime.combine(day, time(), UTC)


def last_day(moment: datetime | None) -> str:
    """What a date field shows for the end of a day."""
    return "" if moment is None else (moment - timedelta(microseconds=1)).date().isoformat()


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
