"""The processes of `swap-pay web`, which are forked from one that has imported the app: what each has is its own, one
that dies is replaced, and a flood leaves nothing half done."""

import asyncio
import json
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import psutil
import pytest

from app.core import database
from app.core.settings import Settings
from app.web.admission import AT_ONCE, RETRY_AFTER_S
from app.wiring import Services
from tests.api.serving import Served, served
from tests.factories.api_keys import api_key
from tests.factories.merchants import merchant, takes

CREATE = "/api/v1/merchant/invoices"
PROCESSES = 2
CONNECTIONS = 1_000
WAIT_S = 60
"""Long, for a busy machine."""

WRITTEN = {
    "invoices": "invoices",
    "events": "events",
    "idempotency records": "idempotency_records",
    "addresses": "deposit_addresses WHERE invoice_id IS NOT NULL",
}
"""What a creation writes."""

REQUESTS_EACH = 8
"""Requests of one connection, all to one process."""


@pytest.fixture
def server(
    services: Services, chain_settings: Callable[..., Settings], environment: dict[str, str], tmp_path: Path
) -> Iterator[Served]:
    """Two web processes behind a trusted proxy, which may have any number of connections."""
    chain_settings(pool_cap=2 * CONNECTIONS)
    own = {"WEB_WORKERS": str(PROCESSES), "TRUSTED_PROXIES": "127.0.0.1"}
    with served(environment | own, tmp_path / "web.log") as running:
        yield running


@pytest.fixture
async def key(services: Services) -> str:
    """A merchant's API key."""
    merchant_id = await merchant()
    await takes(merchant_id, "USDT")
    scopes = ("invoices.read", "invoices.write")
    return (await api_key(services.settings.api_key_peppers, scopes=scopes, merchant_id=merchant_id)).full


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: Any


class Client:
    """One connection of a shop's server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, key: str) -> None:
        self._reader, self._writer, self._key = reader, writer, key

    @staticmethod
    @asynccontextmanager
    async def connected(server: Served, key: str) -> "AsyncIterator[Client]":
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        try:
            yield Client(reader, writer, key)
        finally:
            writer.close()

    async def create(self, once: str) -> Answer:
        """Ask for an invoice. Raises OSError or IncompleteReadError where the connection ends instead."""
        body = json.dumps({"amount": "5.00", "currency": "USDT", "chain": "ethereum"}).encode()
        head = (
            f"POST {CREATE} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {self._key}\r\nidempotency-key: {once}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        async with asyncio.timeout(WAIT_S):
            self._writer.write(head.encode() + body)
            status, *lines = (await self._reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            content = await self._reader.readexactly(int(headers["content-length"]))
        return Answer(int(status.split()[1]), headers, json.loads(content))


async def test_a_process_that_dies_is_replaced_and_nothing_is_shared(
    server: Served, key: str, environment: dict[str, str]
) -> None:
    doomed, kept = await until_serving(server)
    before = await created(server, key, "before")
    assert_own_connections(server, environment)

    # A shop goes on while one of them is killed. It sends again what got no answer.
    async with asyncio.TaskGroup() as tasks:
        meanwhile = tasks.create_task(created_until_answered(server, key, "meanwhile"))
        doomed.send_signal(signal.SIGKILL)
        serving = await until_serving(server, without=doomed)
    assert kept in serving
    assert server.process.exitcode is None

    after = await created(server, key, "after")
    again = await created(server, key, "before")
    assert_own_connections(server, environment)
    assert [answer.body for answer in again] == [answer.body for answer in before]
    assert {answer.headers["idempotent-replayed"] for answer in again} == {"true"}
    # What is drawn at random is drawn by each for itself.
    new = [*before, *meanwhile.result(), *after]
    assert len({answer.body["id"] for answer in new}) == len(new)
    assert len({answer.headers["x-request-id"] for answer in (*new, *again)}) == len(new) + len(again)
    assert await written() == dict.fromkeys(WRITTEN, len(new))
    assert server.faults() == []


async def test_a_flood_is_refused_and_nothing_stays_half_done(server: Served, key: str, database_url: str) -> None:
    # Given two processes that can write nothing for a while,
    locker = await asyncpg.connect(database_url)
    writing = locker.transaction()
    await writing.start()
    await locker.execute("LOCK TABLE invoices IN EXCLUSIVE MODE")
    # when a thousand clients come, and those without a place have been answered,
    keys = [f"flood {number}" for number in range(CONNECTIONS)]
    flood = [asyncio.create_task(create_on_its_own(server, key, once)) for once in keys]
    least = CONNECTIONS - PROCESSES * AT_ONCE
    async with asyncio.timeout(WAIT_S):
        while sum(each.done() for each in flood) < least:
            await asyncio.sleep(0.05)
    await writing.rollback()
    await locker.close()
    answered = dict(zip(keys, await asyncio.gather(*flood), strict=True))
    # then they were told so as the contract says,
    failed = {once: answer for once, answer in answered.items() if answer.status != 201}
    for answer in failed.values():
        error = answer.body["error"]
        assert list(answer.body) == ["error"]
        assert error["request_id"] == answer.headers["x-request-id"]
        assert answer.headers["content-type"] == "application/json"
        assert int(answer.headers["retry-after"]) > 0
        # On a busy machine some with a place have waited for the database for too long.
        assert (answer.status, error["code"]) in ((503, "UNAVAILABLE"), (409, "IDEMPOTENCY_IN_PROGRESS"))
    refused = {
        once for once, answer in failed.items() if answer.body["error"]["message"] == "too many requests at once"
    }
    assert 0 < len(refused) < CONNECTIONS
    assert {failed[once].headers["retry-after"] for once in refused} == {str(RETRY_AFTER_S)}
    # what there is is whole,
    counts = await written()
    assert CONNECTIONS - len(failed) <= counts["invoices"] <= CONNECTIONS - len(refused)
    assert set(counts.values()) == {counts["invoices"]}
    # and each that comes again gets its invoice, a new one where it was refused.
    replayed = set()
    for at in range(0, CONNECTIONS, AT_ONCE // 2):
        some = keys[at : at + AT_ONCE // 2]
        answers = await asyncio.gather(*(create_on_its_own(server, key, once) for once in some))
        assert {answer.status for answer in answers} == {201}
        replayed |= {
            once for once, answer in zip(some, answers, strict=True) if "idempotent-replayed" in answer.headers
        }
    assert set(keys) - set(failed) <= replayed <= set(keys) - refused
    assert len(replayed) >= counts["invoices"]  # a statement may have ended after the one that counts
    assert await written() == dict.fromkeys(WRITTEN, CONNECTIONS)
    assert server.faults() == []


async def until_serving(server: Served, without: psutil.Process | None = None) -> list[psutil.Process]:
    """The processes that answer, once there are as many as there should be."""
    leader = psutil.Process(server.process.pid)
    async with asyncio.timeout(WAIT_S):
        while True:
            forked = [child for child in leader.children() if child != without]
            serving = [child for child in forked if listens(child, server.port)]
            if len(serving) == PROCESSES:
                return serving
            await asyncio.sleep(0.05)


def listens(process: psutil.Process, port: int) -> bool:
    with suppress(psutil.Error):
        return any(each.status == psutil.CONN_LISTEN and each.laddr.port == port for each in tcp(process))
    return False


def assert_own_connections(server: Served, environment: dict[str, str]) -> None:
    """Each process that answers has connections to Postgres and Redis, none of which another process has as well. The
    one that forks them has none."""
    ports = {urlsplit(environment[name]).port for name in ("DATABASE_URL", "REDIS_URL")}
    leader = psutil.Process(server.process.pid)
    seen: Counter[tuple[int, int]] = Counter()
    for process in (leader, *leader.children()):
        own = [each for each in tcp(process) if each.raddr and each.raddr.port in ports]
        assert {each.raddr.port for each in own} == (ports if listens(process, server.port) else set())
        seen.update((each.laddr.port, each.raddr.port) for each in own)  # connections to both may have one local port
    assert set(seen.values()) == {1}


async def created(server: Served, key: str, name: str) -> list[Answer]:
    """The answers to some requests on many connections, so that each process gets some of them."""

    async def on_one(number: int) -> list[Answer]:
        async with Client.connected(server, key) as client:
            return [await client.create(f"{name} {number} {request}") for request in range(REQUESTS_EACH)]

    answers = [answer for some in await asyncio.gather(*map(on_one, range(20))) for answer in some]
    assert {answer.status for answer in answers} == {201}
    return answers


async def created_until_answered(server: Served, key: str, name: str) -> list[Answer]:
    """The answers to requests one after the other, each on a connection of its own and sent until it is answered."""
    answers = []
    for number in range(50):
        async with asyncio.timeout(WAIT_S):
            while True:
                with suppress(OSError, asyncio.IncompleteReadError):
                    answers.append(await create_on_its_own(server, key, f"{name} {number}"))
                    break
                await asyncio.sleep(0.05)
    assert {answer.status for answer in answers} == {201}
    return answers


async def create_on_its_own(server: Served, key: str, once: str) -> Answer:
    async with Client.connected(server, key) as client:
        return await client.create(once)


async def written() -> dict[str, int]:
    """How many rows there are of each kind, at one moment."""
    counts = ", ".join(f'(SELECT count(*) FROM {rows}) AS "{name}"' for name, rows in WRITTEN.items())
    (row,) = await database.fetch_all(f"SELECT {counts}")
    return dict(row)


def tcp(process: psutil.Process) -> list[Any]:
    return process.net_connections("tcp")
