"""The least that a server of event streams can do: the limit that open pages are measured against.

Each stream waits on one future. At a message of Redis all streams of a process send one ready part, as large as a
checkout page's.
"""

import asyncio
import os
from typing import Any

from redis.asyncio import Redis

CHANNEL = "bare"
STATUS = "bare"
PART_BYTES = 2_600
"""As many as the part of a page whose payment confirms."""

_START = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]}
_PART = b'event: part\ndata: <div data-status="%b">%b</div>\n\n' % (STATUS.encode(), b"-" * PART_BYTES)


class Bare:
    """The server, of one process."""

    def __init__(self) -> None:
        self._waiting: list[asyncio.Future[None]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """A lifespan, or a stream that brings one part."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        await send(_START)
        await send({"type": "http.response.body", "body": b"retry: 1000\n\n", "more_body": True})
        told = asyncio.get_running_loop().create_future()
        self._waiting.append(told)
        await told
        await send({"type": "http.response.body", "body": _PART, "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass

    async def _live(self, receive: Any, send: Any) -> None:
        async with Redis.from_url(os.environ["REDIS_URL"]) as redis, redis.pubsub() as pubsub:
            await pubsub.subscribe(CHANNEL)
            telling = asyncio.create_task(self._tell(pubsub))
            await send({"type": "lifespan.startup.complete"})
            while (await receive())["type"] != "lifespan.shutdown":
                pass
            telling.cancel()
            await send({"type": "lifespan.shutdown.complete"})

    async def _tell(self, pubsub: Any) -> None:
        async for message in pubsub.listen():
            if message["type"] == "message":
                told, self._waiting = self._waiting, []
                for each in told:
                    each.set_result(None)


app = Bare()
