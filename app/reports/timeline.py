"""The history of one invoice, payout or refund: every recorded fact about it, in order of time.

The facts come from events and their deliveries, transfers on chain, entries of the ledger, reviews, and the audit log.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Literal
from uuid import UUID

import msgspec
from msgspec.structs import replace
from piccolo.query import OrderByRaw

from app.core import database
from app.core.statement import Param, Statement, any_of, select
from app.deposits.bookings import booking_reference
from app.deposits.tables import Deposit, Review
from app.events.tables import Event
from app.invoices.tables import Invoice
from app.ledger.tables import LedgerEntry
from app.refunds.tables import Refund
from app.withdrawals.tables import Withdrawal

Source = Literal["event", "deposit", "ledger", "review", "withdrawal", "delivery", "audit"]


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """One fact. `kind` is as in its source (`invoice.paid`, `invoice_credit`, `delivered`), `subject` the id of its
    object, `amount_raw` in minor units of `asset` on `network` where money is moved. `note` has more, such as who did
    it, why, or an endpoint's answer. `who` is the person who did what an event reports, where the audit log knows one:
    the entry there is the same fact."""

    at: datetime
    source: Source
    kind: str
    subject: str
    network: str | None = None
    asset: str | None = None
    amount_raw: int | None = None
    note: str | None = None
    who: str | None = None


SAME_DEED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "invoice.created": ("invoice.created",),
        "invoice.cancelled": ("invoice.cancelled",),
        "payout.requested": ("payout.pending_approval",),
        "payout.cancelled": ("payout.cancelled",),
        "refund.requested": ("refund.pending_approval",),
        "withdrawal.approved": ("payout.approved", "refund.approved"),
        "withdrawal.rejected": ("payout.rejected", "refund.rejected"),
    }
)
"""Entries of the audit log that say the same as an event of the same moment, and that event."""

SAME_TURN: Mapping[str, tuple[Source, tuple[str, ...]]] = MappingProxyType(
    {
        "invoice.manual_review": ("review", ("opened",)),
        "invoice.closed": ("review", ("closed",)),
        "invoice.confirming": ("deposit", ("exact", "part")),
    }
)
"""Events that say the same as another fact of the same moment, which says more: a review's, or the transfer's."""

SAME_MOMENT = timedelta(seconds=2)
"""Facts of one deed are dated at most so far apart."""

_ORDER: dict[Source, int] = {
    "audit": 0,
    "deposit": 1,
    "ledger": 2,
    "review": 3,
    "withdrawal": 4,
    "event": 5,
    "delivery": 6,
}
"""The order of facts that have the same time, such as those of one database transaction: causes come first."""

MOST_DEPOSITS = 100
"""At most so many deposits are shown. Dust comes last, since anybody can send any amount of it."""

MOST_DELIVERIES = 200
"""At most so many deliveries are shown, the first ones: an event may be replayed many times."""


async def of_invoice(merchant_id: str, mode: str, invoice_id: str) -> list[Fact]:
    """The facts about an invoice, oldest first. Empty where the merchant has no such invoice."""
    if await _INVOICE.first(id=invoice_id, merchant=merchant_id, mode=mode) is None:
        return []
    deposits = await _deposits(invoice_id)
    refunds = await _REFUNDS.all(invoice=invoice_id)
    references = [reference for fact, times in deposits for reference in _bookings(fact.subject, times)]
    references += refunds
    return _in_order(
        [fact for fact, _ in deposits]
        + await _ledger(merchant_id, references)
        + await _reviews(invoice_id)
        + await _events(merchant_id, mode, [invoice_id, *refunds])
        + await _audit(merchant_id, invoice_id)
    )


async def of_withdrawal(merchant_id: str, mode: str, withdrawal_id: str) -> list[Fact]:
    """The facts about a payout or refund, oldest first."""
    if await _WITHDRAWAL.first(id=withdrawal_id, merchant=merchant_id, mode=mode) is None:
        return []
    return _in_order(
        await _ledger(merchant_id, [withdrawal_id])
        + await _events(merchant_id, mode, [withdrawal_id])
        + await _audit(merchant_id, withdrawal_id)
    )


_INVOICE = Statement(
    Invoice.select(Invoice.id).where(
        Invoice.id == Param("id"), Invoice.merchant == Param("merchant"), Invoice.mode == Param("mode")
    ),
    str,
)
_WITHDRAWAL = Statement(
    Withdrawal.select(Withdrawal.id).where(
        Withdrawal.id == Param("id"), Withdrawal.merchant == Param("merchant"), Withdrawal.mode == Param("mode")
    ),
    str,
)
_REFUNDS = Statement(Refund.select(Refund.id).where(Refund.invoice == Param("invoice")), str)


def _in_order(facts: list[Fact]) -> list[Fact]:
    return sorted(_told_once(facts), key=lambda fact: (fact.at, _ORDER[fact.source]))


def _told_once(facts: list[Fact]) -> list[Fact]:
    """The facts without those that another one of the same moment tells too. An event that a person caused gets the
    person's name."""
    told = list(facts)
    for entry in [fact for fact in facts if fact.source == "audit"]:
        event = _same(told, entry, SAME_DEED.get(entry.kind, ()), ("event", "withdrawal"))
        if event is not None and event.subject == entry.subject:
            told.remove(entry)
            told[told.index(event)] = replace(event, who=entry.note)
    for event in [fact for fact in facts if fact.source == "event" and fact.kind in SAME_TURN]:
        source, kinds = SAME_TURN[event.kind]
        if event in told and _same(told, event, kinds, (source,)) is not None:
            told.remove(event)
    return told


def _same(facts: list[Fact], fact: Fact, kinds: Sequence[str], sources: Sequence[Source]) -> Fact | None:
    """Another fact of one of these kinds and sources, of the same moment."""
    return next(
        (one for one in facts if one.source in sources and one.kind in kinds and abs(one.at - fact.at) <= SAME_MOMENT),
        None,
    )


async def _deposits(invoice_id: str) -> list[tuple[Fact, int]]:
    """Deposits at the time when they were seen, and how often each was reversed. An orphaning is not a fact of its
    own."""
    return [
        (
            Fact(
                at=row.seen_at,
                source="deposit",
                kind=row.gone_because or row.verdict,
                subject=row.id,
                network=row.network,
                asset=row.asset,
                amount_raw=row.amount_raw,
                note=row.txid,
            ),
            row.times_reversed,
        )
        for row in await _DEPOSITS.all(invoice=invoice_id)
    ]


class _Deposit(msgspec.Struct, frozen=True):
    id: str
    network: str
    asset: str
    amount_raw: int
    txid: str
    gone_because: str | None
    verdict: str
    seen_at: datetime
    times_reversed: int


_DEPOSITS = Statement(
    select(Deposit, _Deposit)
    .where(Deposit.invoice == Param("invoice"))
    .order_by(OrderByRaw("verdict = 'dust'"), Deposit.seen_at)
    .limit(MOST_DEPOSITS),
    _Deposit,
)


def _bookings(deposit_id: str, times_reversed: int) -> list[str]:
    """The ledger references of a deposit's bookings."""
    return [booking_reference(deposit_id, times).id for times in range(times_reversed + 1)]


async def _ledger(merchant_id: str, references: Sequence[str]) -> list[Fact]:
    """Entries of the merchant's own ledgers."""
    return [
        Fact(
            at=row.created_at,
            source="ledger",
            kind=row.kind,
            subject=row.reference_id,
            network=row.network,
            asset=row.asset,
            amount_raw=row.available_delta_raw or row.locked_delta_raw,
            note=str(row.seq),
        )
        for row in await _ENTRIES.all(owner=merchant_id, references=list(references))
    ]


class _Entry(msgspec.Struct, frozen=True):
    created_at: datetime
    kind: str
    seq: int
    reference_id: str
    network: str
    asset: str
    available_delta_raw: int
    locked_delta_raw: int


_ENTRIES = Statement(
    LedgerEntry.select(
        LedgerEntry.created_at,
        LedgerEntry.kind,
        LedgerEntry.seq,
        LedgerEntry.reference_id,
        LedgerEntry.ledger.network.as_alias("network"),
        LedgerEntry.ledger.asset.as_alias("asset"),
        LedgerEntry.available_delta_raw,
        LedgerEntry.locked_delta_raw,
    ).where(LedgerEntry.ledger.owner == Param("owner"), any_of(LedgerEntry.reference_id, Param("references"))),
    _Entry,
)


async def _reviews(invoice_id: str) -> list[Fact]:
    facts = []
    for row in await _REVIEWS.all(invoice=invoice_id):
        facts.append(Fact(at=row.opened_at, source="review", kind="opened", subject=row.deposit, note=row.verdict))
        if row.decided_at is not None and row.outcome is not None:
            facts.append(
                Fact(at=row.decided_at, source="review", kind=row.outcome, subject=row.deposit, note=row.message)
            )
    return facts


class _Review(msgspec.Struct, frozen=True):
    deposit: str
    verdict: str
    outcome: str | None
    message: str | None
    opened_at: datetime
    decided_at: datetime | None


_REVIEWS = Statement(select(Review, _Review).where(Review.invoice == Param("invoice")), _Review)


async def _events(merchant_id: str, mode: str, subjects: Sequence[str]) -> list[Fact]:
    """Events, and their deliveries to endpoints."""
    events = await _EVENTS.all(merchant=merchant_id, mode=mode, subjects=list(subjects))
    # SQL: the newest attempt of each delivery is a subquery inside coalesce().
    deliveries = await database.fetch_all(
        """
        SELECT d.status, d.attempts, d.delivered_at, e.event_id, e.type, w.url,
            coalesce(d.delivered_at,
                (SELECT max(a.started_at) FROM webhook_attempts a WHERE a.delivery = d.id), d.created_at) AS at
        FROM webhook_deliveries d JOIN events e ON e.id = d.event JOIN webhook_endpoints w ON w.id = d.endpoint
        WHERE d.event = ANY($1) ORDER BY d.id LIMIT $2
        """,
        [event.id for event in events],
        MOST_DELIVERIES,
    )
    return [
        Fact(
            at=event.created_at,
            source="event" if event.type.startswith("invoice.") else "withdrawal",
            kind=event.type,
            subject=event.subject_id,
            note=str(event.event_id),
        )
        for event in events
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


class _Event(msgspec.Struct, frozen=True):
    id: int
    event_id: UUID
    type: str
    subject_id: str
    created_at: datetime


_EVENTS = Statement(
    select(Event, _Event)
    .where(
        Event.merchant_id == Param("merchant"), Event.mode == Param("mode"), any_of(Event.subject_id, Param("subjects"))
    )
    .order_by(Event.id),
    _Event,
)


async def _audit(merchant_id: str, subject: str) -> list[Fact]:
    """Actions of people, with their names. The names of the gateway's operators are left out."""
    # SQL: an actor is no foreign key.
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
