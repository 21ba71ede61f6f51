"""The query of a list in the cabinet or at the desk: the filters that are set, in words too, and the page.

The cabinet (app/cabinet/lists.py) ignores invalid values, the desk (app/operator/lists.py) refuses them.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any

import msgspec

from app.core.keyset import Page, Place
from app.identity import days, paging
from app.identity.paging import Pager


class ListQuery(msgspec.Struct, frozen=True):
    """The path of a list, its filters that have a value, the place of the page, None for the first one, and how many
    rows it has at most.

    `zone` is the reader's: days in filters are days there. `tab` are parameters that choose which list it is: each URL
    has them, and no filter takes them away.
    """

    path: str
    filters: Mapping[str, str]
    place: Place | None = None
    zone: tzinfo = UTC
    rows: int = paging.PAGE_LENGTH
    tab: Mapping[str, str] = msgspec.field(default_factory=dict)

    def get(self, name: str) -> str | None:
        """A filter's value, None where it is not set."""
        return self.filters.get(name)

    def one_of(self, name: str, allowed: Collection[str]) -> str | None:
        """A filter's value if it is among `allowed`, else None."""
        value = self.filters.get(name)
        return value if value in allowed else None

    def first_day(self, name: str = "from") -> datetime | None:
        """The beginning of the day in a filter."""
        return days.start_of(self.filters.get(name), self.zone)

    def last_day(self, name: str = "to") -> datetime | None:
        """The end of the day in a filter, exclusive."""
        return days.end_of(self.filters.get(name), self.zone)

    @property
    def is_backwards(self) -> bool:
        """Whether the first day is after the last one, so that nothing can match."""
        first, after = self.first_day(), self.last_day()
        return first is not None and after is not None and first >= after

    def pager(self, page: Page[Any]) -> Pager:
        """The URLs of the pages before and after this one, with the same filters."""
        return paging.pager(self.path, {**self.tab, **self.filters}, page, self.place, self.rows)

    def without(self, name: str) -> str:
        """The URL of the first page without one of the filters."""
        others = {other: value for other, value in self.filters.items() if other != name}
        return paging.address(self.path, {**self.tab, **others})

    @property
    def clear_url(self) -> str:
        """The URL of the first page without any filter."""
        return paging.address(self.path, self.tab)

    @property
    def first_url(self) -> str:
        """The URL of the first page, with the same filters."""
        return paging.address(self.path, {**self.tab, **self.filters})

    @property
    def active(self) -> int:
        """How many filters are set."""
        return len(self.filters)

    def url(self, parameters: Mapping[str, str], path: str = "") -> str:
        """The URL of the list, or of another path, with these parameters."""
        return paging.address(path or self.path, parameters)


class Chip(msgspec.Struct, frozen=True):
    """A filter that is set, in words, and the URL of the list without it."""

    label: str
    value: str
    url: str


def chips(query: ListQuery, labels: Mapping[str, str], **options: Sequence[tuple[str, str]]) -> list[Chip]:
    """The filters that are set. `labels` has the words of each filter; `options` are the choices of a filter, (value,
    words), as its select has them."""
    words = {name: dict(choices) for name, choices in options.items()}
    return [
        Chip(labels[name], words.get(name, {}).get(value, value), query.without(name))
        for name, value in query.filters.items()
    ]
