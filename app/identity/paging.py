"""Pages of lists in the cabinet and at the desk: the page that a URL names, and the URLs of the pages beside it.

`?after=` names the row that a page begins after, `?before=` the row that it ends before. `?head=` is sent by open pages
that follow changes: the first page, from the row on with which it began.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import msgspec

from app.core.errors import invalid
from app.core.keyset import Key, Page, Place
from app.identity.identity import PageRequest
from app.web.paging import Position, decode_cursor, encode_cursor

PAGE_LENGTH = 25

MORE = 50
"""Rows that "Show more" adds to a page."""

MOST_ROWS = 525
"""The longest page, ten times more: what a browser shows and the database reads at once without a wait."""

_AMOUNT_AND_ID = re.compile(r"([0-9]{1,78})\.([A-Z]{2,3}-[0-9A-Z]{10})", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)

AsKey = Callable[[str], Key]
"""A row's key from the text in the URL. Raises INVALID_INPUT for a text that is no key."""


class Pager(msgspec.Struct, frozen=True):
    """The URLs of the pages beside this one; empty where there is none.

    `head` names the first row of a first page: with `?head=` the page begins with that row again, and `newer` counts
    the rows that have come before it since, which `newest_url` shows.
    """

    previous_url: str
    next_url: str
    more_url: str = ""
    """The same page, longer."""

    head: str = ""
    newer: int = 0
    newest_url: str = ""


def by_moment(text: str) -> Key:
    """The key of a list by (moment, id)."""
    return tuple(decode_cursor(text))


def by_moment_and_number(text: str) -> Key:
    """The key of a list by (moment, number)."""
    moment, row_id = decode_cursor(text)
    return (moment, _number(row_id))


def by_number(text: str) -> Key:
    """The key of a list by number."""
    return (_number(text),)


def by_amount(text: str) -> Key:
    """The key of a list by (amount in minor units, id)."""
    found = _AMOUNT_AND_ID.fullmatch(text)
    if found is None:
        raise invalid("after", "is not one that we gave out")
    return (int(found[1]), found[2])


def place_of(request: PageRequest, key: AsKey) -> Place | None:
    """The place that the URL names, None for the first page. Raises INVALID_INPUT."""
    if text := request.query_params.get("after"):
        return Place(key(text))
    if text := request.query_params.get("before"):
        return Place(key(text), is_end=True)
    if text := request.query_params.get("head"):
        return Place(key(text), is_head=True)
    return None


def rows_of(request: PageRequest) -> int:
    """How many rows a page has, by the URL: one of the lengths that we link to."""
    text = request.query_params.get("rows", "")
    return int(text) if text in _LENGTHS else PAGE_LENGTH


_LENGTHS = frozenset(str(rows) for rows in range(PAGE_LENGTH, MOST_ROWS + 1, MORE))


def pager(
    path: str, filters: Mapping[str, str], page: Page[Any], place: Place | None, rows: int = PAGE_LENGTH
) -> Pager:
    """The pager of `page`, which is at `place` and has `rows` at most. The page before one without rows is the first
    page."""
    newest = address(path, filters)
    previous = newest if place is not None and not page else ""
    if page.previous is not None:
        previous = address(path, {**filters, "before": _text(page.previous.key)})
    following, head, more = page.following, page.head, ""
    if following is not None and rows < MOST_ROWS and (place is None or not place.is_end):
        at = {"after": _text(place.key)} if place is not None and not place.is_head else {}
        more = address(path, {**filters, **at, "rows": str(rows + MORE)})
    return Pager(
        previous,
        address(path, {**filters, "after": _text(following.key)}) if following is not None else "",
        more,
        head=_text(head.key) if head is not None else "",
        newer=page.newer,
        newest_url=newest,
    )


def address(path: str, parameters: Mapping[str, str]) -> str:
    """A path with the parameters that are not empty."""
    query = urlencode({name: value for name, value in parameters.items() if value})
    return f"{path}?{query}" if query else path


def _text(key: Key) -> str:
    if len(key) == 1:
        return str(key[0])
    if isinstance(key[0], datetime):
        return encode_cursor(Position(key[0], str(key[1])))
    return f"{int(key[0])}.{key[1]}"


def _number(text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise invalid("after", "is not one that we gave out")
    return int(text)
