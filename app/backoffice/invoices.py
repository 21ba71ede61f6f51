"""One invoice of any merchant as operators look it up: whose it is, its transfers, reviews and refunds, and whether its
webhooks have arrived."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from app.core import database
from app.core.statement import Param, Statement
from app.deposits.tables import Deposit, Review
from app.invoices.tables import Invoice

MOST_DELIVERIES = 50
"""The newest deliveries of an invoice's events that its page lists."""

MOST_DEPOSITS = 100
"""Transfers that the page lists; anybody can send any amount of dust, which comes last."""


class Owner(msgspec.Struct, frozen=True):
    """Whose an invoice is."""

    merchant_id: str
    merchant_name: str
    merchant_status: str
    mode: str


class ListedDeposit(msgspec.Struct, frozen=True, kw_only=True):
    """A transfer to an invoice, as the books have it. `review_status` is None where it has no review."""

    id: str
    network: str
    txid: str
    asset: str
    amount_raw: int
    from_address: str | None
    address: str
    block_height: int | None
    status: str
    verdict: str
    seen_at: datetime
    review_status: str | None
    review_outcome: str | None


class ListedRefund(msgspec.Struct, frozen=True, kw_only=True):
    """A refund of an invoice, or the return of a deposit that was sent for it."""

    id: str
    network: str
    asset: str
    amount_raw: int
    destination: str
    status: str
    created_at: datetime


class ListedDelivery(msgspec.Struct, frozen=True, kw_only=True):
    """An event on its way to an endpoint.

    `answer` is the HTTP status of the last attempt, `detail` what went wrong with it; both are None before the first.
    """

    event_id: UUID
    type: str
    url: str
    endpoint_status: str
    status: str
    attempts: int
    answer: int | None
    detail: str | None
    next_attempt_at: datetime
    delivered_at: datetime | None
    created_at: datetime


async def owner_of(invoice_id: str) -> Owner | None:
    """Whose an invoice is; None where there is none."""
    return await _OWNER.first(id=invoice_id)


_OWNER = Statement(
    Invoice.select(
        Invoice.merchant.as_alias("merchant_id"),
        Invoice.merchant.name.as_alias("merchant_name"),
        Invoice.merchant.status.as_alias("merchant_status"),
        Invoice.mode,
    ).where(Invoice.id == Param("id")),
    Owner,
)


async def deposits_of(invoice_id: str) -> Sequence[ListedDeposit]:
    """The transfers to an invoice, oldest first and dust last."""
    return _deposits(
        await database.fetch_all(
            f"{_DEPOSITS} WHERE d.invoice = $1 ORDER BY d.verdict = 'dust', d.seen_at, d.id LIMIT $2",
            invoice_id,
            MOST_DEPOSITS,
        )
    )


async def deposits_at(networks: Sequence[str], addresses: Sequence[str]) -> Sequence[ListedDeposit]:
    """The transfers to deposit addresses, the newest first."""
    return _deposits(
        await database.fetch_all(
            f"""
            {_DEPOSITS} WHERE a.network = ANY($1) AND a.address = ANY($2) ORDER BY d.seen_at DESC, d.id LIMIT $3
            """,
            list(networks),
            list(addresses),
            MOST_DEPOSITS,
        )
    )


# SQL: a review is joined from the side that has no key.
_DEPOSITS = """
    SELECT d.id, d.network, d.txid, d.asset, d.amount_raw, d.from_address, a.address, d.block_height, d.status,
        d.verdict, d.seen_at, r.status AS review_status, r.outcome AS review_outcome
    FROM deposits d JOIN deposit_addresses a ON a.id = d.deposit_address LEFT JOIN reviews r ON r.deposit = d.id
    """


def _deposits(rows: Sequence[database.Row]) -> list[ListedDeposit]:
    return [ListedDeposit(**{**row, "amount_raw": int(row["amount_raw"])}) for row in rows]


async def refunds_of(invoice_id: str) -> Sequence[ListedRefund]:
    """The refunds of an invoice, the newest first."""
    # SQL: a refund and its withdrawal are joined by their id, which is no foreign key.
    rows = await database.fetch_all(
        """
        SELECT w.id, w.network, w.asset, w.amount_raw, w.destination, w.status, w.created_at
        FROM refunds r JOIN withdrawals w ON w.id = r.id WHERE r.invoice = $1 ORDER BY w.created_at DESC, w.id
        """,
        invoice_id,
    )
    return [ListedRefund(**{**row, "amount_raw": int(row["amount_raw"])}) for row in rows]


async def deliveries_of(invoice_id: str, refund_ids: Sequence[str]) -> Sequence[ListedDelivery]:
    """The deliveries of the events of an invoice and its refunds, the newest first."""
    # SQL: the newest attempt of each delivery is a lateral join.
    rows = await database.fetch_all(
        """
        SELECT e.event_id, e.type, w.url, w.status AS endpoint_status, d.status, d.attempts,
            last.response_status AS answer, last.detail, d.next_attempt_at, d.delivered_at, d.created_at
        FROM events e JOIN webhook_deliveries d ON d.event = e.id JOIN webhook_endpoints w ON w.id = d.endpoint
        LEFT JOIN LATERAL (SELECT a.response_status, a.detail FROM webhook_attempts a WHERE a.delivery = d.id
            ORDER BY a.number DESC LIMIT 1) last ON true
        WHERE e.subject_id = ANY($1) ORDER BY d.id DESC LIMIT $2
        """,
        [invoice_id, *refund_ids],
        MOST_DELIVERIES,
    )
    return [ListedDelivery(**dict(row)) for row in rows]


async def invoice_of_deposit(deposit_id: str) -> str | None:
    """The invoice of a transfer, None where it has none, or where there is no such transfer."""
    return await _INVOICE_OF_DEPOSIT.first(id=deposit_id)


async def has_review(deposit_id: str) -> bool:
    """Whether a transfer has a review, open or not."""
    return await _REVIEW.first(deposit=deposit_id) is not None


_INVOICE_OF_DEPOSIT = Statement(Deposit.select(Deposit.invoice).where(Deposit.id == Param("id")), str)
_REVIEW = Statement(Review.select(Review.id).where(Review.deposit == Param("deposit")), int)
