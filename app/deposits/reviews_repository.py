"""Every statement on `reviews`."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec
from piccolo.query.functions import Count
from piccolo.query.methods.select import Select

from app.core import database
from app.core.statement import Command, Param, Statement, any_of
from app.deposits.tables import Review

Outcome = Literal["credited", "returned", "closed"]


class DepositReview(msgspec.Struct, frozen=True, kw_only=True):
    """A review and its deposit, for operators. `deposit_status` is `suspended` once the money is booked. Only operators
    read `reason`, the merchant reads `message`."""

    deposit_id: str
    deposit_status: str
    deposit_address: int
    network: str
    asset: str
    amount_raw: int
    from_address: str | None
    txid: str
    times_reversed: int
    invoice_id: str | None
    merchant_id: str | None
    verdict: str
    facts: str
    status: str
    outcome: str | None
    reason: str | None
    message: str | None
    refund_id: str | None
    opened_at: datetime
    decided_at: datetime | None
    decided_by: str | None


class Facts(msgspec.Struct, frozen=True):
    """A deposit, and what its invoice, or the quote that it came for, asks for; None where there is none."""

    merchant: str | None
    status: str | None
    invoice_asset: str | None
    pay_in_raw: int | None
    expires_at: datetime | None
    asset: str
    amount_raw: int
    from_address: str | None
    txid: str
    received_at: datetime
    quote_id: str | None


class OpenReview(msgspec.Struct, frozen=True):
    """A locked review, with its deposit."""

    review_status: str
    outcome: str | None
    status: str
    amount_raw: int
    times_reversed: int


class Division(msgspec.Struct, frozen=True):
    """A deposit, and its invoice's terms that decide how a credit divides it."""

    deposit_asset: str
    deposit_raw: int
    asset: str
    pay_in_raw: int
    service_fee_raw: int
    service_fee_bps: int
    credited_raw: int | None


async def facts(deposit_id: str, invoice_id: str | None) -> Facts:
    """A deposit that is stored, and its invoice."""
    # SQL, since the deposit's row has no invoice where it waits to be matched with this one.
    row = await database.fetch_one(
        """
        SELECT i.merchant, i.status, coalesce(q.asset, i.asset) AS invoice_asset,
            coalesce(q.pay_in_raw, i.pay_in_raw), coalesce(q.expires_at, i.expires_at),
            d.asset, d.amount_raw, d.from_address, d.txid, coalesce(d.made_at, d.block_time, d.seen_at), q.id
        FROM deposits d LEFT JOIN invoices i ON i.id = $2
        LEFT JOIN quotes q ON q.invoice = i.id AND q.deposit_address = d.deposit_address
        WHERE d.id = $1
        """,
        deposit_id,
        invoice_id,
    )
    assert row is not None, "a review is opened after its deposit is stored"
    return Facts(*row)


async def durations(since: datetime, limit: int) -> list[timedelta]:
    """How long the newest reviews took that operators have decided, of those opened since then."""
    # SQL, since the builder has no difference of two columns. The index of the newest reviews serves it.
    rows = await database.fetch_all(
        """
        SELECT decided_at - opened_at AS took FROM reviews
        WHERE opened_at >= $1 AND decided_by LIKE 'account:%' ORDER BY opened_at DESC, id DESC LIMIT $2
        """,
        since,
        limit,
    )
    return [row["took"] for row in rows]


async def open_or_reopen(
    deposit_id: str, *, invoice_id: str | None, merchant_id: str | None, verdict: str, facts: str, now: datetime
) -> bool:
    """Open a deposit's review, or reopen a closed one; False where it stays as it is.

    A review under way stays, and so does one that an operator closed without moving money, unless that was while the
    deposit was off the chain.
    """
    # SQL, since the condition of the update looks at another table.
    opened = await database.execute(
        """
        INSERT INTO reviews (deposit, invoice, merchant, verdict, facts, status, opened_at)
        VALUES ($1, $2, $3, $4, $5, 'open', $6)
        ON CONFLICT (deposit) DO UPDATE SET invoice = excluded.invoice, merchant = excluded.merchant,
            verdict = excluded.verdict, facts = excluded.facts, status = 'open', outcome = NULL, reason = NULL,
            message = NULL, refund_id = NULL, decided_at = NULL, decided_by = NULL
        WHERE reviews.status = 'open' OR (reviews.status = 'closed' AND (reviews.outcome <> 'closed'
            OR reviews.decided_at > (SELECT orphaned_at FROM deposits WHERE id = reviews.deposit)))
        """,
        deposit_id,
        invoice_id,
        merchant_id,
        verdict,
        facts,
        now,
    )
    return opened == 1


async def close_paid(deposit_ids: Collection[str], *, by: str, reason: str, now: datetime) -> None:
    """Close the open reviews of deposits that pay their invoice after all."""
    await _CLOSE_PAID.run(ids=list(deposit_ids), by=by, reason=reason, now=now)


_CLOSE_PAID = Command(
    Review.update(
        {
            Review.status: "closed",
            Review.outcome: "credited",
            Review.decided_by: Param("by"),
            Review.decided_at: Param("now"),
            Review.reason: Param("reason"),
        }
    ).where(any_of(Review.deposit, Param("ids")), Review.status == "open")
)


async def unfinished(invoice_id: str) -> int:
    """How many reviews of an invoice are not closed, including returns under way."""
    return await _UNFINISHED.one(invoice=invoice_id)


_UNFINISHED = Statement(
    Review.select(Count()).where(Review.invoice == Param("invoice"), Review.status != "closed"), int
)


def _reviews() -> "Select[Any]":
    return Review.select(
        Review.deposit.as_alias("deposit_id"),
        Review.deposit.status.as_alias("deposit_status"),
        Review.deposit.deposit_address.as_alias("deposit_address"),
        Review.deposit.network.as_alias("network"),
        Review.deposit.asset.as_alias("asset"),
        Review.deposit.amount_raw.as_alias("amount_raw"),
        Review.deposit.from_address.as_alias("from_address"),
        Review.deposit.txid.as_alias("txid"),
        Review.deposit.times_reversed.as_alias("times_reversed"),
        Review.invoice.as_alias("invoice_id"),
        Review.merchant.as_alias("merchant_id"),
        Review.verdict,
        Review.facts,
        Review.status,
        Review.outcome,
        Review.reason,
        Review.message,
        Review.refund_id,
        Review.opened_at,
        Review.decided_at,
        Review.decided_by,
    ).order_by(Review.opened_at, Review.id)


async def find(deposit_id: str) -> DepositReview | None:
    """The review of a deposit."""
    return await _FIND.first(deposit=deposit_id)


_FIND = Statement(_reviews().where(Review.deposit == Param("deposit")), DepositReview)


async def every() -> list[DepositReview]:
    """Every review, the oldest first."""
    return await _EVERY.all()


_EVERY = Statement(_reviews(), DepositReview)


async def every_open() -> list[DepositReview]:
    """Every review that waits for a decision, the oldest first."""
    return await _EVERY_OPEN.all()


_EVERY_OPEN = Statement(_reviews().where(Review.status == "open"), DepositReview)


async def open_of_invoice(invoice_id: str) -> list[DepositReview]:
    """The reviews of an invoice that wait for a decision, the oldest first."""
    return await _OPEN_OF_INVOICE.all(invoice=invoice_id)


_OPEN_OF_INVOICE = Statement(
    _reviews().where(Review.invoice == Param("invoice"), Review.status == "open"), DepositReview
)


async def division(deposit_id: str) -> Division | None:
    """The terms by which a deposit would be divided; None for a deposit without a review or an invoice."""
    # SQL, since the quote is joined by two columns of which neither is a foreign key to it.
    row = await database.fetch_one(
        """
        SELECT d.asset AS deposit_asset, d.amount_raw AS deposit_raw, coalesce(q.asset, i.asset),
            coalesce(q.pay_in_raw, i.pay_in_raw), coalesce(q.service_fee_raw, i.service_fee_raw), i.service_fee_bps,
            i.credited_raw
        FROM reviews r JOIN deposits d ON d.id = r.deposit JOIN invoices i ON i.id = r.invoice
        LEFT JOIN quotes q ON q.invoice = i.id AND q.deposit_address = d.deposit_address
        WHERE r.deposit = $1
        """,
        deposit_id,
    )
    return None if row is None else Division(*row)


async def lock(deposit_id: str) -> OpenReview:
    """Lock a review and its deposit, in the caller's transaction."""
    # SQL, since the outer side of a join can't be locked.
    row = await database.fetch_one(
        """
        SELECT r.status AS review_status, r.outcome, d.status, d.amount_raw, d.times_reversed
        FROM reviews r JOIN deposits d ON d.id = r.deposit WHERE r.deposit = $1 FOR UPDATE
        """,
        deposit_id,
    )
    assert row is not None
    return OpenReview(*row)


async def sent_back_raw(deposit_id: str) -> int:
    """How much of a deposit refunds have sent back, or are about to, in minor units."""
    # SQL, since no foreign key leads from a refund to its withdrawal, and refunds are above deposits.
    sent_raw: int = await database.fetch_value(
        """
        SELECT coalesce(sum(w.amount_raw), 0) FROM refunds r JOIN withdrawals w ON w.id = r.id
        WHERE r.deposit = $1 AND w.status NOT IN ('rejected', 'failed', 'cancelled')
        """,
        deposit_id,
    )
    return sent_raw


async def decide(
    deposit_id: str,
    *,
    status: Literal["returning", "closed"],
    outcome: Outcome,
    reason: str,
    message: str | None,
    by: str,
    refund_id: str | None,
    now: datetime,
) -> None:
    """Store an operator's decision: the reason for the audit log, and the message for the merchant."""
    await _DECIDE.run(
        deposit=deposit_id,
        status=status,
        outcome=outcome,
        reason=reason,
        message=message,
        by=by,
        refund_id=refund_id,
        now=now,
    )


_DECIDE = Command(
    Review.update(
        {
            Review.status: Param("status"),
            Review.outcome: Param("outcome"),
            Review.reason: Param("reason"),
            Review.message: Param("message"),
            Review.decided_by: Param("by"),
            Review.decided_at: Param("now"),
            Review.refund_id: Param("refund_id"),
        }
    ).where(Review.deposit == Param("deposit"))
)


async def close_returning(deposit_id: str, refund_id: str) -> str | None:
    """Close a review whose return by this refund is under way, and return its invoice."""
    return await _CLOSE_RETURNING.first(deposit=deposit_id, refund_id=refund_id)


_IS_RETURNING = (
    (Review.deposit == Param("deposit")) & (Review.refund_id == Param("refund_id")) & (Review.status == "returning")
)
_CLOSE_RETURNING = Statement(
    Review.update({Review.status: "closed"}).where(_IS_RETURNING).returning(Review.invoice), str
)


async def reopen_returning(deposit_id: str, refund_id: str) -> str | None:
    """Reopen a review whose return by this refund was under way, and return its invoice."""
    return await _REOPEN_RETURNING.first(deposit=deposit_id, refund_id=refund_id)


_REOPEN_RETURNING = Statement(
    Review.update(
        {
            Review.status: "open",
            Review.outcome: None,
            Review.reason: None,
            Review.message: None,
            Review.refund_id: None,
            Review.decided_at: None,
            Review.decided_by: None,
        }
    )
    .where(_IS_RETURNING)
    .returning(Review.invoice),
    str,
)
