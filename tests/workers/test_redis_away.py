"""Redis is killed, hangs, is emptied, and workers are killed: every event arrives in time, and none is sent twice.

`SOAK` sets how many events are recorded in each phase (shop.py).
"""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest
from redis.exceptions import RedisError

from app.core import clock, database, redis
from app.core.settings import load
from app.sandbox.valkey import Valkey
from app.webhooks import pausing
from app.wiring import Services, running, wire
from tests import commands
from tests.factories.merchants import merchant
from tests.factories.webhooks import make_endpoint
from tests.services import empty_redis, start_valkey_for_tests
from tests.webhooks.receiving import Receiver, receiving
from tests.workers.shop import EVENTS, Shop, working
from workers import default, slot, webhooks
from workers.jobs import EVERY_SECOND, Context, Job, Queue


@pytest.fixture
def own_valkey(tmp_path: Path) -> Iterator[Valkey]:
    """A Valkey that the test may kill."""
    with start_valkey_for_tests(tmp_path) as server:
        yield server


@pytest.fixture
async def receiver(tmp_path: Path) -> AsyncIterator[Receiver]:
    """A merchant's server."""
    async with receiving(tmp_path) as server:
        yield server


@pytest.fixture
def worker_environment(environment: dict[str, str], own_valkey: Valkey, receiver: Receiver) -> dict[str, str]:
    """Settings of the workers."""
    return environment | {
        "REDIS_URL": own_valkey.url,
        "WEBHOOK_ALLOW_NETWORKS": "127.0.0.0/8",
        "WEBHOOK_CA_FILE": str(receiver.ca_file),
    }


@pytest.fixture
async def own_services(worker_environment: dict[str, str], steady_clock: None) -> AsyncIterator[Services]:
    """The services of a worker that runs in this process."""
    async with running(wire(load(worker_environment))) as services:
        yield services


@asynccontextmanager
async def worker_process(environment: dict[str, str], log: Path) -> AsyncIterator[ForkServerProcess]:
    """`swap-pay worker webhooks`, killed at the end."""
    started = commands.start("worker", "webhooks", env={**os.environ, **environment}, log=log)
    try:
        async with asyncio.timeout(60):
            while not log.exists() or b"worker_started" not in log.read_bytes():
                assert started.exitcode is None, log.read_text()
                await asyncio.sleep(0.02)
        yield started
    finally:
        started.kill()
        await asyncio.to_thread(started.join)


@pytest.fixture
async def shop(own_services: Services, receiver: Receiver) -> Shop:
    """A merchant whose events go to the receiver."""
    merchant_id, keys = await merchant(), own_services.settings.data_keys
    await make_endpoint(merchant_id=merchant_id, mode="test", url=receiver.url(), keys=keys, now=clock.now())
    return Shop(merchant_id, receiver)


async def slots_held() -> int:
    """How many jobs of arq hold a loop now, by arq's own keys."""
    keys = await redis.client().keys("arq:in-progress:webhooks:slot-*")
    return len(keys)


async def until_held(count: int) -> None:
    """Wait until arq's jobs hold so many loops."""
    async with asyncio.timeout(60):
        while True:
            try:
                if await slots_held() == count:
                    return
            except RedisError:
                pass
            await asyncio.sleep(0.1)


@pytest.mark.timeout(240 + 10 * EVENTS)
async def test_events_arrive_whatever_happens_to_redis_and_to_a_worker(
    own_valkey: Valkey, own_services: Services, worker_environment: dict[str, str], shop: Shop, tmp_path: Path
) -> None:
    async with working(webhooks.QUEUE, own_services):
        async with worker_process(worker_environment, tmp_path / "worker.log") as other:
            await until_held(2)
            await shop.arrive("arq's jobs hold both loops")

            own_valkey.kill()
            await shop.arrive("Redis is killed")
            own_valkey.restart()
            await until_held(2)
            await shop.arrive("Redis is back")

            with own_valkey.process.paused():
                await shop.arrive("Redis hangs")
            await shop.arrive("Redis goes on")

            await empty_redis()
            await shop.arrive("Redis was emptied")
            other.kill()
            await shop.arrive("a worker was killed")
        await until_held(1)
        for _ in range(10 * EVENTS):
            await shop.event()
    claimed = await database.fetch_value(
        "SELECT count(*) FROM webhook_deliveries WHERE status = 'pending' AND claimed_until IS NOT NULL"
    )
    assert claimed == 0, "a worker that stops gives back what it has claimed"
    async with working(webhooks.QUEUE, own_services):
        await shop.receiver.until(lambda: set(shop.arrived()) == set(shop.committed))


async def test_without_redis_a_worker_starts_delivers_and_stops(
    own_valkey: Valkey, own_services: Services, shop: Shop
) -> None:
    own_valkey.kill()
    async with working(webhooks.QUEUE, own_services):
        await shop.event()
        await shop.receiver.until(lambda: len(shop.receiver.requests) == 1)


async def test_jobs_run_by_arq_and_by_the_process_while_redis_is_away(
    own_valkey: Valkey, own_services: Services
) -> None:
    runs: list[str] = []

    async def note(context: Context) -> None:
        runs.append("arq" if "job_id" in context else "process")

    queue = Queue(name="notes", jobs=[Job(work=note, when=EVERY_SECOND, timeout_s=5)])

    async def until(*wanted: str) -> None:
        runs.clear()
        async with asyncio.timeout(30):
            while tuple(runs[-len(wanted) :]) != wanted:
                await asyncio.sleep(0.02)

    async with working(queue, own_services):
        await until("arq", "arq")
        own_valkey.kill()
        await until("process", "process")
        own_valkey.restart()
        await until("arq", "arq", "arq")
        with own_valkey.process.paused():
            await until("process", "process")
        await until("arq", "arq", "arq")


async def test_a_job_that_met_a_passing_error_is_tried_again_and_another_is_not(
    own_services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.jobs.RETRY_S", 0.01)
    monkeypatch.setattr("arq.worker.keep_cronjob_progress", 0.01)
    tries: Counter[str] = Counter()

    async def passing(context: Context) -> None:
        tries["passing"] += 1
        if tries["passing"] < 3:
            raise ConnectionError("the node restarts")

    async def broken(context: Context) -> None:
        tries["broken"] += 1
        raise ValueError("a fault of ours")

    never = {"month": 2, "day": 29}
    queue = Queue(
        name="tries",
        jobs=[Job(work=work, when=never, timeout_s=5, max_tries=3) for work in (passing, broken)],
    )
    async with working(queue, own_services):
        await redis.enqueue(queue.arq_name, "broken")
        await redis.enqueue(queue.arq_name, "passing")
        async with asyncio.timeout(60):
            while tries["passing"] < 3:
                await asyncio.sleep(0.02)
        await asyncio.sleep(0.3)
    assert tries == {"passing": 3, "broken": 1}


async def test_a_loop_that_fails_is_started_anew(own_services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slot, "LOOP_RETRY_S", 0.05)
    starts = 0

    async def fails_twice(stop: asyncio.Event) -> None:
        nonlocal starts
        starts += 1
        if starts < 3:
            raise ValueError("a fault of ours")
        await stop.wait()

    queue = Queue(name="fragile", slot_loop=lambda _: fails_twice)
    async with working(queue, own_services):
        async with asyncio.timeout(60):
            while starts < 3:
                await asyncio.sleep(0.02)
        await asyncio.sleep(0.3)
        assert starts == 3, "two instances of one loop"


def test_the_job_that_deliveries_ask_for_is_one_of_the_default_queue() -> None:
    assert default.QUEUE.arq_name == pausing.JOB_QUEUE
    (job,) = [job for job in default.QUEUE.jobs if job.name == pausing.JOB]
    assert job.when == EVERY_SECOND, "a lost request may take a second"
