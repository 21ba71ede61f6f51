"""A web process that got SIGTERM goes on for WEB_DRAIN_S, sends everybody elsewhere, and finishes what it has begun."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.core.settings import load
from app.wiring import Services
from tests.api.serving import Served, served
from tests.factories.invoices import invoice
from tests.factories.merchants import terms

DRAIN_S = 5.0
ENDS_S = 60.0
"""Long, for a busy machine."""

LATE_BODY = b"POST /sign-in HTTP/1.1\r\nhost: x\r\nsec-fetch-site: same-origin\r\ncontent-length: 10\r\n\r\n"


@pytest.fixture
def server(services: Services, environment: dict[str, str], tmp_path: Path) -> Iterator[Served]:
    """A web process that drains."""
    drain = {"WEB_DRAIN_S": f"{DRAIN_S:.0f}", "LOG_LEVEL": "INFO"}
    with served(environment | drain, tmp_path / "web.log") as running:
        yield running


async def test_a_stopping_process_drains(server: Served, services: Services) -> None:
    new = await invoice(services, await terms(service_fee_bps=0))
    # Given a kept connection, an open page's stream, and a form whose body is still on its way,
    stream_reader, stream_writer = await asyncio.open_connection("127.0.0.1", server.port)
    stream_writer.write(f"GET /pay/{services.links.slug(new.id)}/events HTTP/1.1\r\nhost: x\r\n\r\n".encode())
    await stream_reader.readuntil(b"retry: ")
    form_reader, form_writer = await asyncio.open_connection("127.0.0.1", server.port)
    form_writer.write(LATE_BODY)
    async with httpx.AsyncClient(base_url=server.url, trust_env=False, timeout=ENDS_S) as client:
        before = await client.get("/readyz")
        assert (before.status_code, "connection" in before.headers) == (200, False)
        # when the process is told to stop, twice as some supervisors do,
        server.process.terminate()
        stopped_s = time.monotonic()
        async with asyncio.timeout(ENDS_S):
            while (ready := await client.get("/readyz")).status_code == 200:
                await asyncio.sleep(0.02)
        server.process.terminate()
        # then it says so, still answers on new connections, and keeps none of them.
        assert (ready.status_code, ready.json()["stopping"]) == (503, True)
        assert ready.headers["retry-after"]
        for path in ("/healthz", "/sign-in", f"/pay/{services.links.slug(new.id)}"):
            answer = await client.get(path)
            assert (path, answer.status_code, answer.headers["connection"]) == (path, 200, "close")
    async with asyncio.timeout(ENDS_S):
        while await stream_reader.read(1_000):
            pass
        assert time.monotonic() - stopped_s >= DRAIN_S - 0.5, "the stream ended before the drain"
        # What was begun is answered, though the process takes no connection any more.
        form_writer.write(b"0123456789")
        assert b"HTTP/1.1 4" in await form_reader.readuntil(b"\r\n\r\n")
        await asyncio.to_thread(server.process.join, ENDS_S)
    assert server.process.exitcode == 0
    assert server.faults() == []
    for writer in (stream_writer, form_writer):
        writer.close()


def test_production_drains_unless_told_otherwise(environment: dict[str, str]) -> None:
    production = environment | {"SWAP_PAY_ENV": "production"}
    assert load(production).web_drain_s == 8
    assert load(production | {"WEB_DRAIN_S": "0"}).web_drain_s == 0
    assert load(environment).web_drain_s == 0
