"""Sums of a merchant's invoices over any days: created, paid, expired, credited, fees, worth.

A worker keeps the sums of each quarter of an hour up to the day before yesterday, and adds up those again whose
invoices have changed since: the events say which. What is not covered is read from the invoices in the same statement,
so that a report is right to the second for new invoices, and within a minute for a late change of an old one. Without
any figures it is right too, only slower.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from app.core import clock, database
from app.invoices.reading_repository import WORTH
from app.merchants.terms import Mode

KEEP_LOCK = 7_226_041
"""Advisory lock key: one worker at a time keeps the figures."""

LATE_COMMIT = timedelta(minutes=10)
"""An event is dated before its commit; changes are looked for again so far back."""

CHUNK = timedelta(days=7)
"""Figures that are added up in one transaction while there is much to catch up with."""

KEEP_S = 40
"""After this long a run stops; the next one goes on."""


class Sums(msgspec.Struct, frozen=True, kw_only=True):
    """Sums of the invoices of one asset that were created in one of the asked periods.

    `period` is its number, from 0. `currency` is that of `worth_raw`, empty where nothing was credited or its worth is
    not known. `network` and `asset` are empty where nothing was chosen to pay with.
    """

    period: int
    network: str
    asset: str
    currency: str
    created: int
    paid: int
    expired: int
    cancelled: int
    in_review: int
    unvalued: int
    credited_raw: int
    fee_raw: int
    worth_raw: int


_COUNTS = ("created", "paid", "expired", "cancelled", "in_review", "unvalued", "credited_raw", "fee_raw", "worth_raw")
_KEY = ("merchant", "mode", "starts_at", "network", "asset", "currency")

# The fee is what the credited transfers brought beyond the credit.
_ADDED_UP = f"""
    SELECT i.merchant, i.mode,
        date_bin('15 minutes', i.created_at, timestamptz '2000-01-01 00:00:00Z') AS starts_at,
        coalesce(i.network, '') AS network, coalesce(i.asset, '') AS asset, coalesce(worth.currency, '') AS currency,
        count(*) AS created,
        count(*) FILTER (WHERE i.paid_at IS NOT NULL) AS paid,
        count(*) FILTER (WHERE i.status = 'expired' AND i.paid_at IS NULL) AS expired,
        count(*) FILTER (WHERE i.status IN ('cancelled', 'closed') AND i.paid_at IS NULL) AS cancelled,
        count(*) FILTER (WHERE i.status = 'manual_review' AND i.paid_at IS NULL) AS in_review,
        count(*) FILTER (WHERE i.credited_raw IS NOT NULL AND worth.currency IS NULL) AS unvalued,
        coalesce(sum(i.credited_raw), 0) AS credited_raw,
        coalesce(sum(taken.amount_raw - i.credited_raw), 0) AS fee_raw,
        coalesce(sum(worth.worth_raw), 0) AS worth_raw
    FROM invoices i
    LEFT JOIN {WORTH}
    LEFT JOIN LATERAL (
        SELECT sum(d.amount_raw) AS amount_raw FROM deposits d
        WHERE d.invoice = i.id AND d.status = 'credited' AND (d.network, d.asset) = (i.network, i.asset)
    ) taken ON i.credited_raw IS NOT NULL
    """


async def sums(merchant_id: str, mode: Mode, starts: Sequence[datetime], end: datetime) -> list[Sums]:
    """The sums by period and asset. Periods follow each other: each begins at one of `starts`, which are ordered and at
    whole quarters of an hour, and the last ends at `end`, exclusive."""
    # SQL: a union of sums, with figures that are covered and invoices that are not, seen at the same moment.
    rows = await database.fetch_all(
        f"""
        WITH covered AS (
            SELECT coalesce((SELECT covers_until FROM invoice_figures_kept), '-infinity'::timestamptz) AS until
        ), figures AS (
            SELECT {", ".join((*_KEY, *_COUNTS))} FROM invoice_figures
            WHERE merchant = $1 AND mode = $2 AND starts_at >= $4 AND starts_at < $5
                AND starts_at < (SELECT until FROM covered)
            UNION ALL
            {_ADDED_UP}
            WHERE i.merchant = $1 AND i.mode = $2 AND i.created_at >= $4 AND i.created_at < $5
                AND i.created_at >= (SELECT until FROM covered)
            GROUP BY 1, 2, 3, 4, 5, 6
        )
        SELECT width_bucket(starts_at, $3::timestamptz[]) - 1 AS period, network, asset, currency,
            {", ".join(f"sum({name}) AS {name}" for name in _COUNTS)}
        FROM figures GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
        """,
        merchant_id,
        mode,
        list(starts),
        starts[0],
        end,
    )
    return [
        msgspec.convert({name: value if isinstance(value, str) else int(value) for name, value in row.items()}, Sums)
        for row in rows
    ]


async def keep(now: datetime) -> int:
    """Bring the figures up to date; return how many rows were written. Safe to run twice and at the same time."""
    began_s, written = clock.monotonic_s(), 0
    day = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    while True:
        async with database.transaction():
            if not await database.fetch_value("SELECT pg_try_advisory_xact_lock($1)", KEEP_LOCK):
                return written
            covers_until, changes_until = await _kept(day - timedelta(days=2), now)
            if covers_until >= day - timedelta(days=1):
                return written + await _add_up_changes(covers_until, changes_until, now)
            until = min(covers_until + CHUNK, day - timedelta(days=1))
            written += await _add_up(covers_until, until)
            await database.execute("UPDATE invoice_figures_kept SET covers_until = $1", until)
        if clock.monotonic_s() - began_s > KEEP_S:
            return written


async def _kept(without_invoices: datetime, now: datetime) -> tuple[datetime, datetime]:
    """How far the figures and their changes go. At the first time they begin with the day of the first invoice."""
    row = await database.fetch_one("SELECT covers_until, changes_until FROM invoice_figures_kept")
    if row is None:
        first: datetime = await database.fetch_value(
            "SELECT coalesce(date_trunc('day', min(created_at), 'UTC'), $1) FROM invoices", without_invoices
        )
        await database.execute("INSERT INTO invoice_figures_kept VALUES (1, $1, $2)", first, now)
        return first, now
    return row["covers_until"], row["changes_until"]


async def _add_up(since: datetime, until: datetime) -> int:
    """Write the figures of all merchants from `since` to `until`; there are none yet. By merchant and mode, for which
    invoices have an index."""
    return await database.execute(
        f"""
        INSERT INTO invoice_figures ({", ".join((*_KEY, *_COUNTS))})
        SELECT added.* FROM merchants m CROSS JOIN unnest(ARRAY['live', 'test']) AS one (mode)
        CROSS JOIN LATERAL (
            {_ADDED_UP}
            WHERE i.merchant = m.id AND i.mode = one.mode AND i.created_at >= $1 AND i.created_at < $2
            GROUP BY 1, 2, 3, 4, 5, 6
        ) added
        """,
        since,
        until,
    )


async def _add_up_changes(covers_until: datetime, changes_until: datetime, now: datetime) -> int:
    """Write the figures again of every quarter of an hour with an invoice that had an event since `changes_until`."""
    rows = await database.fetch_all(
        """
        SELECT DISTINCT i.merchant, i.mode,
            date_bin('15 minutes', i.created_at, timestamptz '2000-01-01 00:00:00Z') AS starts_at
        FROM events e JOIN invoices i ON i.id = e.subject_id
        WHERE e.created_at >= $1 AND e.type LIKE 'invoice.%' AND i.created_at < $2
        """,
        changes_until - LATE_COMMIT,
        covers_until,
    )
    changed = [[row[name] for row in rows] for name in ("merchant", "mode", "starts_at")]
    written = 0
    if rows:
        await database.execute(
            """
            DELETE FROM invoice_figures f
            USING unnest($1::text[], $2::text[], $3::timestamptz[]) AS c (merchant, mode, at)
            WHERE (f.merchant, f.mode, f.starts_at) = (c.merchant, c.mode, c.at)
            """,
            *changed,
        )
        written = await database.execute(
            f"""
            INSERT INTO invoice_figures ({", ".join((*_KEY, *_COUNTS))})
            SELECT added.* FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS c (merchant, mode, at)
            CROSS JOIN LATERAL (
                {_ADDED_UP}
                WHERE i.merchant = c.merchant AND i.mode = c.mode AND i.created_at >= c.at
                    AND i.created_at < c.at + interval '15 minutes'
                GROUP BY 1, 2, 3, 4, 5, 6
            ) added
            """,
            *changed,
        )
    await database.execute("UPDATE invoice_figures_kept SET changes_until = $1", now)
    return written
