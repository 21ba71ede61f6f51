"""How fast rates are looked up and stored, beside a bare statement: `make bench`.

    python -m bench.rates [--pairs 10000] [--used 100]

Starts a Postgres of its own with the history of many pairs: an hour of refreshes, a minute apart, and for each pair
some rates that were used. Then, in one process, one after the other:

- the newest rate of a pair, a rate that was kept, and keeping the rate that was kept before;
- the rates of ten assets in one currency, as a page with a choice needs them;
- storing what one refresh found for all pairs;
- what Postgres itself needs for the first two, by its own clock: a busy machine delays the way there and back.
"""

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import asyncpg

from app.core import clock, database
from app.core.migrations import migrate
from app.rates import repository, service
from app.rates.rate import Rate, SourceFigure
from app.rates.repository import Refreshed
from app.sandbox import postgres
from bench.report import Goal, Limit, Report

MINUTES = 60
CURRENCIES = 100
LOOK_UPS = 2_000
LOOK_UP = Goal("at most", 1.0)
"""Milliseconds of one look-up (median)."""


def main() -> None:
    """Parse the options, start Postgres, measure."""
    parser = argparse.ArgumentParser(description="Look-ups of rates.")
    parser.add_argument("--pairs", type=int, default=10_000)
    parser.add_argument("--used", type=int, default=100, help="rates kept of each pair")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-rates-") as folder:
        server = postgres.start(Path(folder) / "postgres", settings=postgres.FAST)
        try:
            server.create_database("bench")
            asyncio.run(migrate(server.dsn("bench")))
            with Report("rates") as report:
                asyncio.run(measure(report, server.dsn("bench"), arguments.pairs, arguments.used))
        finally:
            server.stop()
            postgres.remove(Path(folder) / "postgres")


async def measure(report: Report, dsn: str, count: int, used: int) -> None:
    """Fill the tables, then time each use."""
    print(f"{count:,} pairs, {MINUTES} minutes of refreshes, {used:,} used rates each")
    pairs = [(f"A{number // CURRENCIES}", _currency(number % CURRENCIES)) for number in range(count)]
    await _fill(dsn, pairs, used)
    await database.open_pool(dsn, max_size=2)
    try:
        dice = random.Random(17)
        now = clock.now()
        kept = [await service.keep(_rate(*pair, now)) for pair in pairs[:LOOK_UPS]]

        async def newest() -> None:
            assert await repository.newest(*dice.choice(pairs)) is not None

        async def kept_one() -> None:
            assert await repository.used(dice.choice(kept)) is not None

        async def keep_again() -> None:
            await service.keep(_rate(*dice.choice(pairs[:LOOK_UPS]), now))

        async def ten() -> None:
            currency = _currency(dice.randrange(min(CURRENCIES, count)))
            first = dice.randrange(max(1, count // CURRENCIES - 10))
            assert await repository.newest_of([(f"A{first + number}", currency) for number in range(10)])

        async def nothing() -> None:
            await database.fetch_value("SELECT 1")

        bare = Limit("a bare statement", (await _timed_ms(nothing))[0])
        for name, work in (
            ("the newest rate of a pair", newest),
            ("a rate that was kept", kept_one),
            ("keeping one again", keep_again),
            ("the newest rates of ten assets", ten),
        ):
            median_ms, slow_ms = await _timed_ms(work)
            report.add(name, median_ms, "ms", better="lower", limit=bare, goal=LOOK_UP)
            report.add(f"{name}, p99", slow_ms, "ms", better="lower")
        base, quote = pairs[len(pairs) // 2]
        for name, sql, args in (
            ("the newest rate, in Postgres", repository._NEWEST.sql, (base, quote)),
            ("a kept rate, in Postgres", repository._USED.sql, (kept[0],)),
        ):
            report.add(name, await _in_postgres_ms(sql, *args), "ms", better="lower", goal=LOOK_UP)
        started_s = time.perf_counter()
        await repository.record([_refreshed(*pair, now) for pair in pairs])
        report.add("storing a refresh of all pairs", time.perf_counter() - started_s, "s", better="lower")
    finally:
        await database.close_pool()


async def _timed_ms(work: Callable[[], Awaitable[None]]) -> tuple[float, float]:
    """The median of LOOK_UPS, and of a hundred the slowest."""
    taken_ms = []
    for _ in range(LOOK_UPS):
        started_s = time.perf_counter()
        await work()
        taken_ms.append((time.perf_counter() - started_s) * 1000)
    return statistics.median(taken_ms), statistics.quantiles(taken_ms, n=100)[98]


async def _in_postgres_ms(sql: str, *args: object) -> float:
    taken_ms = []
    for _ in range(200):
        plan = await database.fetch_all(f"EXPLAIN (ANALYZE, TIMING OFF) {sql}", *args)
        assert not any("Seq Scan" in row[0] for row in plan), plan
        lines = [row[0] for row in plan if row[0].startswith(("Planning Time", "Execution Time"))]
        taken_ms.append(sum(float(line.split()[2]) for line in lines))
    return statistics.median(taken_ms)


async def _fill(dsn: str, pairs: list[tuple[str, str]], used: int) -> None:
    connection = await asyncpg.connect(dsn)
    bases, quotes = [base for base, _ in pairs], [quote for _, quote in pairs]
    begun_at = clock.now().replace(second=0, microsecond=0) - timedelta(minutes=MINUTES)
    await connection.execute(
        """
        INSERT INTO rate_refreshes (base, quote, minute, refreshed_at, figure, at, good_until, last_figure, sources)
        SELECT base, quote, minute, minute, 57000.5, minute, minute + interval '60 s', 57000.5, $5
        FROM unnest($1::text[], $2::text[]) AS pair (base, quote),
            generate_series($3::timestamptz, $3 + make_interval(mins => $4 - 1), interval '1 minute') AS minute
        """,
        bases,
        quotes,
        begun_at,
        MINUTES,
        repository._json(_rate("BTC", "EUR", begun_at).sources),
    )
    await connection.execute(
        """
        INSERT INTO used_rates (base, quote, refreshed_at, figure, at, good_until, sources)
        SELECT base, quote, minute, 57000.5, minute, minute, $5
        FROM unnest($1::text[], $2::text[]) AS pair (base, quote),
            generate_series($3::timestamptz, $3 + make_interval(mins => $4 - 1), interval '1 minute') AS minute
        """,
        bases,
        quotes,
        begun_at - timedelta(days=90),
        used,
        repository._json(_rate("BTC", "EUR", begun_at).sources),
    )
    await connection.execute("VACUUM ANALYZE rate_refreshes, used_rates")
    await connection.close()


def _rate(base: str, quote: str, now: datetime) -> Rate:
    figure = Decimal("57000.5")
    sources = tuple(SourceFigure(name, figure, now, used=True) for name in ("kraken", "coinbase", "chainlink:ethereum"))
    return Rate(base, quote, figure, now, sources, now, now + timedelta(seconds=60))


def _refreshed(base: str, quote: str, now: datetime) -> Refreshed:
    rate = _rate(base, quote, now)
    return Refreshed(
        base=base,
        quote=quote,
        refreshed_at=now,
        rate=rate,
        held_figure=None,
        last_figure=rate.figure,
        sources=rate.sources,
        problem=None,
    )


def _currency(number: int) -> str:
    return f"X{chr(65 + number // 26)}{chr(65 + number % 26)}"


if __name__ == "__main__":
    main()
