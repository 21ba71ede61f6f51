"""Keyset pages in both directions: each row appears once, and "back" leads to the previous page."""

import itertools
from typing import Any

import pytest

from app.core import database
from app.core.keyset import Page, Place, direction, page_of, page_or_first

pytestmark = pytest.mark.usefixtures("db")

LIMIT = 3


async def read(count: int, place: Place | None, oldest_first: bool = False) -> Page[int]:
    """A page of the numbers 1 to `count`; ten rows each have the same time."""
    comparison, order = direction(place, oldest_first=oldest_first)
    beyond = f"AND (moment, id) {comparison} ($2, $3)" if place else ""
    rows = await database.fetch_all(
        f"SELECT id, moment FROM (SELECT id, id / 10 AS moment FROM generate_series(1, $1::int) id) numbers"
        f" WHERE true {beyond} ORDER BY moment {order}, id {order} LIMIT {LIMIT + 1}",
        count,
        *(place.key if place else ()),
    )
    return page_of(rows, LIMIT, place, key=("moment", "id"), made=lambda row: row["id"])


@pytest.mark.parametrize("oldest_first", [False, True])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5, 6, 7, 12, 13])
async def test_pages_lead_forwards_and_backwards(count: int, oldest_first: bool) -> None:
    every = sorted(range(1, count + 1), reverse=not oldest_first)
    pages = [await read(count, None, oldest_first)]
    assert pages[0].previous is None
    while pages[-1].following:
        pages.append(await read(count, pages[-1].following, oldest_first))
    assert list(itertools.chain(*pages)) == every
    assert [len(page) for page in pages[:-1]] == [LIMIT] * (len(pages) - 1)
    for earlier, later in itertools.pairwise(pages):
        back = await read(count, later.previous, oldest_first)
        assert (back, back.following) == (earlier, earlier.following)
        assert (back.previous is None) == (earlier is pages[0])


async def test_back_to_a_start_with_new_rows_is_a_full_first_page() -> None:
    async def at(place: Place | None) -> Page[Any]:
        return await read(count, place)

    count = 6
    second = await at((await at(None)).following)
    count = 8
    back = await page_or_first(at, second.previous)
    assert (back, back.previous is not None) == ([6, 5, 4], True)
    newest = await page_or_first(at, back.previous)
    assert (newest, newest.previous) == ([8, 7, 6], None)
