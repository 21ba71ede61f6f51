"""A list of the API: all of it one by one, or page by page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Fetch(Protocol[T_co]):
    """Fetches the page at a cursor. Returns its things and the next page's cursor; None: it was the last."""

    async def __call__(self, cursor: str | None) -> tuple[Sequence[T_co], str | None]: ...


class AsyncPages(Generic[T]):
    """What a list has. Iterating asks for further pages as they are needed; each iteration starts anew."""

    def __init__(self, fetch: Fetch[T], cursor: str | None = None) -> None:
        self._fetch = fetch
        self._cursor = cursor

    async def __aiter__(self) -> AsyncIterator[T]:
        async for page in self.pages():
            for one in page:
                yield one

    async def pages(self) -> AsyncIterator[Sequence[T]]:
        """Page by page, each at most as long as `page_size`."""
        cursor = self._cursor
        while True:
            page, cursor = await self._fetch(cursor)
            yield page
            if cursor is None:
                return

    async def page(self) -> tuple[Sequence[T], str | None]:
        """The first page alone, and the cursor of the next one: give it to `list` as `cursor`. None: there is none."""
        return await self._fetch(self._cursor)

    async def first(self) -> T | None:
        """The first one; None where there is none."""
        async for one in self:
            return one
        return None
