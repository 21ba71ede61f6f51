"""Many open checkout pages in one process, as cheap as can be: `bench.open_pages` starts it.

It reads one JSON object from its standard input: the port, and of each page its path and its customer's address. A page
is a connection with an event stream and nothing else. It says `open` when all streams have begun. Then it answers each
line, the name of a status, with the times at which pages got a part of that status, by place, in the machine's clock.
"""

import asyncio
import json
import sys
import time
from typing import cast

import uvloop

from bench.pages import request

OPENED_TOGETHER = 100
BEGIN_S = 30.0
EVENT_END = b"\n\n\r\n"
"""The end of an event, and of its chunk."""


class Page(asyncio.Protocol):
    """One open page, and when it got its first part of each status."""

    __slots__ = ("_buffer", "_request", "_transport", "began", "got_at")

    def __init__(self, asked: bytes) -> None:
        self._request = asked
        self._buffer = b""
        self._transport: asyncio.WriteTransport | None = None
        self.began: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.got_at: dict[str, float] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the stream."""
        self._transport = cast(asyncio.WriteTransport, transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Events, or a piece of one."""
        self._buffer += data
        if not self._buffer.endswith(EVENT_END):
            return
        events, self._buffer = self._buffer, b""
        if not self.began.done():
            assert b" 200 " in events.split(b"\r\n", 1)[0], events[:300]
            self.began.set_result(None)
        status = events.rpartition(b'data-status="')[2].partition(b'"')[0]
        if status and b"data-status" in events:
            self.got_at = {status.decode(): time.monotonic(), **(self.got_at or {})}

    def connection_lost(self, error: Exception | None) -> None:
        """A page that is open must not end."""
        if not self.began.done():
            self.began.set_exception(error or ConnectionError("ended before its stream began"))


async def _main() -> None:
    asked = json.loads(sys.stdin.readline())
    loop = asyncio.get_running_loop()
    pages: list[Page] = []
    requests = [request("GET", path, {"X-Forwarded-For": address}) for path, address in asked["pages"]]
    for start in range(0, len(requests), OPENED_TOGETHER):
        some = [Page(each) for each in requests[start : start + OPENED_TOGETHER]]
        for page in some:
            await loop.create_connection(lambda page=page: page, "127.0.0.1", asked["port"])  # type: ignore[misc]
        async with asyncio.timeout(BEGIN_S):
            await asyncio.gather(*(page.began for page in some))
        pages += some
    print("open", flush=True)
    while status := (await asyncio.to_thread(sys.stdin.readline)).strip():
        got = {place: page.got_at[status] for place, page in enumerate(pages) if page.got_at and status in page.got_at}
        print(json.dumps(got), flush=True)


if __name__ == "__main__":
    uvloop.run(_main())
