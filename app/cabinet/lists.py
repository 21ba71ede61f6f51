"""Lists: filters and the page in the address, read leniently, since people edit addresses and bookmarks grow old."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from urllib.parse import urlencode

from app.core.errors import ApiError
from app.portal.portal import Asked
from app.web.paging import Position, decode_cursor, encode_cursor

PAGE_LENGTH = 25

MAX_FILTER_LENGTH = 200


_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Asking:
    """What a list is asked for: its path, the filters that are set, and where the page begins."""

    path: str
    filters: Mapping[str, str]
    after: Position | None

    def get(self, name: str) -> str | None:
        """A filter's value, None where it is not set."""
        return self.filters.get(name)

    def one_of(self, name: str, allowed: Collection[str]) -> str | None:
        """A filter's value if it is one that there is; one that isn't filters nothing."""
        value = self.filters.get(name)
        return value if value in allowed else None

    def first_day(self, name: str = "from") -> datetime | None:
        """The beginning of the day (UTC) in a filter."""
        day = _day(self.filters.get(name))
        return None if day is None else datetime.combine(day, time(), UTC)

    def last_day(self, name: str = "to") -> datetime | None:
        """The end of the day (UTC) in a filter, exclusive."""
        day = _day(self.filters.get(name))
        return None if day is None or day == date.max else datetime.combine(day + timedelta(days=1), time(), UTC)

    def next_url(self, last: tuple[datetime, str] | None) -> str:
        """The address of the page after the row with this key; empty where none follows."""
        if last is None:
            return ""
        return self.url({**self.filters, "after": encode_cursor(Position(*last))})

    @property
    def numbered_after(self) -> Position | None:
        """Where the page begins in a list of numbered rows; a place in another list is none in this one."""
        return self.after if self.after is not None and _NUMBER.fullmatch(self.after.id) else None

    @property
    def first_url(self) -> str:
        """The address of the first page, filters kept."""
        return self.url(self.filters)

    @property
    def active(self) -> int:
        """How many filters are set."""
        return len(self.filters)

    def url(self, parameters: Mapping[str, str], path: str = "") -> str:
        """The list, or another path, with these parameters."""
        query = urlencode(parameters)
        return (path or self.path) + (f"?{query}" if query else "")


def asking(request: Asked, *names: str) -> Asking:
    """What the address asks for; parameters of other names are ignored, as is a place that we did not give out."""
    given = request.query_params
    filters = {}
    for name in names:
        value = given.get(name, "").strip()[:MAX_FILTER_LENGTH]
        if value and value.isprintable():
            filters[name] = value
    try:
        after = decode_cursor(given["after"]) if given.get("after") else None
    except ApiError:
        after = None
    return Asking(request.scope["path"], filters, after)


def _day(text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        return None
