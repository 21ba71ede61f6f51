"""How soon 2,000 open checkout pages show a change, and what each page costs: `make bench`.

A page is here what `checkout.js` makes of it: an event stream that stays open, a status read when it opens and
one for each event. The limits of production are on, those per address included: the pages come from
`PAGES / PAGES_PER_ADDRESS` addresses through a proxy that we trust, which keeps connections for the status reads.
Each page is of an invoice of its own. The generator runs on the same machine and takes its share of the cores.

Changes are made in two ways: one by one (`POST …/cancel`, timed from before the request), and as a block that
changes every page at once (one transaction; timed from its commit). *Event* is the time of the page's event, *shown*
that of the new state at the page.
"""

import asyncio
import json
import os
import random
import resource
import time
import urllib.request
from dataclasses import dataclass, field
from itertools import count

import psutil

from app.core import clock, database
from app.core.settings import load
from app.invoices.service import announce
from app.invoices.states import Status
from app.live.hub import MAX_STREAMS_PER_OWNER
from app.wiring import running, wire
from bench.stack import API, WEB_PROCESSES, Stack, running_stack

PAGES = int(os.environ.get("BENCH_PAGES", "2000"))
PAGES_PER_ADDRESS = 4
WARM_UP_PAGES = 100
"""Opened and closed before memory is measured: the one-time cost of a process's first pages is not counted."""

OPENED_TOGETHER = 50
PROXY_CONNECTIONS, KEPT_ALIVE_S = 64, 5
FACTS_PER_S, FACTS_S = 20, 20
GIVE_UP_S = 30.0
FILES_NEEDED = 2 * PAGES + 500


@dataclass
class Page:
    """An open page: its address, its invoice, and when it last received an event and showed a state."""

    invoice_id: str
    path: str
    address: str
    status: str = ""
    event_at: float = 0.0
    shown_at: float = 0.0
    changed: asyncio.Event = field(default_factory=asyncio.Event)


def main() -> None:
    """Print the figures."""
    _allow_files()
    assert PAGES_PER_ADDRESS <= MAX_STREAMS_PER_OWNER
    print(
        f"{PAGES:,} open pages from {PAGES // PAGES_PER_ADDRESS} addresses, {WEB_PROCESSES} web processes with one"
        f" Redis subscription each, {PROXY_CONNECTIONS} proxy connections for status reads, Postgres with fsync, the"
        f" generator on the same {os.cpu_count()} cores"
    )
    with running_stack() as stack:
        asyncio.run(_measure(stack))


async def _measure(stack: Stack) -> None:
    port = int(stack.base_url.rpartition(":")[2])
    async with asyncio.TaskGroup() as group:
        proxy = Proxy(port)
        listening: list[asyncio.Task[None]] = []

        async def open_all(pages: list[Page]) -> None:
            for start in range(0, len(pages), OPENED_TOGETHER):
                some = pages[start : start + OPENED_TOGETHER]
                listening.extend(group.create_task(_listen(page, port, proxy)) for page in some)
                await asyncio.gather(*(_until(page, "awaiting_deposit") for page in some))

        async def close_all() -> None:
            for task in listening:
                task.cancel()
            await asyncio.gather(*listening, return_exceptions=True)
            listening.clear()

        pages = await _invoices(stack, PAGES + WARM_UP_PAGES)
        await open_all(pages[:WARM_UP_PAGES])
        await close_all()
        await asyncio.sleep(1)
        pages = pages[WARM_UP_PAGES:]
        before, started = _memory_bytes(stack), time.monotonic()
        await open_all(pages)
        opened_s = time.monotonic() - started
        await asyncio.sleep(1)
        each_kib = (_memory_bytes(stack) - before) / len(pages) / 1024
        print(
            f"  opened in {opened_s:.1f} s; {each_kib:.1f} KiB a page in the web processes (USS, its stream included)"
        )

        seconds = await _one_by_one(stack, proxy, pages[: FACTS_PER_S * FACTS_S])
        _line(f"{FACTS_PER_S} changes a second, each of one page", *seconds)
        seconds = await _a_block(stack, pages[FACTS_PER_S * FACTS_S :])
        _line(f"one block that changes {len(pages) - FACTS_PER_S * FACTS_S:,} pages", *seconds)
        await close_all()
        proxy.close()


async def _one_by_one(stack: Stack, proxy: "Proxy", pages: list[Page]) -> tuple[list[float], list[float]]:
    began: dict[str, float] = {}
    key = {"Authorization": f"Bearer {stack.key}"}

    async def cancel(page: Page) -> None:
        began[page.invoice_id] = time.monotonic()
        status, body = await proxy.send("POST", f"{API}/invoices/{page.invoice_id}/cancel", key)
        assert status == 200, body
        await _until(page, "cancelled")

    async with asyncio.TaskGroup() as group:
        for page in random.sample(pages, len(pages)):
            group.create_task(cancel(page))
            await asyncio.sleep(1 / FACTS_PER_S)
    return (
        [page.event_at - began[page.invoice_id] for page in pages],
        [page.shown_at - began[page.invoice_id] for page in pages],
    )


async def _a_block(stack: Stack, pages: list[Page]) -> tuple[list[float], list[float]]:
    """Record a deposit for every page, as the watcher does for a block: one transaction and its notices."""
    async with running(wire(load(stack.environment))) as services:
        async with database.transaction():
            for page in pages:
                await services.invoices.begin_confirming(
                    page.invoice_id, Status.AWAITING_DEPOSIT, 5_000_000, 0, clock.now()
                )
        committed_at = time.monotonic()
        await announce(*(page.invoice_id for page in pages))
        await asyncio.gather(*(_until(page, "confirming") for page in pages))
    return [page.event_at - committed_at for page in pages], [page.shown_at - committed_at for page in pages]


def _line(name: str, event_s: list[float], shown_s: list[float]) -> None:
    print(f"  {name:44} event {_percentiles(event_s)}   shown {_percentiles(shown_s)}", flush=True)


def _percentiles(seconds: list[float]) -> str:
    ordered = sorted(each * 1000 for each in seconds)
    at = {"p50": len(ordered) // 2, "p99": len(ordered) * 99 // 100, "max": -1}
    return ", ".join(f"{name} {ordered[place]:,.0f} ms" for name, place in at.items())


async def _until(page: Page, status: str) -> None:
    async with asyncio.timeout(GIVE_UP_S):
        while page.status != status:
            page.changed.clear()
            await page.changed.wait()


# --- A page ------------------------------------------------------------------------------------------------


async def _listen(page: Page, port: int, proxy: "Proxy") -> None:
    """The stream of a page, and a status read for its start and for each event."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(_request("GET", f"{page.path}/events", {"X-Forwarded-For": page.address}))
        head = await reader.readuntil(b"\r\n\r\n")
        assert b" 200 " in head.split(b"\r\n")[0], head
        await _refresh(page, proxy)
        while line := await reader.readline():
            if line.startswith(b"event: changed"):
                page.event_at = time.monotonic()
                await _refresh(page, proxy)
    finally:
        writer.close()


async def _refresh(page: Page, proxy: "Proxy") -> None:
    status, body = await proxy.send("GET", f"{page.path}/status", {"X-Forwarded-For": page.address})
    assert status == 200, (status, body[:300])
    page.status = body.partition(b'data-status="')[2].partition(b'"')[0].decode()
    page.shown_at = time.monotonic()
    page.changed.set()


class Proxy:
    """Kept-alive connections to the web processes, like those of a reverse proxy.

    One that was idle for KEPT_ALIVE_S is not used again: the gateway closes silent connections (docs/proxy.md).
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._room = asyncio.Semaphore(PROXY_CONNECTIONS)
        self._idle: list[tuple[float, asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def send(self, method: str, path: str, headers: dict[str, str]) -> tuple[int, bytes]:
        """One request over any connection; status and body."""
        async with self._room:
            reader, writer = await self._connection()
            writer.write(_request(method, path, headers))
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
            body = await reader.readexactly(length)
            self._idle.append((time.monotonic(), reader, writer))
        return int(head.split(b" ", 2)[1]), body

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while self._idle:
            since, reader, writer = self._idle.pop()
            if time.monotonic() - since < KEPT_ALIVE_S:
                return reader, writer
            writer.close()
        return await asyncio.open_connection("127.0.0.1", self._port)

    def close(self) -> None:
        """Close what is idle."""
        for _, _, writer in self._idle:
            writer.close()


def _request(method: str, path: str, headers: dict[str, str]) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *(f"{name}: {value}" for name, value in headers.items())]
    if method == "POST":
        lines.append("Content-Length: 0")
    return "\r\n".join([*lines, "", ""]).encode()


# --- What is there before ----------------------------------------------------------------------------------


async def _invoices(stack: Stack, wanted: int) -> list[Page]:
    """Create that many open invoices through the API. Returns each with its customer's address."""
    numbers = count()

    def create(number: int) -> dict[str, str]:
        request = urllib.request.Request(
            f"{stack.base_url}{API}/invoices",
            json.dumps({"amount": "5.00", "currency": "USDT", "chain": "ethereum"}).encode(),
            {
                "Authorization": f"Bearer {stack.key}",
                "Content-Type": "application/json",
                "Idempotency-Key": f"page-{number}",
            },
        )
        with urllib.request.urlopen(request) as answer:
            made: dict[str, str] = json.load(answer)
        return made

    def some(share: int) -> list[dict[str, str]]:
        return [create(next(numbers)) for _ in range(share)]

    shares = [wanted // 8 + (place < wanted % 8) for place in range(8)]
    batches = await asyncio.gather(*(asyncio.to_thread(some, share) for share in shares))
    made = [invoice for batch in batches for invoice in batch]
    return [
        Page(invoice["id"], invoice["payment_url"].removeprefix(stack.base_url), _address(place // PAGES_PER_ADDRESS))
        for place, invoice in enumerate(made)
    ]


def _address(number: int) -> str:
    """A customer's address, each in its own /64, which the limits count as one address."""
    return f"2001:db8:0:{number:x}::1"


def _memory_bytes(stack: Stack) -> int:
    """The private memory of the web server's processes, in bytes."""
    parent = psutil.Process(stack.web.pid)
    return sum(process.memory_full_info().uss for process in [parent, *parent.children(recursive=True)])


def _allow_files() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = FILES_NEEDED if hard == resource.RLIM_INFINITY else min(hard, FILES_NEEDED)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))


if __name__ == "__main__":
    main()
