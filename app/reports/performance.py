"""How long customers take to pay, and how well a merchant's endpoints answer."""

from datetime import datetime

import msgspec

from app.core import database
from app.merchants.terms import Mode

MOST_PAYMENTS = 50_000
"""The newest paid invoices of a period whose times are read."""

MOST_DELIVERIES = 10_000
"""The newest deliveries to each endpoint that are read, and of all endpoints together twice as many."""

PAID_WITHIN_S = (60, 300, 900, 3_600)
"""Limits of the classes of times, in seconds; the last class is longer."""


class PaymentTimes(msgspec.Struct, frozen=True, kw_only=True):
    """How long it took from an invoice's creation to its payment. Without payments the times are None. `classes` count
    the payments within each of PAID_WITHIN_S that were not within the one before, and last those that took longer."""

    count: int
    median_s: int | None
    slow_s: int | None
    """Nine of ten were paid within this time."""
    classes: tuple[int, ...]

    @property
    def is_capped(self) -> bool:
        """Whether there were more payments than are read."""
        return self.count >= MOST_PAYMENTS


class WebhookHealth(msgspec.Struct, frozen=True, kw_only=True):
    """What became of deliveries. `slow_ms` is the time within which 19 of 20 successful requests were answered."""

    first_try: int
    later: int
    dead: int
    retrying: int
    waiting: int
    slow_ms: int | None

    @property
    def total(self) -> int:
        """All deliveries that were counted."""
        return self.first_try + self.later + self.dead + self.retrying + self.waiting


async def payment_times(merchant_id: str, mode: Mode, since: datetime, until: datetime) -> PaymentTimes:
    """The times of the invoices that were created in a period and are paid by now."""
    limits = [0, *PAID_WITHIN_S]
    # SQL: percentiles, and counts with FILTER.
    counts = ", ".join(
        f"count(*) FILTER (WHERE took_s > {low}{f' AND took_s <= {high}' if high else ''})"
        for low, high in zip(limits, [*PAID_WITHIN_S, None], strict=True)
    )
    row = await database.fetch_one(
        f"""
        SELECT count(*), percentile_cont(ARRAY[0.5, 0.9]) WITHIN GROUP (ORDER BY took_s), {counts}
        FROM (
            SELECT greatest(1, extract(epoch FROM paid_at - created_at)::float8) AS took_s FROM invoices
            WHERE merchant = $1 AND mode = $2 AND created_at >= $3 AND created_at < $4 AND paid_at IS NOT NULL
            ORDER BY created_at DESC LIMIT {MOST_PAYMENTS}
        ) paid
        """,
        merchant_id,
        mode,
        since,
        until,
    )
    assert row is not None
    count, marks, *classes = row
    median_s, slow_s = (round(mark) for mark in marks) if marks else (None, None)
    return PaymentTimes(count=count, median_s=median_s, slow_s=slow_s, classes=tuple(classes))


async def webhook_health(merchant_id: str, mode: Mode, since: datetime, until: datetime) -> WebhookHealth:
    """The deliveries of a period, of the newest that are read."""
    # SQL: the newest of each endpoint by LATERAL, counts with FILTER, a percentile.
    row = await database.fetch_one(
        f"""
        WITH newest AS (
            SELECT d.id, d.status, d.attempts FROM webhook_endpoints w
            CROSS JOIN LATERAL (
                SELECT * FROM webhook_deliveries d WHERE d.endpoint = w.id ORDER BY d.seq DESC LIMIT {MOST_DELIVERIES}
            ) d
            WHERE w.merchant = $1 AND w.mode = $2 AND d.created_at >= $3 AND d.created_at < $4
            LIMIT {2 * MOST_DELIVERIES}
        )
        SELECT count(*) FILTER (WHERE status = 'delivered' AND attempts <= 1) AS first_try,
            count(*) FILTER (WHERE status = 'delivered' AND attempts > 1) AS later,
            count(*) FILTER (WHERE status = 'dead') AS dead,
            count(*) FILTER (WHERE status = 'pending' AND attempts > 0) AS retrying,
            count(*) FILTER (WHERE status = 'pending' AND attempts = 0) AS waiting,
            (SELECT percentile_cont(0.95) WITHIN GROUP (ORDER BY a.duration_ms)
                FROM newest n JOIN webhook_attempts a ON a.delivery = n.id AND a.number = n.attempts
                WHERE n.status = 'delivered') AS slow_ms
        FROM newest
        """,
        merchant_id,
        mode,
        since,
        until,
    )
    assert row is not None
    slow_ms = None if row["slow_ms"] is None else round(row["slow_ms"])
    return WebhookHealth(**{**row, "slow_ms": slow_ms})
