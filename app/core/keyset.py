"""Pages of a list by the key of a row, in both directions (keyset paging).

The index finds a page's first row directly, so every page costs the same, and rows that are added meanwhile move no row
from one page to the next.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from enum import Enum
from typing import Any, Literal, TypeVar

import msgspec

from app.core.database import Row

T = TypeVar("T")
U = TypeVar("U")

Key = tuple[Any, ...]
"""What a list is ordered by, such as (created_at, id); unique in the list."""


MOST_NEWER = 100
"""Newer rows are counted up to this number."""


class Place(msgspec.Struct, frozen=True):
    """The place of a page: it begins after the row with this key, or, with `is_end`, ends before it.

    With `is_head` it begins with this row: the first page as it was when this row was the first of it.
    """

    key: Key
    is_end: bool = False
    is_head: bool = False


class Page(list[T]):
    """Some rows in the list's order, with the places of the pages beside them; None where there is none.

    `head` is the place of a first page, None for other pages and where there are no rows. `newer` is how many rows come
    before a page that began with a given row, up to MOST_NEWER.
    """

    def __init__(
        self, rows: Iterable[T], previous: Place | None, following: Place | None, head: Place | None = None
    ) -> None:
        super().__init__(rows)
        self.previous = previous
        self.following = following
        self.head = head
        self.newer = 0

    def of(self, rows: "Iterable[U]") -> "Page[U]":
        """The same page with other forms of its rows."""
        return Page(rows, self.previous, self.following, self.head)


class Order(Enum):
    """The order of a list of money. By amount only where all amounts are of one asset: others can't be compared."""

    NEWEST = "newest"
    OLDEST = "oldest"
    LARGEST = "largest"
    SMALLEST = "smallest"

    @property
    def is_ascending(self) -> bool:
        """Whether the least key comes first."""
        return self in (Order.OLDEST, Order.SMALLEST)

    @property
    def by_amount(self) -> bool:
        """Whether rows are ordered by (amount_raw, id), else by (created_at, id)."""
        return self in (Order.LARGEST, Order.SMALLEST)

    @property
    def key(self) -> tuple[str, str]:
        """The columns that a list is ordered by."""
        return ("amount_raw", "id") if self.by_amount else ("created_at", "id")


Comparison = Literal["<", ">", "<=", ">="]


def direction(place: Place | None, *, oldest_first: bool = False) -> tuple[Comparison, Literal["ASC", "DESC"]]:
    """How the statement of a page compares a row's key with the place's, and how it orders its rows.

    A page that ends at its place is read backwards from there; `page_of` reverses it again.
    """
    backwards = place is not None and place.is_end
    if place is not None and place.is_head:
        return (">=", "ASC") if oldest_first else ("<=", "DESC")
    return (">", "ASC") if oldest_first != backwards else ("<", "DESC")


def page_of(
    rows: Sequence[Row], limit: int, place: Place | None, *, key: Sequence[str], made: Callable[[Row], T]
) -> Page[T]:
    """The page in `rows`, which are up to `limit` + 1 as the statement gave them. `key` names the key's columns."""
    shown = list(rows[:limit])
    goes_on = len(rows) > limit
    backwards = place is not None and place.is_end
    if backwards:
        shown.reverse()
    is_first = place is None or place.is_head
    has_previous, has_following = (goes_on, True) if backwards else (not is_first, goes_on)
    return Page(
        map(made, shown),
        Place(tuple(shown[0][name] for name in key), is_end=True) if shown and has_previous else None,
        Place(tuple(shown[-1][name] for name in key)) if shown and has_following else None,
        Place(tuple(shown[0][name] for name in key), is_head=True) if shown and is_first else None,
    )


MOST_COUNTED = 10_000
"""Rows that a list's total reads at most: it costs the same few milliseconds, whatever the list's length."""


class Total(msgspec.Struct, frozen=True):
    """How many rows a list has. `is_exact` is False where only the newest MOST_COUNTED were looked at."""

    counted: int
    is_exact: bool

    def beside(self, page: Page[Any]) -> "Total":
        """This total beside a page of the list, which may know more: it has all rows, or older ones."""
        if page.previous is None and page.following is None and not page.newer:
            return Total(len(page), is_exact=True)
        return Total(max(self.counted, len(page)), self.is_exact)

    def __str__(self) -> str:
        """Such as "42" or "10,000+"."""
        return f"{self.counted:,}" + ("" if self.is_exact else "+")


async def page_or_first(read: Callable[[Place | None], Awaitable[Page[T]]], place: Place | None) -> Page[T]:
    """The page at `place`. One that ends there and has none before it is the first page, in its full length.

    The newer rows of a page with a given head are counted; where no row of it is left, it is the first page.
    """
    page = await read(place)
    if place is None or not (place.is_end or place.is_head):
        return page
    if not page or (place.is_end and page.previous is None):
        return await read(None)
    if place.is_head:
        page.newer = await _newer(read, place)
    return page


async def _newer(read: Callable[[Place | None], Awaitable[Page[T]]], head: Place) -> int:
    count, place = 0, Place(head.key, is_end=True)
    while count < MOST_NEWER:
        before = await read(place)
        count += len(before)
        if before.previous is None:
            return count
        place = before.previous
    return MOST_NEWER
