"""Redis under Sentinel loses its primary, killed and then hanging: everything that uses Redis goes on by itself."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from inspect import isawaitable
from pathlib import Path

import pytest

from app.core import clock, redis
from app.core.settings import load
from app.doctor import valkey
from app.doctor.symptoms import Symptom
from app.live.hub import LiveHub
from app.live.notices import changed
from app.monitoring.routes import readiness
from app.web.rate_limits import RateLimiter
from app.webhooks import wakeups
from app.wiring import Services, running, wire
from tests.factories.merchants import merchant
from tests.factories.webhooks import make_endpoint
from tests.sentinels import PATIENCE_S, Cluster, Node, start_cluster
from tests.webhooks.receiving import Receiver, receiving
from tests.workers.shop import Shop, working
from workers import webhooks
from workers.jobs import EVERY_SECOND, Context, Job, Queue

TOPIC = "invoice:1"
CHANNEL = "tests:wake"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three servers and three sentinels that the tests may kill."""
    with start_cluster(tmp_path_factory.mktemp("sentinel")) as cluster:
        yield cluster


@pytest.fixture
async def receiver(tmp_path: Path) -> AsyncIterator[Receiver]:
    """A merchant's server."""
    async with receiving(tmp_path) as server:
        yield server


@pytest.fixture
async def own_services(
    environment: dict[str, str], cluster: Cluster, receiver: Receiver, steady_clock: None
) -> AsyncIterator[Services]:
    """The services of a process that finds Redis by the sentinels."""
    cluster.until_whole()
    own = {"REDIS_URL": cluster.url, "WEBHOOK_ALLOW_NETWORKS": "127.0.0.0/8", "WEBHOOK_CA_FILE": str(receiver.ca_file)}
    async with running(wire(load(environment | own))) as services:
        yield services


@pytest.fixture
async def shop(own_services: Services, receiver: Receiver) -> Shop:
    """A merchant whose events go to the receiver."""
    merchant_id, keys = await merchant(), own_services.settings.data_keys
    await make_endpoint(merchant_id=merchant_id, mode="test", url=receiver.url(), keys=keys, now=clock.now())
    return Shop(merchant_id, receiver)


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
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=PATIENCE_S)

    async def count_together(self) -> bool:
        """Whether both counters count in Redis: alone, each would count from its own."""
        first, second = [(await limiter.take("key:1", 1_000_000)).used for limiter in self.limiters]
        return second == first + 1

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
    await shop.receiver.until(lambda: set(shop.committed) == set(shop.arrived()), timeout_s=PATIENCE_S)
    times = Counter(json.loads(request.body)["event_id"] for request in shop.receiver.requests)
    assert set(times.values()) == {1}, "a delivery was made twice"


async def replaced(cluster: Cluster, old: Node) -> None:
    """Wait until the sentinels name another primary, and this process knows it."""
    sentinels = redis.sentinels()
    assert sentinels is not None
    await until(lambda: sentinels.primary not in (None, ("127.0.0.1", old.port)))


@pytest.mark.timeout(300)
async def test_all_goes_on_when_the_primary_is_killed_and_when_the_next_one_hangs(
    cluster: Cluster, own_services: Services, shop: Shop
) -> None:
    users = Users()
    async with users.using(own_services), working(webhooks.QUEUE, own_services), trade(shop):
        await users.all_work()
        await until(is_ready)

        first, changes = cluster.primary(), users.changes
        first.process.kill()
        await replaced(cluster, first)
        await users.all_work()
        assert users.changes > changes, "what changed meanwhile was not read"
        first.start()
        await asyncio.to_thread(cluster.until_whole)
        assert cluster.role(first) == "slave"
        await until(is_ready)

        second, changes = cluster.primary(), users.changes
        with second.process.paused():
            await until(lambda: users.changes > changes)
            await replaced(cluster, second)
            await users.all_work()
        await asyncio.to_thread(cluster.until_whole)
        assert cluster.role(second) == "slave"
        await users.all_work()
        await until(is_ready)
        assert {symptom.severity for symptom in await symptoms(cluster)} == {"ok"}

        with cluster.sentinels[2].process.paused():
            await until(lambda: said(cluster, f"sentinel 127.0.0.1:{cluster.sentinels[2].port}: Timeout"))
            await until(lambda: said(cluster, "sentinels that agree: 2 of 3"))
            assert not await is_ready()
            await users.all_work()


async def symptoms(cluster: Cluster) -> list[Symptom]:
    """What the doctor says of Redis."""
    return [symptom async for symptom in valkey.examine(cluster.url)]


async def said(cluster: Cluster, text: str) -> bool:
    """Whether the doctor says it."""
    return any(text in symptom.message for symptom in await symptoms(cluster))


async def is_ready() -> bool:
    """Whether `/readyz` says that Redis lacks nothing."""
    return (await readiness()).redis == "ok"
