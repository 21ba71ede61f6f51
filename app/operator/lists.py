"""Lists of the desk: which page is asked for, and the addresses of the pages beside it."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from urllib.parse import urlencode

from app.operator.desk import Asked, nothing_here
from app.web.paging import Position, decode_cursor, encode_cursor

PAGE_SIZE = 25

_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Pager:
    """The addresses of the next page and of the first one; empty where there is none to go to."""

    next_url: str
    first_url: str


def after_moment(request: Asked) -> tuple[datetime, str] | None:
    """The place that `?after=` names in a list by (moment, id). Raises NOT_FOUND for one that we didn't give out."""
    cursor = request.query_params.get("after")
    return None if not cursor else tuple(decode_cursor(cursor))  # type: ignore[return-value]


def after_number(request: Asked) -> int | None:
    """The place that `?after=` names in a list by number."""
    cursor = request.query_params.get("after")
    if not cursor:
        return None
    if not _NUMBER.fullmatch(cursor):
        raise nothing_here()
    return int(cursor)


def pager(request: Asked, filters: Mapping[str, str], last: tuple[datetime, str] | int | None) -> Pager:
    """Where to go from this page. `last` is the key of its last row if more follow."""
    cursor = "" if last is None else str(last) if isinstance(last, int) else encode_cursor(Position(*last))
    return Pager(
        next_url=address(request.url.path, {**filters, "after": cursor}) if cursor else "",
        first_url=address(request.url.path, filters) if request.query_params.get("after") else "",
    )


def address(path: str, parameters: Mapping[str, str]) -> str:
    """A path with the parameters that say something."""
    query = urlencode({name: value for name, value in parameters.items() if value})
    return f"{path}?{query}" if query else path


def choice(request: Asked, name: str, allowed: Collection[str], default: str = "") -> str:
    """One of a few values of a parameter. Raises NOT_FOUND for another."""
    value = request.query_params.get(name) or default
    if value and value not in allowed:
        raise nothing_here()
    return value


def text(request: Asked, name: str, longest: int = 100) -> str:
    """A parameter that is free text, cut where nobody types on."""
    return (request.query_params.get(name) or "").replace("\0", "").strip()[:longest]


def day(request: Asked, name: str) -> datetime | None:
    """The start in UTC of the day that a date field holds, None for none or nonsense."""
    try:
        return datetime.strptime(request.query_params.get(name) or "", "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        return None


def day_after(request: Asked, name: str) -> datetime | None:
    """The end of that day; None for the calendar's last, which has no end."""
    start = day(request, name)
    return None if start is None or start.date() == date.max else start + timedelta(days=1)
