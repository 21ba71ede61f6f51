"""Everything of one process that uses Redis, and whether it gets from Redis what it is for."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from inspect import isawaitable

from app.core import cancelling, redis
from app.live.hub import LiveHub
from app.live.notices import changed
from app.web.rate_limits import RateLimiter
from app.webhooks import wakeups
from app.wiring import Services
from tests.sentinels import PATIENCE_S, Cluster, Node
from tests.workers.shop import working
from workers.jobs import EVERY_SECOND, Context, Job, Queue

TOPIC = "invoice:1"
CHANNEL = "wake:tests"


async def until(what: Callable[[], bool | Awaitable[bool]]) -> None:
    """Wait until it is so."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            found = what()
            if await found if isawaitable(found) else found:
                return
            await asyncio.sleep(0.05)


async def until_sent(send: Callable[[], Awaitable[None]], arrived: Callable[[], bool]) -> None:
    """Send until it has arrived: on a busy machine a subscription may just be made anew."""
    async with asyncio.timeout(PATIENCE_S):
        while not arrived():
            await send()
            await asyncio.sleep(0.2)


class Users:
    """All that use Redis, in one process: two counters of a rate limit, a listener, an open page, arq's jobs."""

    def __init__(self) -> None:
        self.limiters = (RateLimiter(), RateLimiter())
        self.woken = 0
        self.hub = LiveHub()
        self.changes = 0
        self.runs: list[str] = []
        self.notes = Queue(name="notes", jobs=[Job(work=self.note, when=EVERY_SECOND, timeout_s=5)])

    async def note(self, context: Context) -> None:
        """A job that notes who runs it."""
        self.runs.append("arq" if "job_id" in context else "process")

    def wake(self, _: str) -> None:
        """A message came, or a subscription began."""
        self.woken += 1

    async def read(self) -> None:
        """An open page's stream."""
        async for event in self.hub.stream({TOPIC: "invoice"}):
            self.changes += event.startswith(b"event: changed")

    @asynccontextmanager
    async def using(self, services: Services) -> AsyncIterator[None]:
        """All of them at work."""
        self.hub.open()
        tasks = [asyncio.create_task(self.read()), asyncio.create_task(wakeups.listen([CHANNEL], self.wake))]
        try:
            async with working(self.notes, services):
                yield
        finally:
            await self.hub.close()
            await cancelling.end(*tasks)

    async def count_together(self) -> bool:
        """Whether both counters count in Redis: alone, each would count from its own."""
        first, second = [(await limiter.take("key:1", 1_000_000)).used for limiter in self.limiters]
        return second == first + 1

    async def count_alone(self) -> bool:
        """Whether both counters count for themselves."""
        return not await self.count_together()

    async def all_work(self) -> None:
        """Wait until each of them gets from Redis what it is for."""
        await until(self.count_together)
        await until(lambda: self.hub.version(TOPIC) is not None)
        changes, woken, runs = self.changes, self.woken, len(self.runs)
        await until_sent(lambda: changed(TOPIC), lambda: self.changes > changes)
        await until_sent(lambda: redis.publish(CHANNEL), lambda: self.woken > woken)
        await until(lambda: len(self.runs) > runs and self.runs[-2:] == ["arq", "arq"])

    def repeated(
        self, send: Callable[[], Awaitable[None]], arrived: Callable[[], bool]
    ) -> Callable[[], Awaitable[bool]]:
        """Send again until it has arrived: on a busy machine a subscription may be about to be made anew."""

        async def look() -> bool:
            await send()
            await asyncio.sleep(0.2)
            return arrived()

        return look


async def replaced(cluster: Cluster, old: Node) -> None:
    """Wait until this process knows another primary."""
    sentinels = redis.sentinels()
    assert sentinels is not None
    await until(lambda: sentinels.primary not in (None, cluster.outside(old)))
