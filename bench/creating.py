"""New invoices under load, while Postgres writes checkpoints and cleans tables: `make bench`.

Both as a busy server has them, only more often: a checkpoint begins every 30 s, the least that Postgres allows, and is
spread over nine tenths of that; all tables are cleaned again and again, at autovacuum's pace. The statement CHECKPOINT
is not used: it writes everything at once, as no server does by itself.

First 32 connections, beside the rate of the same statements sent bare, with as many invoices in each as the web
processes put there. Then 1,000 connections, far more than there is work for: the rate must hold, and whoever gets no
place must hear so within a second.
"""

import asyncio
import json
import os
import secrets
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager

import asyncpg
import httpx
import msgspec

from app.core import database
from app.invoices import creation_repository
from app.invoices.creation_repository import COLUMNS, NewRows
from app.invoices.reading_repository import InvoiceRow
from app.web.idempotency import Replay
from bench.report import Goal, Limit, Report
from bench.stack import API, POOL_SIZE, Stack, running_stack
from bench.wrk import Load, load

SECONDS = int(os.environ.get("BENCH_SECONDS", "8"))
MANY = 1_000
SETTINGS = {"checkpoint_timeout": "30s", "checkpoint_completion_target": "0.9", "min_wal_size": "1GB"}
WAL_SEGMENTS = 64
"""Of 16 MB: `min_wal_size` of them."""

VACUUM_EVERY_S = 3.0
AUTOVACUUM_DELAY_MS = 2
"""The default of `autovacuum_vacuum_cost_delay`; a VACUUM by hand makes no pauses."""
BARE_CREATIONS = 24_000
PROBES = 10
"""Clients beside the load of many connections that time each answer, since wrk does not time refusals apart."""

IN_USDT = {"amount": "5.00", "currency": "USDT", "chain": "ethereum"}


def main() -> None:
    """Print the figures, and write them."""
    with Report("creating") as report, running_stack() as stack:
        asyncio.run(_set(stack.dsn))
        with _maintained(stack):
            _until_a_checkpoint_writes(stack)
            few = _few(report, stack)
            _many(report, stack, few)


def _until_a_checkpoint_writes(stack: Stack) -> None:
    """Make invoices until then. It goes on writing for longer than the load that follows."""
    written = asyncio.run(_checkpoint_pages(stack.dsn))
    while asyncio.run(_checkpoint_pages(stack.dsn)) == written:
        load(_url(stack), seconds=2, script=post_script(stack.key))


def _few(report: Report, stack: Stack) -> Load:
    before, written = stack.cpu_s(), asyncio.run(_checkpoint_pages(stack.dsn))
    got = load(_url(stack), seconds=2 * SECONDS, script=post_script(stack.key))
    written = asyncio.run(_checkpoint_pages(stack.dsn)) - written
    used_s = {who: used_s - before[who] for who, used_s in stack.cpu_s().items()}
    in_each = asyncio.run(_invoices_in_a_statement(stack.dsn))
    bare = Limit("its statements sent bare", asyncio.run(_bare_creations(stack, max(1, round(in_each)))))
    report.add("create", got.per_second, "/s", limit=bare, goal=Goal("at least", 0.65, "share"))
    report.add("create_in_a_statement", in_each, "invoices")
    report.add("create_p50", got.p50_ms, "ms", better="lower")
    report.add("create_p99", got.p99_ms, "ms", better="lower", goal=Goal("at most", 40))
    report.add("create_p99_by_p50", got.p99_ms / got.p50_ms, "times", better="lower", goal=Goal("at most", 3))
    for who, seconds in used_s.items():
        report.add(f"create_cpu_{who.lower()}", seconds / got.answers * 1e6, "µs", better="lower")
    report.add("create_checkpoint_pages", written, "pages", goal=Goal("at least", 1))
    report.add("create_failures", got.failures, "answers", better="lower", goal=Goal("at most", 0))
    return got


def _many(report: Report, stack: Stack, few: Load) -> None:
    with _probed(stack) as probed:
        got = load(_url(stack), seconds=2 * SECONDS, script=post_script(stack.key), connections=MANY)
    rate = got.per_second * (1 - got.failures / got.answers)
    limit = Limit("the rate at 32 connections", few.per_second)
    report.add("create_many", rate, "/s", limit=limit, goal=Goal("at least", 0.9, "share"))
    report.add("create_many_p99", got.p99_ms, "ms", better="lower")
    report.add("create_many_refused", got.per_second - rate, "/s", better="lower")
    unexpected = sum(status not in (201, 503) for status, _ in probed)
    report.add("create_many_unexpected", unexpected, "answers", better="lower", goal=Goal("at most", 0))
    refused_s = [took_s for status, took_s in probed if status == 503]
    if refused_s:
        report.add("create_many_slowest_503", max(refused_s), "s", better="lower", goal=Goal("at most", 1))


def post_script(key: str, requested: Mapping[str, object] = IN_USDT) -> str:
    """What wrk sends: new invoices, each under a key of its own."""
    run = secrets.token_hex(6)
    body = json.dumps(requested)
    return f"""
        local n = 0
        wrk.method = "POST"
        wrk.body = '{body}'
        wrk.headers["Content-Type"] = "application/json"
        wrk.headers["Authorization"] = "Bearer {key}"
        request = function()
            n = n + 1
            wrk.headers["Idempotency-Key"] = "{run}-" .. n
            return wrk.format()
        end
        """


async def rate_of(once: Callable[[], Awaitable[bool]]) -> float:
    """How often `once` runs a second, POOL_SIZE at a time, for some seconds or until it says that it is done."""
    ends_at = time.monotonic() + SECONDS / 2
    started, count = time.monotonic(), 0

    async def work() -> None:
        nonlocal count
        while time.monotonic() < ends_at and await once():
            count += 1

    await asyncio.gather(*(work() for _ in range(POOL_SIZE)))
    return count / (time.monotonic() - started)


def _url(stack: Stack) -> str:
    return f"{stack.base_url}{API}/invoices"


async def _bare_creations(stack: Stack, size: int) -> float:
    """Invoices a second by `creation_repository.INSERT` with `size` of them in each statement, whose arguments are
    ready, over POOL_SIZE connections, from one process."""
    await database.open_pool(stack.dsn, max_size=POOL_SIZE)
    row = InvoiceRow(**dict(await database.fetch_one(f"SELECT {', '.join(COLUMNS)} FROM invoices LIMIT 1") or {}))
    free = await database.fetch_all(
        """
        INSERT INTO deposit_addresses (network, derivation_index, address, lease_count, available_at, created_at,
            reserved_by, reserved_until)
        SELECT $2::varchar, n, $2::varchar || n, 0, now(), now(), 'bench', now() + interval '1 day'
        FROM generate_series(1, $1::int) n RETURNING id
        """,
        BARE_CREATIONS,
        "bench:test",
    )
    new = [_rows(row, f"INV-B{n:09d}", address["id"]) for n, address in enumerate(free)]
    ready = iter([creation_repository.arguments(new[n : n + size]) for n in range(0, len(new), size)])
    await asyncio.gather(*(database.fetch_value("SELECT pg_sleep(0.2)") for _ in range(POOL_SIZE)))  # opens them all

    async def insert() -> bool:
        given = next(ready, None)
        if given is None:
            return False
        written = await database.fetch_all(creation_repository.INSERT.sql, *given)
        assert len(written) == size, "an invoice of the bench was refused"
        return True

    rate = await rate_of(insert) * size
    await database.close_pool()
    return rate


def _rows(row: InvoiceRow, invoice_id: str, deposit_address: int) -> NewRows:
    new = msgspec.structs.replace(row, id=invoice_id, deposit_address=deposit_address)
    replay = Replay(secrets.token_bytes(32), row.merchant, secrets.token_bytes(32))
    return NewRows(new, b'{"like":"%s"}' % (b"x" * 1_400), "bench", replay, None)


async def _set(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    for name, value in SETTINGS.items():
        await connection.execute(f"ALTER SYSTEM SET {name} = '{value}'")
    await connection.execute("SELECT pg_reload_conf()")
    # Files for the WAL of the time to come are there, as on a server that has run for a day: a checkpoint gives those
    # behind it new names. To make one takes 80 ms, for which all commits wait.
    for _ in range(WAL_SEGMENTS):
        await connection.execute("SELECT pg_logical_emit_message(false, 'bench', repeat('x', 16000000))")
    await connection.execute("CHECKPOINT")
    await connection.close()


async def _invoices_in_a_statement(dsn: str) -> float:
    """How many invoices the statements wrote on average: each is a transaction."""
    connection = await asyncpg.connect(dsn)
    mean = await connection.fetchval("SELECT count(*)::float / count(DISTINCT xmin::text) FROM invoices")
    await connection.close()
    return float(mean)


async def _checkpoint_pages(dsn: str) -> int:
    """How many pages checkpoints have written so far."""
    connection = await asyncpg.connect(dsn)
    pages = int(await connection.fetchval("SELECT buffers_written FROM pg_stat_checkpointer"))
    await connection.close()
    return pages


@contextmanager
def _maintained(stack: Stack) -> Iterator[None]:
    """Clean all tables, with pauses, until the block ends. Checkpoints come by themselves."""
    with _beside(lambda stop: _clean(stack.dsn, stop)):
        yield


async def _clean(dsn: str, stop: threading.Event) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute(f"SET vacuum_cost_delay = {AUTOVACUUM_DELAY_MS}")
    while not stop.is_set():
        await connection.execute("VACUUM (ANALYZE)")
        await asyncio.sleep(VACUUM_EVERY_S)
    await connection.close()


@contextmanager
def _probed(stack: Stack) -> Iterator[list[tuple[int, float]]]:
    """Status and seconds of each answer that PROBES clients got until the block ended."""
    probed: list[tuple[int, float]] = []
    with _beside(lambda stop: _probe(stack, stop, probed)):
        yield probed


async def _probe(stack: Stack, stop: threading.Event, probed: list[tuple[int, float]]) -> None:
    headers = {"Authorization": f"Bearer {stack.key}"}
    async with httpx.AsyncClient(headers=headers, timeout=30) as client:

        async def ask() -> None:
            while not stop.is_set():
                once = {"Idempotency-Key": secrets.token_hex(16)}
                began_s = time.monotonic()
                try:
                    status = (await client.post(_url(stack), json=IN_USDT, headers=once)).status_code
                except httpx.TransportError:
                    status = 0
                probed.append((status, time.monotonic() - began_s))

        await asyncio.gather(*(ask() for _ in range(PROBES)))


@contextmanager
def _beside(work: Callable[[threading.Event], Awaitable[None]]) -> Iterator[None]:
    """Run work in a thread with a loop of its own until the block ends; it gets an event that then is set."""
    stop = threading.Event()

    async def run() -> None:
        await work(stop)

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


if __name__ == "__main__":
    main()
