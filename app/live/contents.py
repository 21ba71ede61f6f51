"""What streams send with a change, made for all that changed together.

A block changes thousands of open pages in one moment. Each would read and show itself; together they are read by one
statement, and pages that show the same are made once.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Hashable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Generic, TypeVar

from app.core.logging import get_logger
from app.core.waiting import run_beside

if TYPE_CHECKING:
    from app.live.stream import EventStream

log = get_logger(__name__)

K = TypeVar("K", bound=Hashable)

MOST_TOGETHER = 100
"""Pages that one call makes; the next ones are read when these have been given out. A block has several notices: when
its deposits are recorded, and when confirmations are counted. A page that still waits is made once for all of them, so
few pages are made at a time. More in one statement would hardly make it cheaper."""

_RETURN = re.compile(rb"\r\n?")
"""What ends a line of a stream too (HTML, section 9.2.5): no content may begin a field of its own."""


class Contents(Generic[K]):
    """Makes the contents of one kind of page, of one process. Belongs to one event loop.

    `make` gets what pages show (`EventStream.shows`), each once, and yields each with its content as soon as it is
    made. What it leaves out, or can't make because it raises, the pages are told to read by themselves. No content is
    older than the change that it follows.
    """

    def __init__(self, make: Callable[[Sequence[K]], AsyncIterator[tuple[K, bytes]]]) -> None:
        self._make = make
        self._wanted: dict[K, set[EventStream]] = {}
        self._task: asyncio.Task[None] | None = None

    def want(self, stream: "EventStream") -> None:
        """Make the content of a stream's page, and give it to the stream."""
        self._wanted.setdefault(stream.shows, set()).add(stream)  # type: ignore[arg-type]
        if self._task is None or self._task.done():
            self._task = run_beside(self._make_wanted(), name="live-contents")

    async def _make_wanted(self) -> None:
        while self._wanted:
            some = list(islice(self._wanted, MOST_TOGETHER))
            streams = {shown: self._wanted.pop(shown) for shown in some}
            try:
                async for shown, content in self._make(some):
                    _give(streams.pop(shown), event(content))
            except Exception as error:  # the pages read by themselves, and are told there what is wrong
                log.warning("live_contents_not_made", error=str(error) or type(error).__name__, pages=len(streams))
            for those in streams.values():
                _give(those, CHANGED)


def event(content: bytes) -> bytes:
    """The event that gives a page its content, which is in UTF-8."""
    lines = _RETURN.sub(b"\n", content) if b"\r" in content else content
    return b"event: part\ndata: %b\n\n" % lines.replace(b"\n", b"\ndata: ")


CHANGED = b"event: changed\ndata:\n\n"
"""The event that tells a page to read by itself."""


def _give(streams: "set[EventStream]", given: bytes) -> None:
    for stream in streams:
        stream.give(given)
