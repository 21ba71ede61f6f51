"""The story of one invoice, payout or refund: every fact that the books have of it, in order.

From five places that know nothing of each other: events and where they were delivered, transfers on chain, entries
of the ledger, reviews, and the audit log for what people did.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from app.core import database
from app.deposits.bookings import booking_reference

Source = Literal["event", "deposit", "ledger", "review", "withdrawal", "delivery", "audit"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One fact. `kind` is the word of its source (`invoice.paid`, `invoice_credit`, `delivered`), `subject` the id of
    what it is about, `amount_raw` in minor units of `asset` on `network` where it is about money, `note` the rest:
    who did it, why, what an endpoint answered."""

    at: datetime
    source: Source
    kind: str
    subject: str
    network: str | None = None
    asset: str | None = None
    amount_raw: int | None = None
    note: str | None = None


_ORDER: dict[Source, int] = {
    "audit": 0,
    "deposit": 1,
    "ledger": 2,
    "review": 3,
    "withdrawal": 4,
    "event": 5,
    "delivery": 6,
}
"""Of facts of one transaction, which share their moment: causes before what is told of them."""

MOST_DEPOSITS = 100
"""Deposits that a story tells of; dust comes last, since strangers can send as much of it as they like."""

MOST_DELIVERIES = 200
"""Deliveries that a story tells of, the first ones: an endpoint may be replayed many times."""


async def of_invoice(merchant_id: str, mode: str, invoice_id: str) -> list[Fact]:
    """Everything that happened to an invoice, oldest first. Empty for one that isn't there, or another's."""
    owned = await database.fetch_value(
        "SELECT true FROM invoices WHERE id = $1 AND merchant = $2 AND mode = $3", invoice_id, merchant_id, mode
    )
    if not owned:
        return []
    deposits = await _deposits(invoice_id)
    refunds = await database.fetch_all(
        "SELECT r.id FROM refunds r JOIN withdrawals w ON w.id = r.id WHERE r.invoice = $1", invoice_id
    )
    references = [reference for fact, times in deposits for reference in _bookings(fact.subject, times)]
    references += [row["id"] for row in refunds]
    return _in_order(
        [fact for fact, _ in deposits]
        + await _ledger(merchant_id, references)
        + await _reviews(invoice_id)
        + await _events(merchant_id, mode, [invoice_id, *(row["id"] for row in refunds)])
        + await _audit(merchant_id, invoice_id)
    )


async def of_withdrawal(merchant_id: str, mode: str, withdrawal_id: str) -> list[Fact]:
    """Everything that happened to a payout or refund, oldest first."""
    owned = await database.fetch_value(
        "SELECT true FROM withdrawals WHERE id = $1 AND merchant = $2 AND mode = $3", withdrawal_id, merchant_id, mode
    )
    if not owned:
        return []
    return _in_order(
        await _ledger(merchant_id, [withdrawal_id])
        + await _events(merchant_id, mode, [withdrawal_id])
        + await _audit(merchant_id, withdrawal_id)
    )


def _in_order(facts: list[Fact]) -> list[Fact]:
    return sorted(facts, key=lambda fact: (fact.at, _ORDER[fact.source]))


async def _deposits(invoice_id: str) -> list[tuple[Fact, int]]:
    """Deposits as they were seen, and how often each was reversed; that one was orphaned has no moment of its own."""
    rows = await database.fetch_all(
        """
        SELECT id, network, asset, amount_raw, txid, status, verdict, seen_at, times_reversed FROM deposits
        WHERE invoice = $1 ORDER BY verdict = 'dust', seen_at LIMIT $2
        """,
        invoice_id,
        MOST_DEPOSITS,
    )
    return [
        (
            Fact(
                at=row["seen_at"],
                source="deposit",
                kind="orphaned" if row["status"] == "orphaned" else row["verdict"],
                subject=row["id"],
                network=row["network"],
                asset=row["asset"],
                amount_raw=row["amount_raw"],
                note=row["txid"],
            ),
            row["times_reversed"],
        )
        for row in rows
    ]


def _bookings(deposit_id: str, times_reversed: int) -> list[str]:
    """What the ledger calls each booking of a deposit."""
    return [booking_reference(deposit_id, times).id for times in range(times_reversed + 1)]


async def _ledger(merchant_id: str, references: Sequence[str]) -> list[Fact]:
    """Entries of the merchant's own ledgers."""
    rows = await database.fetch_all(
        """
        SELECT e.created_at, e.kind, e.seq, e.reference_id, h.network, h.asset,
            e.available_delta_raw, e.locked_delta_raw, e.hash
        FROM ledger_entries e JOIN ledger_heads h ON h.id = e.ledger
        WHERE h.owner = $1 AND e.reference_id = ANY($2)
        """,
        merchant_id,
        list(references),
    )
    return [
        Fact(
            at=row["created_at"],
            source="ledger",
            kind=row["kind"],
            subject=row["reference_id"],
            network=row["network"],
            asset=row["asset"],
            amount_raw=row["available_delta_raw"] or row["locked_delta_raw"],
            note=str(row["seq"]),
        )
        for row in rows
    ]


async def _reviews(invoice_id: str) -> list[Fact]:
    rows = await database.fetch_all(
        "SELECT deposit, verdict, outcome, reason, opened_at, decided_at FROM reviews WHERE invoice = $1", invoice_id
    )
    facts = []
    for row in rows:
        facts.append(
            Fact(at=row["opened_at"], source="review", kind="opened", subject=row["deposit"], note=row["verdict"])
        )
        if row["decided_at"] is not None:
            facts.append(
                Fact(
                    at=row["decided_at"],
                    source="review",
                    kind=row["outcome"],
                    subject=row["deposit"],
                    note=row["reason"],
                )
            )
    return facts


async def _events(merchant_id: str, mode: str, subjects: Sequence[str]) -> list[Fact]:
    """Events, and each endpoint that took one or gave up."""
    events = await database.fetch_all(
        """
        SELECT id, event_id, type, subject_id, created_at FROM events
        WHERE merchant_id = $1 AND mode = $2 AND subject_id = ANY($3) ORDER BY id
        """,
        merchant_id,
        mode,
        list(subjects),
    )
    deliveries = await database.fetch_all(
        """
        SELECT d.status, d.attempts, d.delivered_at, e.event_id, e.type, w.url,
            coalesce(d.delivered_at,
                (SELECT max(a.started_at) FROM webhook_attempts a WHERE a.delivery = d.id), d.created_at) AS at
        FROM webhook_deliveries d JOIN events e ON e.id = d.event JOIN webhook_endpoints w ON w.id = d.endpoint
        WHERE d.event = ANY($1) ORDER BY d.id LIMIT $2
        """,
        [row["id"] for row in events],
        MOST_DELIVERIES,
    )
    return [
        Fact(
            at=row["created_at"],
            source="event" if row["type"].startswith("invoice.") else "withdrawal",
            kind=row["type"],
            subject=row["subject_id"],
            note=str(row["event_id"]),
        )
        for row in events
    ] + [
        Fact(
            at=row["at"],
            source="delivery",
            kind=row["status"],
            subject=str(row["event_id"]),
            note=f"{row['type']} to {row['url']}" + (f", {row['attempts']} attempts" if row["attempts"] > 1 else ""),
        )
        for row in deliveries
    ]


async def _audit(merchant_id: str, subject: str) -> list[Fact]:
    """What people did to it, by name; who is of the gateway's staff stays nameless to the merchant."""
    rows = await database.fetch_all(
        """
        SELECT e.at, e.action, e.subject,
            CASE WHEN a.is_operator AND NOT EXISTS (
                    SELECT FROM memberships m WHERE m.account = a.id AND m.merchant = e.merchant_id
                ) THEN 'an operator of the gateway' ELSE coalesce(a.name, e.actor) END AS who
        FROM audit_entries e LEFT JOIN accounts a ON e.actor = 'account:' || a.id
        WHERE e.merchant_id = $1 AND e.subject = $2 ORDER BY e.id
        """,
        merchant_id,
        subject,
    )
    return [
        Fact(at=row["at"], source="audit", kind=row["action"], subject=row["subject"], note=row["who"]) for row in rows
    ]
