"""How large everything is, and how fast, with millions of invoices: `python -m bench.growth --invoices 1000000`.

Invoices of the last year, of a thousand merchants, one of whom has a twentieth of them. Each has three events (or
`--events`), as many deliveries and as many attempts; a tenth is paid. Rows are written in bulk and indexes are built
afterwards, so indexes are as small as they can be: those whose keys come in no order are about a third larger after a
while (docs/growth.md).
"""

import argparse
import asyncio
import http.client
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from urllib.parse import urlsplit

import asyncpg

from app.core import clock, database, redis
from app.core.settings import load
from app.events import sequencer
from app.webhooks import attempts_by_month, claims_repository, outcomes_repository, retention
from app.webhooks.fan_out import fan_out_with
from app.webhooks.outcomes_repository import Attempt
from app.webhooks.schedule import Verdict
from bench.growth_rows import Filled, fill
from bench.stack import API, Stack, running_stack

TABLES = ("invoices", "deposit_addresses", "deposits", "events", "webhook_deliveries", "webhook_attempts")
REQUESTS = 200
WARM_UP = 10
PURGED_SHARE = 0.02
PURGED_AT_MOST = 100_000

_SIZES = """
    SELECT sum(pg_table_size(relid))::bigint AS heap, sum(pg_indexes_size(relid))::bigint AS indexes
    FROM (SELECT $1::regclass::oid AS relid UNION SELECT relid FROM pg_partition_tree($1::regclass)) parts
"""

_INDEXES = """
    SELECT c.relname::text AS name, pg_relation_size(c.oid) AS bytes,
        (bt_metap(c.relname::text)).level + 1 AS pages_deep
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam
    WHERE i.indrelid = $1::regclass AND a.amname = 'btree' AND c.relkind = 'i' ORDER BY bytes DESC
"""


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--invoices", type=int, default=1_000_000)
    parser.add_argument("--events", type=int, default=3, choices=(1, 2, 3))
    given = parser.parse_args()
    print(
        f"{given.invoices:,} invoices, {given.events} events each;"
        f" before the start {os.getloadavg()[0]:.1f} programs wanted to run",
        flush=True,
    )
    with running_stack(web_processes=1) as stack:
        first = json.loads(_Client(stack).post())
        asyncio.run(_measure(stack, first["id"], given.invoices, given.events))
    print(f"At the end {os.getloadavg()[0]:.1f} programs wanted to run, this one among them.")


async def _measure(stack: Stack, first: str, count: int, events_each: int) -> None:
    connection = await asyncpg.connect(stack.dsn, command_timeout=None)
    await database.open_pool(stack.dsn, max_size=4)
    redis.open_client(stack.environment["REDIS_URL"])
    try:
        with _timed(f"filled, {shutil.disk_usage('/').free / 1e9:.0f} GB free before"):
            filled = await fill(stack.dsn, stack.merchant_id, first, count, events_each)
        await connection.execute("CREATE EXTENSION IF NOT EXISTS pageinspect")
        await _vacuums(connection, "first VACUUM ANALYZE", "ANALYZE")
        await _sizes(connection)
        await connection.execute("CHECKPOINT")
        _requests(stack, filled)
        await _webhooks(stack)
        await _purge(connection, count * events_each)
        await _drop_a_month()
    finally:
        await redis.close_client()
        await database.close_pool()
        await connection.close()


async def _sizes(connection: asyncpg.Connection) -> None:
    total = 0
    for table in TABLES:
        rows = await connection.fetchval(f"SELECT count(*) FROM {table}")
        size = await connection.fetchrow(_SIZES, table)
        total += size["heap"] + size["indexes"]
        print(
            f"  {table:20}{rows:12,} rows {size['heap'] / 1e6:9,.0f} MB + indexes {size['indexes'] / 1e6:8,.0f} MB,"
            f" {size['heap'] / max(1, rows):5.0f} + {size['indexes'] / max(1, rows):4.0f} bytes a row",
            flush=True,
        )
        for index in (await connection.fetch(_INDEXES, table))[:4]:
            print(f"      {index['name']:36}{index['bytes'] / 1e6:9,.0f} MB, {index['pages_deep']} pages deep")
    print(f"  together {total / 1e9:.1f} GB", flush=True)


async def _vacuums(connection: asyncpg.Connection, when: str, options: str = "") -> None:
    for table in TABLES:
        with _timed(f"{when} {table}"):
            await connection.execute(f"VACUUM {f'({options})' if options else ''} {table}")


def _requests(stack: Stack, filled: Filled) -> None:
    client = _Client(stack)
    client.measure("create invoice", client.post)
    for name, path in (
        ("list of invoices, first page", "/invoices?limit=20"),
        ("list of paid invoices", "/invoices?limit=20&status=paid"),
        ("invoice by its order id", f"/invoices?order_id={filled.order_id}"),
        ("one invoice", f"/invoices/{filled.invoice_id}"),
        ("list of events", "/events?limit=20"),
        ("list of an endpoint's deliveries", f"/webhooks/{filled.endpoint}/deliveries?limit=20"),
    ):
        client.measure(name, partial(client.get, path))


class _Client:
    """One connection to the API, one request after the other."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        at = urlsplit(stack.base_url)
        self._connection = http.client.HTTPConnection(at.hostname or "", at.port, timeout=60)
        self._headers = {"Authorization": f"Bearer {stack.key}", "Content-Type": "application/json"}

    def get(self, path: str) -> bytes:
        return self._answer("GET", path, None)

    def post(self) -> bytes:
        body = {"amount": "49.90", "currency": "USDT", "chain": "ethereum", "order_id": f"bench-{secrets.token_hex(8)}"}
        return self._answer("POST", "/invoices", body)

    def measure(self, name: str, request: Callable[[], bytes]) -> None:
        for _ in range(WARM_UP):
            request()
        before, times_ms = self._stack.cpu_s(), []
        for _ in range(REQUESTS):
            started_s = time.perf_counter()
            request()
            times_ms.append((time.perf_counter() - started_s) * 1000)
        used = {who: (used_s - before[who]) / REQUESTS * 1e3 for who, used_s in self._stack.cpu_s().items()}
        times_ms.sort()
        print(
            f"  {name:36} p50 {times_ms[REQUESTS // 2]:6.1f} ms, p99 {times_ms[REQUESTS * 99 // 100]:6.1f} ms;"
            f" CPU {', '.join(f'{who} {each_ms:.1f} ms' for who, each_ms in used.items())}",
            flush=True,
        )

    def _answer(self, method: str, path: str, body: object) -> bytes:
        headers = self._headers | ({"Idempotency-Key": secrets.token_hex(16)} if body else {})
        self._connection.request(method, API + path, None if body is None else json.dumps(body), headers)
        answer = self._connection.getresponse()
        said = answer.read()
        if answer.status >= 300:
            raise SystemExit(f"{method} {path}: {answer.status} {said.decode()[:500]}")
        return said


async def _webhooks(stack: Stack) -> None:
    """The statements of deliveries, 500 at once, without a receiver."""
    await database.execute(
        """
        INSERT INTO events (event_id, merchant_id, mode, type, subject_id, data, created_at)
        SELECT gen_random_uuid(), $1, 'test', 'invoice.paid', 'INV-0', '{}', now() FROM generate_series(1, 500)
        """,
        stack.merchant_id,
    )
    with _timed("number and fan out 500 events and more"):
        while await sequencer.number_events(fan_out_with(load(stack.environment).data_keys)):
            pass
    sent, started_s, before_s = 0, time.perf_counter(), stack.cpu_s()["Postgres"]
    while sent < 500:
        now = clock.now()
        claim = await claims_repository.claim(slots=64, failing=False, now=now)
        attempts = [
            Attempt(
                delivery=one, started_at=now, duration_ms=1, status=200, error=None, detail="", response_excerpt=b"ok"
            )
            for group in claim.groups
            for one in group.deliveries
        ]
        if not attempts:
            break
        async with database.transaction():
            failures = await claims_repository.lock_queues({attempt.delivery.endpoint for attempt in attempts})
            await outcomes_repository.record(attempts, [Verdict("delivered", None)] * len(attempts), now)
            await outcomes_repository.move_queues(failures, now)
        sent += len(attempts)
    took_s = time.perf_counter() - started_s
    used_ms = (stack.cpu_s()["Postgres"] - before_s) / max(1, sent) * 1e3
    print(
        f"  claim and record {sent} deliveries of one endpoint: {sent / took_s:,.0f}/s;"
        f" CPU Postgres {used_ms:.1f} ms each",
        flush=True,
    )


async def _purge(connection: asyncpg.Connection, events: int) -> None:
    """Delete the oldest events as the job does, then clean up after it."""
    share = int(min(PURGED_SHARE * events, PURGED_AT_MOST))
    oldest_kept: datetime = await connection.fetchval(
        "SELECT created_at FROM events ORDER BY created_at OFFSET $1", share
    )
    started_s = time.perf_counter()
    purged = await retention.purge_events(oldest_kept + timedelta(days=1), 1)
    took_s = time.perf_counter() - started_s
    print(f"  purge of {purged:,} events with all theirs: {took_s:.1f} s, {purged / took_s:,.0f}/s", flush=True)
    await _vacuums(connection, "VACUUM after the purge,")


async def _drop_a_month() -> None:
    started_s = time.perf_counter()
    dropped = await attempts_by_month.drop_old(clock.now(), 330)
    print(f"  {dropped} months of attempts dropped in {(time.perf_counter() - started_s) * 1e3:.0f} ms", flush=True)


@contextmanager
def _timed(name: str) -> Iterator[None]:
    started_s = time.perf_counter()
    yield
    print(f"  {name}: {time.perf_counter() - started_s:.1f} s", flush=True)


if __name__ == "__main__":
    main()
