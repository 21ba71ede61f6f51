"""10,000 open checkout pages: what each costs, and how soon a block that moves 1,600 of them is on all of these.

    python -m bench.open_pages

A page is here what `checkout.js` makes of it: an event stream that stays open and brings the page's new part. The
limits of production are on, those per address included: the pages come from `PAGES / PAGES_PER_ADDRESS` addresses
through a proxy that we trust. Each page is of an invoice of its own. The pages are one process on the same machine,
which takes its share of the cores.

A block is one transaction that records a deposit for each of its pages, and its notices, as the watcher does it; the
time is from before its commit to the whole part at the page. A single change is a cancellation by the API, timed from
before its request.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType

import httpx
import psutil
from redis.asyncio import Redis

from app.core import clock, database
from app.core.settings import load
from app.invoices.creation import NewInvoice
from app.invoices.service import announce
from app.invoices.states import Status
from app.merchants.terms import PriceTerms, Terms
from app.sandbox import ports, processes
from app.wiring import Services, running, wire
from bench import bare_streams
from bench.pages import allow_files, memory_of, percentile_ms
from bench.report import Goal, Limit, Report
from bench.stack import API, WEB_PROCESSES, Stack, cpu_s_of, running_stack

PAGES = int(os.environ.get("BENCH_PAGES", "10000"))
PAGES_PER_ADDRESS = 4
WARM_UP_PAGES = 100
"""Opened and closed before memory is measured: the one-time cost of a process's first pages is not counted."""

MOVED = min(1_600, PAGES // 2)
CREATED_TOGETHER = 16
CHANGES_PER_S, CHANGES = 20, min(200, PAGES // 4)
IDLE_S = 30.0
"""Two heartbeats of each page."""

GIVE_UP_S = 60.0

PAGE_KB = Goal("at most", 60)
BLOCK_MS = Goal("at most", 150)


@dataclass(frozen=True, slots=True)
class Invoice:
    """The invoice of a page, and the page's address."""

    id: str
    path: str


def main() -> None:
    """Print the figures."""
    allow_files(PAGES + 500)
    with Report("open_pages") as report, running_stack(as_deployed=True) as stack:
        asyncio.run(_measure(stack, report, asyncio.run(_bare(stack))))


async def _measure(stack: Stack, report: Report, bare: "_Bare") -> None:
    async with running(wire(load(stack.environment))) as services:
        invoices = await _invoices(services, stack.merchant_id, PAGES + WARM_UP_PAGES)
        with _open(stack.port, invoices[:WARM_UP_PAGES]):
            pass
        await asyncio.sleep(2)
        before, cpu, began_s = memory_of(stack), stack.cpu_s(), time.monotonic()
        invoices = invoices[WARM_UP_PAGES:]
        with _open(stack.port, invoices) as pages:
            took_s = time.monotonic() - began_s
            report.add("pages opened", len(invoices) / took_s, "/s")
            _cpu(stack, report, cpu, len(invoices), "opening a page")
            await asyncio.sleep(2)
            memory, pages_k = memory_of(stack), len(invoices) * 1000
            each_kb, together_kb = memory.resident / pages_k, memory.together / pages_k
            added_kb = (memory.resident - before.resident) / pages_k
            report.add("all memory of web, per open page", each_kb, "kB", better="lower", goal=PAGE_KB)
            report.add("the same, what its processes share counted once", together_kb, "kB", better="lower")
            report.add("memory that an open page adds", added_kb, "kB", better="lower")
            cpu = stack.cpu_s()
            await asyncio.sleep(IDLE_S)
            idle = (stack.cpu_s()["web"] - cpu["web"]) / IDLE_S * 100
            report.add(f"all {len(invoices):,} pages idle", idle, "% of a core", better="lower")
            await _one_by_one(stack, report, pages, invoices[:CHANGES])
            await _block(stack, report, services, pages, invoices[CHANGES : CHANGES + MOVED], bare)


async def _block(
    stack: Stack, report: Report, services: Services, pages: "Pages", invoices: Sequence[Invoice], bare: "_Bare"
) -> None:
    async with database.transaction():
        for invoice in invoices:
            await services.invoices.begin_confirming(invoice.id, Status.AWAITING_DEPOSIT, 5_000_000, 0, clock.now())
        cpu, pages_cpu_s, committed_at = stack.cpu_s(), pages.cpu_s(), time.monotonic()
    await announce(*(invoice.id for invoice in invoices))
    got = await pages.got("confirming", len(invoices))
    seconds = [at - committed_at for at in got.values()]
    name = f"a block moves {len(invoices):,} pages"
    limit = Limit("as many ready parts sent", percentile_ms(bare.seconds, 99))
    report.add(f"{name}, p50", percentile_ms(seconds, 50), "ms", better="lower")
    report.add(f"{name}, p99", percentile_ms(seconds, 99), "ms", better="lower", limit=limit, goal=BLOCK_MS)
    report.add(f"{name}, the last", percentile_ms(seconds, 100), "ms", better="lower")
    _cpu(stack, report, cpu, len(invoices), "a moved page", {"web": Limit("a ready part", bare.web_us)})
    pages_us = (pages.cpu_s() - pages_cpu_s) / len(invoices) * 1e6
    report.add("CPU of a moved page, the page itself", pages_us, "µs", better="lower")


async def _one_by_one(stack: Stack, report: Report, pages: "Pages", invoices: Sequence[Invoice]) -> None:
    began: list[float] = []
    key = {"Authorization": f"Bearer {stack.key}"}
    async with httpx.AsyncClient(base_url=stack.base_url, headers=key, timeout=GIVE_UP_S) as client:

        async def cancel(invoice: Invoice) -> None:
            answer = await client.post(f"{API}/invoices/{invoice.id}/cancel")
            assert answer.status_code == 200, answer.text

        async with asyncio.TaskGroup() as group:
            for invoice in invoices:
                began.append(time.monotonic())
                group.create_task(cancel(invoice))
                await asyncio.sleep(1 / CHANGES_PER_S)
    got = await pages.got("cancelled", len(invoices))
    seconds = [got[place] - at for place, at in enumerate(began)]
    name = f"{CHANGES_PER_S} changes a second, each of one page"
    report.add(f"{name}, p50", percentile_ms(seconds, 50), "ms", better="lower")
    report.add(f"{name}, p99", percentile_ms(seconds, 99), "ms", better="lower")


def _cpu(
    stack: Stack,
    report: Report,
    before: dict[str, float],
    count: int,
    of: str,
    limits: Mapping[str, Limit] = MappingProxyType({}),
) -> None:
    for process, now_s in stack.cpu_s().items():
        each_us = (now_s - before[process]) / count * 1e6
        report.add(f"CPU of {of}, {process}", each_us, "µs", better="lower", limit=limits.get(process))


@dataclass(frozen=True, slots=True)
class _Bare:
    """What a server takes that only sends: when each page had its part, and the CPU of its processes for each."""

    seconds: Sequence[float]
    web_us: float


async def _bare(stack: Stack) -> _Bare:
    """The limit: as many streams, on as many processes, each of which is sent a ready part after one message."""
    command = [sys.executable, "-m", "granian", "--interface", "asgi", "--loop", "uvloop", "--http", "1"]
    port, environment = ports.free_port(), {**os.environ, **stack.environment}
    with tempfile.TemporaryDirectory(prefix="swap-pay-bench-") as folder:
        server = processes.start(
            "bare",
            [
                *command,
                *f"--port {port} --workers {WEB_PROCESSES} --backpressure {PAGES}".split(),
                "bench.bare_streams:app",
            ],
            var_dir=Path(folder),
            env=environment,
            ready=lambda _: ports.answers(port),
        )
        try:
            with _open(port, [Invoice("", f"/{number}") for number in range(MOVED)]) as pages:
                async with Redis.from_url(stack.environment["REDIS_URL"]) as redis:
                    await redis.ping()
                    cpu_s, told_at = cpu_s_of(server), time.monotonic()
                    await redis.publish(bare_streams.CHANNEL, "")
                got = await pages.got(bare_streams.STATUS, MOVED)
                return _Bare([at - told_at for at in got.values()], (cpu_s_of(server) - cpu_s) / MOVED * 1e6)
        finally:
            server.stop()


# --- The pages ---------------------------------------------------------------------------------------------


class Pages:
    """Open pages, in a process of their own."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    async def got(self, status: str, wanted: int) -> dict[int, float]:
        """When each page got its part with this status, by place, once so many have. Raises TimeoutError."""
        async with asyncio.timeout(GIVE_UP_S):
            while len(got := await asyncio.to_thread(self._ask, status)) < wanted:
                await asyncio.sleep(0.5)  # asking takes the cores from what is measured
        return {int(place): at for place, at in got.items()}

    def cpu_s(self) -> float:
        """Seconds of CPU that they have used so far, all together."""
        times = psutil.Process(self._process.pid).cpu_times()
        return times.user + times.system

    def _ask(self, status: str) -> dict[str, float]:
        return dict(json.loads(self._say(status)))

    def _say(self, line: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(line, file=self._process.stdin, flush=True)
        return self._process.stdout.readline()

    def open(self, port: int, invoices: Sequence[Invoice]) -> None:
        """Open a page for each invoice."""
        since_ms = int(time.time() * 1000)
        pages = [
            (f"{invoice.path}/events?lang=en&since={since_ms}", _address(place // PAGES_PER_ADDRESS))
            for place, invoice in enumerate(invoices)
        ]
        assert self._say(json.dumps({"port": port, "pages": pages})) == "open\n"


@contextmanager
def _open(port: int, invoices: Sequence[Invoice]) -> Iterator[Pages]:
    command = [sys.executable, "-m", "bench.open_pages_client"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        pages = Pages(process)
        pages.open(port, invoices)
        yield pages
    finally:
        process.kill()
        process.communicate()


def _address(number: int) -> str:
    """A customer's address, each in its own /64, which the limits count as one address."""
    return f"2001:db8:0:{number:x}::1"


async def _invoices(services: Services, merchant_id: str, count: int) -> list[Invoice]:
    terms = Terms(merchant_id, "test", 80, "merchant", prices=PriceTerms(("EUR",)))

    async def create() -> Invoice:
        new = NewInvoice(amount="5.00", currency="USDT", chain="ethereum", expires_in=timedelta(hours=1))
        made = json.loads(await services.invoice_creation.create(terms, new, None, clock.now()))
        return Invoice(made["id"], f"/pay/{services.links.slug(made['id'])}")

    async def some(share: int) -> list[Invoice]:
        return [await create() for _ in range(share)]

    shares = [count // CREATED_TOGETHER + (place < count % CREATED_TOGETHER) for place in range(CREATED_TOGETHER)]
    return [invoice for made in await asyncio.gather(*map(some, shares)) for invoice in made]


if __name__ == "__main__":
    main()
