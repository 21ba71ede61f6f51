"""The figures of a merchant's dashboard: revenue by day, how many invoices were paid, and what needs attention."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta, tzinfo
from typing import Literal

import msgspec

from app.core import database
from app.core.zones import last_days
from app.invoices.reading_repository import WORTH
from app.merchants.terms import Mode
from app.reports import reviews
from app.webhooks import endpoints_repository

DAYS = 30
"""How far back the charts go, today included."""

FAILED_LATELY = timedelta(days=7)
"""How long a failed payout is shown as needing attention: its money is back, and the recipient has not been paid."""


class Day(msgspec.Struct, frozen=True):
    """The number of invoices created on a day, and how many of them are paid by now."""

    day: date
    created: int
    paid: int


class DayRevenue(msgspec.Struct, frozen=True):
    """The sum credited for the invoices of a day, net of the service fee, in minor units."""

    day: date
    credited_raw: int


class AssetRevenue(msgspec.Struct, frozen=True):
    """DayRevenue of one asset, a day each, oldest first. `paid` counts its paid invoices."""

    network: str
    asset: str
    paid: int
    credited_raw: int
    days: tuple[DayRevenue, ...]


class Figures(msgspec.Struct, frozen=True):
    """What the charts show. `revenue` begin with the asset that was paid in most often."""

    days: tuple[Day, ...]
    revenue: tuple[AssetRevenue, ...]

    @property
    def created(self) -> int:
        """Invoices created on all days."""
        return sum(day.created for day in self.days)

    @property
    def paid(self) -> int:
        """How many of them were paid."""
        return sum(day.paid for day in self.days)


Concern = Literal[
    "reviews",
    "paused_webhooks",
    "failed_payouts",
    "held_payouts",
    "locked_keys",
    "negative_balances",
]


class Attention(msgspec.Struct, frozen=True):
    """A kind of task for a person, and how many there are."""

    concern: Concern
    count: int


async def figures(merchant_id: str, mode: Mode, now: datetime, zone: tzinfo) -> Figures:
    """The figures of the last 30 days, by an invoice's day of creation in a zone: one read of the merchant's newest
    invoices."""
    calendar, begins = last_days(DAYS, zone, now)
    # SQL: grouped by an expression, with FILTER.
    rows = await database.fetch_all(
        """
        SELECT width_bucket(created_at, $3::timestamptz[]) AS day, network, asset, count(*) AS created,
            count(*) FILTER (WHERE paid_at IS NOT NULL) AS paid, coalesce(sum(credited_raw), 0) AS credited_raw
        FROM invoices WHERE merchant = $1 AND mode = $2 AND created_at >= $4
        GROUP BY 1, 2, 3
        """,
        merchant_id,
        mode,
        begins,
        begins[0],
    )
    created = {day: [0, 0] for day in calendar}
    credited: dict[tuple[str, str], dict[date, int]] = {}
    paid: dict[tuple[str, str], int] = {}
    for row in rows:
        key = (row["network"], row["asset"])
        day = calendar[row["day"] - 1]
        created[day][0] += row["created"]
        created[day][1] += row["paid"]
        if row["network"] is None:
            continue  # a price of which nothing was chosen
        credited.setdefault(key, {})[day] = row["credited_raw"]
        paid[key] = paid.get(key, 0) + row["paid"]
    return Figures(
        days=tuple(Day(day, *created[day]) for day in calendar),
        revenue=tuple(
            _revenue(*key, paid[key], credited[key], calendar)
            for key in sorted(credited, key=lambda key: (-paid[key], key))
        ),
    )


class WorthRevenue(msgspec.Struct, frozen=True):
    """DayRevenue of all assets together, by what it was worth when it was credited, in minor units of a currency.
    `unknown` counts the invoices whose worth in it is not known: they are not in the sums."""

    days: tuple[DayRevenue, ...]
    unknown: int


async def worth_figures(merchant_id: str, mode: Mode, currency: str, now: datetime, zone: tzinfo) -> WorthRevenue:
    """What was credited in the last 30 days, by an invoice's day of creation in a zone, in a currency."""
    calendar, begins = last_days(DAYS, zone, now)
    # SQL: LATERAL, and grouped by an expression.
    rows = await database.fetch_all(
        f"""
        SELECT width_bucket(i.created_at, $3::timestamptz[]) AS day,
            coalesce(sum(worth.worth_raw) FILTER (WHERE worth.currency = $5), 0) AS worth_raw,
            count(*) FILTER (WHERE worth.currency IS DISTINCT FROM $5) AS unknown
        FROM invoices i LEFT JOIN {WORTH}
        WHERE i.merchant = $1 AND i.mode = $2 AND i.created_at >= $4 AND i.credited_raw IS NOT NULL
        GROUP BY 1
        """,
        merchant_id,
        mode,
        begins,
        begins[0],
        currency,
    )
    by_day = {calendar[row["day"] - 1]: int(row["worth_raw"]) for row in rows}
    days = tuple(DayRevenue(day, by_day.get(day, 0)) for day in calendar)
    return WorthRevenue(days, sum(row["unknown"] for row in rows))


def _revenue(network: str, asset: str, paid: int, by_day: dict[date, int], calendar: Sequence[date]) -> AssetRevenue:
    days = tuple(DayRevenue(day, by_day.get(day, 0)) for day in calendar)
    return AssetRevenue(network, asset, paid, sum(day.credited_raw for day in days), days)


async def attention(merchant_id: str, mode: Mode, now: datetime) -> list[Attention]:
    """What needs attention, the most urgent first; empty where there is nothing."""
    # SQL: counts of several tables in one statement.
    row = await database.fetch_one(
        """
        SELECT
            (SELECT count(*) FROM ledger_heads WHERE owner = $1 AND split_part(network, ':', 2) = $2
                AND available_raw < 0) AS negative_balances,
            (SELECT count(*) FROM withdrawals WHERE merchant = $1 AND mode = $2 AND kind = 'payout'
                AND status = 'failed' AND settled_at > $3) AS failed_payouts,
            (SELECT count(*) FROM withdrawals WHERE merchant = $1 AND mode = $2 AND held
                AND status IN ('pending_approval', 'approved')) AS held_payouts,
            (SELECT count(*) FROM api_keys WHERE merchant = $1 AND mode = $2 AND locked_until > $4
                AND revoked_at IS NULL) AS locked_keys
        """,
        merchant_id,
        mode,
        now - FAILED_LATELY,
        now,
    )
    assert row is not None
    counts: dict[Concern, int] = {
        "negative_balances": row["negative_balances"],
        "paused_webhooks": len(await endpoints_repository.list_stopped(merchant_id, mode)),
        "reviews": await reviews.open_count(merchant_id, mode),
        "failed_payouts": row["failed_payouts"],
        "held_payouts": row["held_payouts"],
        "locked_keys": row["locked_keys"],
    }
    return [Attention(concern, count) for concern, count in counts.items() if count]
