"""A merchant whose events are delivered by workers of the test: when each was committed, and when it arrived."""

import asyncio
import json
import os
import statistics
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.core import clock
from app.events import service as events
from app.wiring import Services
from tests.factories.events import record_event
from tests.webhooks.receiving import Receiver
from workers import process
from workers.jobs import Queue

EVENTS = int(os.environ.get("SOAK", "4"))
"""In each phase, five a second, and ten times as many before a worker stops."""

LATE_S = 10.0
"""A second is the promise, and the median keeps near it; the rest is for a busy machine."""


@asynccontextmanager
async def working(queue: Queue, services: Services) -> AsyncIterator[None]:
    """A worker of the queue in this process, stopped at the end as SIGTERM stops it."""
    stop = asyncio.Event()
    worker = asyncio.create_task(process.run(queue, services, stop))
    try:
        yield
    finally:
        stop.set()
        async with asyncio.timeout(20):
            await worker


class Shop:
    """A merchant with an endpoint; it knows when each event was committed and when it arrived."""

    def __init__(self, merchant_id: str, receiver: Receiver) -> None:
        self.merchant_id = merchant_id
        self.receiver = receiver
        self.committed: dict[str, float] = {}

    async def event(self) -> None:
        """One event, committed and announced."""
        event_id = await record_event(merchant_id=self.merchant_id, mode="test", type="invoice.paid", now=clock.now())
        self.committed[str(event_id)] = clock.monotonic_s()
        await events.announce()

    async def arrive(self, phase: str, count: int = EVENTS) -> None:
        """`count` events, one after another; each arrives, and within about a second."""
        before = set(self.committed)
        for _ in range(count):
            await self.event()
            await asyncio.sleep(0.2)
        new = set(self.committed) - before
        await self.receiver.until(lambda: new <= set(self.arrived()))
        delays = [self.arrived()[event_id] - self.committed[event_id] for event_id in new]
        print(f"{phase}: median {statistics.median(delays) * 1000:.0f} ms, worst {max(delays) * 1000:.0f} ms")
        assert statistics.median(delays) < 3, phase
        assert max(delays) < LATE_S, phase

    def arrived(self) -> dict[str, float]:
        """When each event came in first."""
        first: dict[str, float] = {}
        for request in self.receiver.requests:
            first.setdefault(json.loads(request.body)["event_id"], request.at_s)
        return first


@asynccontextmanager
async def trade(shop: Shop) -> AsyncIterator[None]:
    """Five events a second inside. At the end each has arrived once."""
    ended = asyncio.Event()

    async def record() -> None:
        while not ended.is_set():
            await shop.event()
            await asyncio.sleep(0.2)

    recording = asyncio.create_task(record())
    try:
        yield
    finally:
        ended.set()
        await recording
    await shop.receiver.until(lambda: set(shop.committed) == set(shop.arrived()), timeout_s=60)
    times = Counter(json.loads(request.body)["event_id"] for request in shop.receiver.requests)
    assert set(times.values()) == {1}, "a delivery was made twice"
