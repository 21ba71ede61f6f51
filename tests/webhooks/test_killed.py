"""A dispatcher is killed repeatedly while a receiver fails: every event still arrives.

Ten kills by default; `SOAK=100` for a hundred, with ten times the events.
"""

import asyncio
import os
import random
from collections import Counter, defaultdict
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from app.core import clock, database
from app.core.settings import DataKeys
from app.events import repository as events
from app.events import service as event_service
from tests import commands
from tests.factories.events import record_event
from tests.factories.webhooks import make_endpoint
from tests.webhooks import dispatcher_process
from tests.webhooks.receiving import OK, Delivered, Receiver, dispatching, response

KILLS = int(os.environ.get("SOAK", "10"))
EVENTS = 20 * KILLS
PATHS = ("/one", "/two")
AHEAD_S = 200
"""The clock of each next process is this much ahead: leases have ended, and many retries are due."""

LONGEST_WORK_S = 5.0
"""After this time a dispatcher is killed although it has delivered less than it was to."""


async def at_work(receiver: Receiver, chance: random.Random, ahead_s: float) -> None:
    """Until a random moment of a dispatcher's work: soon after its start, or between two of its deliveries."""
    await asyncio.sleep(0.05 + chance.random() * 0.3)
    wanted = len(receiver.requests) + chance.randrange(2 * EVENTS // KILLS)
    due = """
        SELECT 1 FROM events WHERE seq IS NULL
        UNION ALL SELECT 1 FROM webhook_deliveries WHERE status = 'pending' AND next_attempt_at <= $1 LIMIT 1
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(LONGEST_WORK_S):
            while len(receiver.requests) < wanted:
                if not await database.fetch_value(due, clock.now() + timedelta(seconds=ahead_s)):
                    return
                await asyncio.sleep(0.01)


@pytest.mark.timeout(120 + 15 * KILLS)
async def test_every_event_arrives_however_often_the_dispatcher_is_killed(
    valkey: str,
    database_url: str,
    merchant_id: str,
    keys: DataKeys,
    environment: Mapping[str, str],
    receiver: Receiver,
    tmp_path: Path,
) -> None:
    chance = random.Random(4)
    refused: Counter[tuple[str, str]] = Counter()

    async def unreliable(request: Delivered) -> bytes:
        await asyncio.sleep(chance.random() * 0.02)
        key = (request.path, request.headers["webhook-id"])
        if chance.random() < 0.3 and refused[key] < 5:
            refused[key] += 1
            return response(chance.choice([500, 502, 429, 302]))
        return OK

    for path in PATHS:
        receiver.answers[path] = unreliable
        await make_endpoint(merchant_id=merchant_id, mode="test", url=receiver.url(path), keys=keys, now=clock.now())

    async def record_all() -> None:
        for _ in range(EVENTS // 10):
            for _ in range(10):
                await record_event(merchant_id=merchant_id, mode="test", type="invoice.paid", now=clock.now())
            await event_service.announce()
            await asyncio.sleep(chance.random() * 0.2 * KILLS / (EVENTS / 100))

    recording = asyncio.create_task(record_all())
    for kill in range(KILLS):
        printed = tmp_path / f"dispatcher-{kill}"
        process = commands.forked(
            dispatcher_process.run,
            kill * AHEAD_S,
            env={**os.environ, **environment, "TEST_CA_FILE": str(receiver.ca_file)},
            output=printed,
            errors=printed,
        )
        async with asyncio.timeout(60):
            while not printed.exists() or b"ready\n" not in printed.read_bytes():
                assert process.exitcode is None, printed.read_text()
                await asyncio.sleep(0.01)
        await at_work(receiver, chance, kill * AHEAD_S)
        assert process.exitcode is None, f"it failed without a fault: {printed.read_text()}"
        process.kill()
        await asyncio.to_thread(process.join)
    await recording
    assert await database.fetch_value("SELECT count(*) FROM webhook_attempts") > 0

    clock.shift(timedelta(seconds=KILLS * AHEAD_S))
    async with dispatching(receiver, keys), asyncio.timeout(60 + KILLS):
        while await database.fetch_value(
            """
            SELECT 1 FROM events WHERE seq IS NULL
            UNION ALL SELECT 1 FROM webhook_deliveries WHERE status <> 'delivered' LIMIT 1
            """
        ):
            await asyncio.sleep(0.5)
            clock.shift(timedelta(minutes=20))

    stored = {str(e.event_id): e.body for e in await events.list_after(merchant_id, "test", after_seq=0, limit=10**6)}
    assert len(stored) == EVENTS
    bodies: dict[tuple[str, str], set[bytes]] = defaultdict(set)
    for request in receiver.requests:
        bodies[request.path, request.headers["webhook-id"]].add(request.body)
    assert bodies == {(path, event_id): {body} for path in PATHS for event_id, body in stored.items()}
    assert await database.fetch_value("SELECT count(*) FROM webhook_deliveries") == EVENTS * len(PATHS)
