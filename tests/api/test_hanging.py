"""What a caller notices while Postgres or Redis hangs: an answer in time, and no invoice lost or doubled."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import httpx
import pytest

from app.core import database, redis, subscription
from app.identity import cookies
from app.live import hub, topics
from app.live.notices import message
from app.sandbox.postgres import Postgres
from app.sandbox.valkey import Valkey
from tests.api.conftest import Integrator
from tests.services import read_only

ID = "INV-0000000000"
WAIT_S = 2
MOST_S = WAIT_S + 2
READY_S = 2
"""The first includes time for a busy machine; the second is the contract's limit."""

AT_ONCE = 40
"""Reads at the same time: more than the pool has connections."""

BODY = {"amount": "5.00", "currency": "USDT", "chain": "ethereum"}


async def timed(request: Awaitable[httpx.Response]) -> tuple[httpx.Response, float]:
    began_s = time.monotonic()
    answer = await request
    return answer, time.monotonic() - began_s


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    """With shorter time limits than in production: tests/resilience/test_hangs.py holds the real limits."""
    return environment | {"DATABASE_WAIT_S": str(WAIT_S)}


async def test_with_postgres_stopped_everybody_is_answered_in_time(
    client: httpx.AsyncClient, integrator: Integrator, postgres: Postgres
) -> None:
    # Given an invoice, its page, and a signed-in browser,
    invoice = await integrator.invoice("before")
    pay = invoice["payment_url"].removeprefix("https://pay.example.test")
    session = {"Cookie": f"{cookies.SESSION}=anything"}
    # when Postgres hangs,
    with postgres.process.paused():
        began_s = time.monotonic()
        api = [timed(integrator.get(f"/invoices/{invoice['id']}")) for _ in range(AT_ONCE)]
        api += [timed(integrator.post("/invoices", BODY, once=f"hang-{number}")) for number in range(3)]
        pages = [timed(client.get(pay)), timed(client.get("/cabinet", headers=session))]
        ready = [timed(client.get("/readyz")) for _ in range(3)]
        alive, ready_later = timed(client.get("/healthz")), _later(client)
        replies = await asyncio.gather(*api, *pages, *ready, alive, ready_later)
        waited_s = time.monotonic() - began_s
    # then the API answers with its error envelope, pages with a message, readiness at once, and liveness is 200.
    count = len(api)
    for answer, took_s in replies[:count]:
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "UNAVAILABLE")
        assert int(answer.headers["Retry-After"]) >= 1
        assert took_s < MOST_S
    for answer, took_s in replies[count : count + 2]:
        assert answer.status_code == 503
        assert answer.headers["Content-Type"].startswith("text/html")
        assert took_s < MOST_S
    assert 'http-equiv="refresh"' in replies[count][0].text
    for answer, took_s in [*replies[count + 2 : count + 5], replies[-1]]:
        assert (answer.status_code, answer.json()["database"]) == (503, "down")
        assert took_s < READY_S
    assert replies[-2][0].status_code == 200
    assert replies[-2][1] < READY_S
    assert waited_s < MOST_S
    # And when Postgres continues, the requests are repeated, and each invoice exists once.
    for number in range(3):
        made = await integrator.post("/invoices", BODY, once=f"hang-{number}")
        assert made.status_code == 201
    assert await database.fetch_value("SELECT count(*) FROM invoices") == 4
    assert (await client.get("/readyz")).status_code == 200
    failed = await database.fetch_value("SELECT failed_attempts FROM api_keys WHERE id = $1", integrator.key_id)
    assert failed == 0


async def _later(client: httpx.AsyncClient) -> tuple[httpx.Response, float]:
    """Request readiness when every connection is already in use."""
    await asyncio.sleep(WAIT_S / 2)
    return await timed(client.get("/readyz"))


async def test_a_server_left_read_only_by_a_fail_over_is_unavailable_and_replaced(
    integrator: Integrator, postgres: Postgres
) -> None:
    await integrator.invoice("before")
    async with read_only(postgres.dsn()):
        for _ in range(2):
            refused = await integrator.post("/invoices", BODY, once="after")
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "UNAVAILABLE")
            assert refused.headers["Retry-After"]
    assert (await integrator.post("/invoices", BODY, once="after")).status_code == 201


@pytest.mark.usefixtures("as_patient_as_production")
async def test_with_redis_stopped_the_first_creation_takes_a_second_at_most(
    client: httpx.AsyncClient, integrator: Integrator, valkey_server: Valkey
) -> None:
    await integrator.invoice("before")
    with valkey_server.process.paused():
        first, first_s = await timed(integrator.post("/invoices", BODY, once="first"))
        second, second_s = await timed(integrator.post("/invoices", BODY, once="second"))
        ready, ready_s = await timed(client.get("/readyz"))
    assert (first.status_code, second.status_code) == (201, 201)
    assert first_s < 1
    assert second_s < 0.5
    assert (ready.status_code, ready.json()["redis"]) == (200, "down")
    assert ready_s < READY_S


@pytest.mark.usefixtures("valkey", "as_patient_as_production")
async def test_an_open_page_polls_while_redis_hangs_and_streams_again_afterwards(
    valkey_server: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscription, "BEAT_S", 0.3)
    monkeypatch.setattr(subscription, "SILENT_S", 1.5)
    monkeypatch.setattr(hub, "POLL_S", 0.3)
    live = hub.LiveHub()
    live.open()
    changes: list[bytes] = []
    page = asyncio.create_task(_read(live, changes))
    try:
        await _until(lambda: live._hears_redis)
        with valkey_server.process.paused():
            await _until(lambda: not live._hears_redis)
            seen = len(changes)
            await _until(lambda: len(changes) > seen + 1)  # it polls
        await _until(lambda: live._hears_redis)
        await asyncio.sleep(0.5)
        seen = len(changes)
        await asyncio.sleep(0.7)
        assert len(changes) == seen  # it polls no more
        await redis.publish_messages(message(topics.of_invoices(ID)))
        await _until(lambda: len(changes) > seen)
    finally:
        await live.close()
        await asyncio.wait_for(page, 5)


async def _read(live: hub.LiveHub, changes: list[bytes]) -> None:
    async for event in live.stream({topics.of_thing("invoice", ID): "invoice"}):
        changes += [event] * event.startswith(b"event: changed")


async def _until(what: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not what():
            await asyncio.sleep(0.02)
