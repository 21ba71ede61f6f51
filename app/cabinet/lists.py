"""Lists: filters and the page in the address. Invalid values are ignored, since people edit addresses and keep old
bookmarks."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.core.errors import ApiError
from app.core.keyset import Page, Place
from app.identity import days, paging
from app.identity.identity import PageRequest
from app.identity.paging import AsKey, Pager, by_moment

MAX_FILTER_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Asking:
    """What a list is asked for: its path, the filters that are set, and where the page lies."""

    path: str
    filters: Mapping[str, str]
    place: Place | None = None

    def get(self, name: str) -> str | None:
        """A filter's value, None where it is not set."""
        return self.filters.get(name)

    def one_of(self, name: str, allowed: Collection[str]) -> str | None:
        """A filter's value if it is one that there is; one that isn't filters nothing."""
        value = self.filters.get(name)
        return value if value in allowed else None

    def first_day(self, name: str = "from") -> datetime | None:
        """The beginning of the day (UTC) in a filter."""
        return days.start_of(self.filters.get(name))

    def last_day(self, name: str = "to") -> datetime | None:
        """The end of the day (UTC) in a filter, exclusive."""
        return days.end_of(self.filters.get(name))

    def pager(self, page: Page[Any]) -> Pager:
        """The addresses of the pages beside this one, filters kept."""
        return paging.pager(self.path, self.filters, page, self.place)

    @property
    def first_url(self) -> str:
        """The address of the first page, filters kept."""
        return paging.address(self.path, self.filters)

    @property
    def active(self) -> int:
        """How many filters are set."""
        return len(self.filters)

    def url(self, parameters: Mapping[str, str], path: str = "") -> str:
        """The list, or another path, with these parameters."""
        return paging.address(path or self.path, parameters)


def asking(request: PageRequest, *names: str, key: AsKey = by_moment) -> Asking:
    """What the address asks for; parameters of other names are ignored, as is a place that we did not give out.

    `key` reads a row's key in this list.
    """
    given = request.query_params
    filters = {}
    for name in names:
        value = given.get(name, "").strip()[:MAX_FILTER_LENGTH]
        if value and value.isprintable():
            filters[name] = value
    try:
        place = paging.place_of(request, key)
    except ApiError:
        place = None
    return Asking(request.scope["path"], filters, place)
