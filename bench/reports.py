"""How long the reads of the cabinet's reports and of its home page take, with many invoices.

    python bench/reports.py [--invoices 1000000]

Starts a Postgres of its own, spreads the invoices of one merchant over a year, and times each read of a report over 30
days and over 12 months with the year before: first without kept figures, then with them.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from app.cabinet import report_periods
from app.core import clock, database
from app.core.migrations import migrate
from app.reports import dashboard, invoice_figures, performance
from app.sandbox import postgres
from tests.factories.merchants import merchant
from tests.factories.past_invoices import past_invoices

YEAR_S = 365 * 86_400
ROUNDS = 7
AT_ONCE = 25_000


def main() -> None:
    """Parse the options, start Postgres, measure."""
    parser = argparse.ArgumentParser(description="Reports over many invoices.")
    parser.add_argument("--invoices", type=int, default=1_000_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-reports-") as folder:
        home = Path(folder) / "postgres"
        server = postgres.start(home, settings=postgres.FAST)
        try:
            server.create_database("bench")
            asyncio.run(migrate(server.dsn("bench")))
            asyncio.run(measure(server.dsn("bench"), arguments.invoices))
        finally:
            server.stop()
            postgres.remove(home)


async def measure(dsn: str, count: int) -> None:
    """Fill, then time each read."""
    await database.open_pool(dsn, max_size=4, limit_each_wait_s=600)
    merchant_id, now = await merchant(), clock.now()
    started_s = time.perf_counter()
    every_s = max(1, YEAR_S // count)
    for number in range(0, count, AT_ONCE):  # a statement may take half a minute
        newest_at = now - timedelta(seconds=every_s * number)
        prefix = f"{number // AT_ONCE:03}"
        await past_invoices(
            merchant_id, min(AT_ONCE, count - number), newest_at=newest_at, every_s=every_s, prefix=prefix
        )
    for table in ("invoices", "deposits", "worths"):
        await database.execute(f"VACUUM ANALYZE {table}")
    print(f"{count:,} invoices over a year, made in {time.perf_counter() - started_s:.0f} s\n")
    today = now.astimezone(UTC).date()
    month = report_periods.period_of("30", None, None, today, UTC)
    year = report_periods.period_of("12m", None, None, today, UTC)
    earlier = report_periods.before(year, "12m", UTC)

    async def sums(period: report_periods.Period) -> None:
        await invoice_figures.sums(merchant_id, "test", period.starts, period.end)

    async def times(period: report_periods.Period) -> None:
        await performance.payment_times(merchant_id, "test", period.starts[0], period.end)

    await timed("30 days, from the invoices", lambda: sums(month), rounds=1)
    started_s = time.perf_counter()
    while await invoice_figures.keep(now):
        pass
    rows = await database.fetch_value("SELECT count(*) FROM invoice_figures")
    await database.execute("VACUUM ANALYZE invoice_figures")
    print(f"{rows:,} figures kept, in {time.perf_counter() - started_s:.0f} s")
    await timed("keeping them up to date", lambda: invoice_figures.keep(now + timedelta(minutes=1)))
    await timed("30 days, kept", lambda: sums(month))
    await timed("12 months, kept", lambda: sums(year))
    await timed("the 12 months before, kept", lambda: sums(earlier))
    await timed("time to pay, 30 days", lambda: times(month))
    await timed("time to pay, 12 months", lambda: times(year))
    await timed("figures of the home page", lambda: dashboard.figures(merchant_id, "test", now))
    await database.close_pool()


async def timed(name: str, read: Callable[[], Awaitable[object]], rounds: int = ROUNDS) -> None:
    """Print the median time of a read."""
    took_ms = []
    for _ in range(rounds):
        began_s = time.perf_counter()
        await read()
        took_ms.append((time.perf_counter() - began_s) * 1000)
    print(f"{name:32} {statistics.median(took_ms):8.1f} ms", flush=True)


if __name__ == "__main__":
    main()
