"""The API's hot paths beside the machine's raw limits, all in one run: `make bench`.

Limits: an empty Litestar route on one Granian process, pgbench's single-row inserts by 16 clients (fsync on),
and the very statements of the paths sent bare over as many connections as a web process has. CPU is what the web
processes and Postgres used for each answer: steadier than rates where other programs want the same cores.
"""

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import asyncpg

from app.core import clock, database
from app.invoices import creation_repository, reading_repository
from app.rates import repository as rates_repository
from app.rates.rate import Rate, SourceFigure
from app.rates.repository import Refreshed
from app.sandbox import ports, processes
from bench.creating import IN_USDT, post_script, rate_of
from bench.report import Goal, Limit, Report
from bench.stack import API, POOL_SIZE, Stack, running_stack
from bench.wrk import Load, load

SECONDS = int(os.environ.get("BENCH_SECONDS", "8"))
SMALL, LARGE = 10_000, int(os.environ.get("BENCH_INVOICES", "1000000"))
DEEP_PAGE = 10_000
TURNS = 8
PER_S = "/s"


def main() -> None:
    """Print the figures, and write them."""
    with Report("api") as report:
        _measure(report)


def _measure(report: Report) -> None:
    empty = _empty_route()
    report.add("empty_route", empty.per_second, PER_S)
    with running_stack() as stack:
        inserts = _pgbench(stack)
        report.add("pgbench_inserts", inserts, PER_S)
        measured = _Measured(report, stack, Limit("the empty route", empty.per_second))
        invoices = f"{stack.base_url}{API}/invoices"
        load(invoices, seconds=1, script=post_script(stack.key))  # a first invoice to copy
        _creations(measured, invoices, inserts)
        _top_up(stack, SMALL)
        ids, pages = _some(stack, measured.headers)
        bare_reads = asyncio.run(_bare_reads(stack, ids))
        read = measured("read_invoice", stack.base_url, _get_script(ids), goal=Goal("at least", 0.45, "share"))
        report.add("read_invoice_of_sql", read.per_second, PER_S, limit=Limit("its SQL sent bare", bare_reads))
        measured("checkout_page", stack.base_url, _page_script(pages), goal=Goal("at least", 0.18, "share"))
        for size in (SMALL, LARGE):
            _top_up(stack, size)
            first, deep = f"{invoices}?limit=20", min(DEEP_PAGE, size // 40)
            measured(f"list_page_1_of_{size}", first)
            measured(f"list_page_{deep}_of_{size}", f"{first}&cursor={_cursor(stack, deep * 20)}")


def _creations(measured: "_Measured", invoices: str, inserts: float) -> None:
    """The kinds of invoices; more about the plain one is in bench/creating.py."""
    stack, report = measured.stack, measured.report
    create = measured("create_invoice", invoices, post_script(stack.key))
    report.add("create_invoice_of_pgbench", create.per_second, PER_S, limit=Limit("pgbench", inserts))
    asyncio.run(_store_rate(stack))
    measured("create_quoted", invoices, post_script(stack.key, IN_EUR))
    measured("create_unchosen", invoices, post_script(stack.key, UNCHOSEN))
    _in_turn(measured, invoices, "create_quoted_of_plain", IN_EUR)
    _in_turn(measured, invoices, "create_unchosen_of_plain", UNCHOSEN)


class _Measured:
    """Loads one path after the other, and reports rate, latencies and CPU of each."""

    def __init__(self, report: Report, stack: Stack, empty: Limit) -> None:
        self.report = report
        self.stack = stack
        self.headers = {"Authorization": f"Bearer {stack.key}"}
        self._empty = empty

    def __call__(self, name: str, url: str, script: str = "", *, goal: Goal | None = None) -> Load:
        """The load of one path. `goal` is of its rate as a share of the empty route's."""
        load(url, seconds=1, script=script, headers=self.headers)  # warm up
        before = self.stack.cpu_s()
        got = load(url, seconds=SECONDS, script=script, headers=self.headers)
        used_s = {who: used_s - before[who] for who, used_s in self.stack.cpu_s().items()}
        self.report.add(name, got.per_second, PER_S, limit=self._empty, goal=goal)
        self.report.add(f"{name}_p50", got.p50_ms, "ms", better="lower")
        self.report.add(f"{name}_p99", got.p99_ms, "ms", better="lower")
        for who, seconds in used_s.items():
            self.report.add(f"{name}_cpu_{who.lower()}", seconds / got.answers * 1e6, "µs", better="lower")
        if got.failures:
            self.report.add(f"{name}_failures", got.failures, "answers", better="lower", goal=Goal("at most", 0))
        return got


def _in_turn(measured: _Measured, invoices: str, name: str, requested: Mapping[str, object]) -> None:
    """One creation's rate as a share of the plain one's, in short turns: a machine's speed changes by the minute, so
    that the first of a turn has the better half. They take turns at being first."""

    def per_second(body: Mapping[str, object]) -> float:
        script = post_script(measured.stack.key, body)
        return load(invoices, seconds=max(1, SECONDS // 4), script=script).per_second

    shares = []
    for turn in range(TURNS):
        bodies = [requested, IN_USDT]
        got = {id(body): per_second(body) for body in (bodies if turn % 2 else reversed(bodies))}
        shares.append(got[id(requested)] / got[id(IN_USDT)])
    measured.report.add(name, statistics.median(shares), "times")


def _empty_route() -> Load:
    port = ports.free_port()
    with tempfile.TemporaryDirectory(prefix="swap-pay-bench-") as folder:
        command = [sys.executable, "-m", "granian", "--interface", "asgi", "--loop", "uvloop", "--port", str(port)]
        server = processes.start(
            "empty",
            [*command, "bench.empty:app"],
            var_dir=Path(folder),
            ready=lambda _: ports.answers(port),
        )
        try:
            load(f"http://127.0.0.1:{port}/", seconds=1)
            return load(f"http://127.0.0.1:{port}/", seconds=SECONDS)
        finally:
            server.stop()


def _pgbench(stack: Stack) -> float:
    with tempfile.TemporaryDirectory(prefix="swap-pay-bench-") as folder:
        script = Path(folder) / "insert.sql"
        script.write_text("INSERT INTO bench_rows (at, n) VALUES (now(), 'x');\n")
        asyncio.run(_execute(stack.dsn, "CREATE TABLE bench_rows (id bigserial PRIMARY KEY, at timestamptz, n text)"))
        output = subprocess.run(
            [str(stack.postgres.pgbench), "-n", "-c16", "-j2", f"-T{SECONDS}", "-Mprepared", f"-f{script}", stack.dsn],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        asyncio.run(_execute(stack.dsn, "DROP TABLE bench_rows"))
    return float(output.split("tps = ")[1].split()[0])


async def _execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute(statement)
    await connection.close()


IN_EUR = {"amount": "5.00", "currency": "EUR", "pay_in_assets": [{"asset": "USDT", "chain": "ethereum"}]}
UNCHOSEN = {"amount": "5.00", "currency": "EUR"}
"""A price that is quoted at once; a price whose customer has yet to choose."""


async def _store_rate(stack: Stack) -> None:
    """A rate that is good for the whole run: nothing refreshes it here."""
    await database.open_pool(stack.dsn, max_size=1)
    now = clock.now()
    at, figure = now.replace(microsecond=0), Decimal("0.92")
    sources = tuple(SourceFigure(name, figure, at, used=True) for name in ("kraken", "coinbase"))
    rate = Rate("USDT", "EUR", figure, at, sources, now, now + timedelta(days=1))
    found = Refreshed(
        base="USDT",
        quote="EUR",
        refreshed_at=now,
        rate=rate,
        held_figure=None,
        last_figure=figure,
        sources=sources,
        problem=None,
    )
    await rates_repository.record([found])
    await database.close_pool()


def _get_script(ids: list[str]) -> str:
    listed = ",".join(f'"{id}"' for id in ids)
    return f"""
        local ids, n = {{{listed}}}, 0
        request = function()
            n = n % #ids + 1
            return wrk.format("GET", "{API}/invoices/" .. ids[n])
        end
        """


def _page_script(paths: list[str]) -> str:
    """Page loads, each from a new address through a trusted proxy: the limit is per address."""
    listed = ",".join(f'"{path}"' for path in paths)
    return f"""
        local paths, n = {{{listed}}}, 0
        request = function()
            n = n + 1
            local address = string.format("2001:db8:%x:%x::1", math.floor(n / 65536), n % 65536)
            return wrk.format("GET", paths[n % #paths + 1], {{["X-Forwarded-For"] = address}})
        end
        """


def _some(stack: Stack, headers: dict[str, str]) -> tuple[list[str], list[str]]:
    """Ids and checkout paths of a hundred invoices."""
    request = urllib.request.Request(f"{stack.base_url}{API}/invoices?limit=100", headers=headers)
    with urllib.request.urlopen(request) as answer:
        invoices = json.load(answer)["data"]
    return [i["id"] for i in invoices], [i["payment_url"].removeprefix(stack.base_url) for i in invoices]


def _top_up(stack: Stack, total: int) -> None:
    """Copy invoices until there are `total`, each a second older than the one before."""
    changed = {"id": "'INV-' || lpad(k::text, 10, '0')", "created_at": "one.created_at - k * interval '1 second'"}
    asyncio.run(
        _execute(
            stack.dsn,
            f"""
            WITH one AS (SELECT * FROM invoices ORDER BY created_at LIMIT 1),
                there AS (SELECT count(*) AS n FROM invoices)
            INSERT INTO invoices ({", ".join(creation_repository.COLUMNS)})
            SELECT {", ".join(changed.get(column, f"one.{column}") for column in creation_repository.COLUMNS)}
            FROM one, there, generate_series(there.n + 1, {total}) k
            """,
        )
    )
    asyncio.run(_execute(stack.dsn, "VACUUM ANALYZE invoices"))


def _cursor(stack: Stack, offset: int) -> str:
    from app.web.paging import Position, encode_cursor  # noqa: PLC0415

    async def find() -> asyncpg.Record:
        connection = await asyncpg.connect(stack.dsn)
        row: asyncpg.Record = await connection.fetchrow(
            "SELECT created_at, id FROM invoices ORDER BY created_at DESC, id DESC OFFSET $1 LIMIT 1", offset
        )
        await connection.close()
        return row

    row = asyncio.run(find())
    return encode_cursor(Position(row["created_at"], row["id"]))


async def _bare_reads(stack: Stack, ids: list[str]) -> float:
    """`reading_repository._SELECT` over POOL_SIZE connections, from one process."""
    await database.open_pool(stack.dsn, max_size=POOL_SIZE)
    sql = f"{reading_repository._SELECT} WHERE i.id = $1 AND i.merchant = $2 AND i.mode = $3"
    n = 0

    async def read() -> bool:
        nonlocal n
        n += 1
        await database.fetch_one(sql, ids[n % len(ids)], stack.merchant_id, "test")
        return True

    rate = await rate_of(read)
    await database.close_pool()
    return rate


if __name__ == "__main__":
    main()
