"""Statements on the invoices that a deposit may pay, and on deposits that pay an invoice together."""

from collections.abc import Collection
from datetime import datetime, timedelta

import msgspec
from piccolo.query.functions import Sum

from app.core import database
from app.core.statement import Command, Param, Statement, any_of
from app.deposits.matching import Candidate
from app.deposits.tables import Deposit
from app.invoices.repository import PAYMENT_IS_AWAY
from app.invoices.states import Status

MATCH_WINDOW = timedelta(days=30)
"""How far back an address's invoices are read (contract, section 3)."""

_WAS_CANCELLED = "EXISTS (SELECT 1 FROM deposits c WHERE c.invoice = i.id AND c.verdict = 'cancelled')"
"""Whether the invoice `i` got a deposit after its cancellation."""

# SQL, since the builder knows no INNER JOIN, and the outer side of a join can't be locked.
_CANDIDATES = f"""
    SELECT i.id, i.status, i.asset, i.pay_in_raw, i.expires_at, m.tolerance_bps, i.accept_parts, i.received_raw,
        {_WAS_CANCELLED} AS was_cancelled,
        i.network, i.merchant, i.service_fee_raw, i.created_at, i.deposit_address
    FROM invoices i JOIN merchants m ON m.id = i.merchant
    """
_SERVED = f"{_CANDIDATES} WHERE i.deposit_address = ANY($1) AND i.created_at > $2"


class PayableInvoice(msgspec.Struct, frozen=True):
    """An invoice with the columns that matching and booking its deposits need."""

    id: str
    status: str
    asset: str
    pay_in_raw: int
    expires_at: datetime
    tolerance_bps: int
    accept_parts: bool
    received_raw: int
    was_cancelled: bool
    network: str
    merchant: str
    service_fee_raw: int
    created_at: datetime
    deposit_address: int

    @property
    def candidate(self) -> Candidate:
        """The invoice as the rules see it (deposits/matching.py)."""
        return Candidate(
            id=self.id,
            status=Status(self.status),
            asset=self.asset,
            pay_in_raw=self.pay_in_raw,
            expires_at=self.expires_at,
            tolerance_bps=self.tolerance_bps,
            accept_parts=self.accept_parts,
            received_raw=self.received_raw,
            was_cancelled=self.was_cancelled,
        )


class UndecidedDeposit(msgspec.Struct, frozen=True):
    """A deposit that may become its invoice's payment, or a part of it."""

    id: str
    amount_raw: int
    status: str
    verdict: str
    times_reversed: int


async def lock_invoice(invoice_id: str) -> PayableInvoice:
    """Lock an invoice before its deposits change it. Needs the caller's transaction."""
    database.in_transaction()
    row = await database.fetch_one(f"{_CANDIDATES} WHERE i.id = $1 FOR UPDATE OF i", invoice_id)
    assert row is not None, "deposits refer to existing invoices"
    return PayableInvoice(*row)


async def lock_served(address_ids: Collection[int], now: datetime) -> list[PayableInvoice]:
    """Lock every invoice that these addresses served within MATCH_WINDOW, in order of id."""
    rows = await database.fetch_all(f"{_SERVED} ORDER BY i.id FOR UPDATE OF i", list(address_ids), now - MATCH_WINDOW)
    return [PayableInvoice(*row) for row in rows]


async def served(address_id: int, now: datetime) -> list[PayableInvoice]:
    """The invoices that an address served within MATCH_WINDOW, the newest first."""
    rows = await database.fetch_all(f"{_SERVED} ORDER BY i.created_at DESC", [address_id], now - MATCH_WINDOW)
    return [PayableInvoice(*row) for row in rows]


async def received_raw(invoice_id: str) -> int:
    """The sum of an invoice's deposits in its own asset that are still on chain, in minor units."""
    return await _RECEIVED.first(invoice=invoice_id) or 0


_RECEIVED = Statement(
    Deposit.select(Sum(Deposit.amount_raw)).where(
        Deposit.invoice == Param("invoice"), Deposit.invoice.asset == Deposit.asset, Deposit.status != "orphaned"
    ),
    int,
)


async def undecided(invoice_id: str, asset: str, before: datetime) -> list[UndecidedDeposit]:
    """The deposits on chain that were made for an invoice in its asset before a moment, oldest first.

    Left out are inferred and credited deposits, and those that an operator has closed or returns. A review that the
    gateway has closed because its deposit paid (`credited`) is no decision while the deposit is not credited.
    """
    # SQL, since the foreign key leads from reviews to deposits, and the builder joins only along it.
    rows = await database.fetch_all(
        """
        SELECT d.id, d.amount_raw, d.status, d.verdict, d.times_reversed FROM deposits d
        LEFT JOIN reviews r ON r.deposit = d.id
        WHERE d.invoice = $1 AND d.asset = $2 AND d.status IN ('seen', 'suspended')
            AND coalesce(d.made_at, d.block_time) < $3 AND NOT d.is_inferred
            AND (r.deposit IS NULL OR r.status = 'open' OR r.outcome = 'credited')
        ORDER BY coalesce(d.made_at, d.block_time), d.log_index, d.id
        """,
        invoice_id,
        asset,
        before,
    )
    return [UndecidedDeposit(*row) for row in rows]


async def has_exact(invoice_id: str) -> bool:
    """Whether a deposit that pays an invoice by itself is on chain."""
    return await _EXACT.first(invoice=invoice_id) is not None


_EXACT = Statement(
    Deposit.select(Deposit.id)
    .where(Deposit.invoice == Param("invoice"), Deposit.verdict == "exact", Deposit.status != "orphaned")
    .limit(1),
    str,
)


async def make_parts(deposit_ids: Collection[str]) -> None:
    """Mark deposits that pay their invoice together as parts."""
    await _MAKE_PARTS.run(ids=list(deposit_ids))


_MAKE_PARTS = Command(Deposit.update({Deposit.verdict: "part"}).where(any_of(Deposit.id, Param("ids"))))


async def set_verdict(deposit_id: str, verdict: str) -> None:
    """Change a deposit's verdict after its invoice has changed."""
    await _SET_VERDICT.run(id=deposit_id, verdict=verdict)


_SET_VERDICT = Command(Deposit.update({Deposit.verdict: Param("verdict")}).where(Deposit.id == Param("id")))


async def credit_parts(deposit_ids: Collection[str]) -> None:
    """Mark deposits as credited and exact: they were released from suspense to their merchant as one payment."""
    await _CREDIT_PARTS.run(ids=list(deposit_ids))


_CREDIT_PARTS = Command(
    Deposit.update({Deposit.status: "credited", Deposit.verdict: "exact"}).where(any_of(Deposit.id, Param("ids")))
)


async def complete(network: str) -> list[str]:
    """Invoices that are paid by parts, where each part is booked to suspense."""
    # SQL, since the builder knows no NOT EXISTS of other rows of the table.
    rows = await database.fetch_all(
        """
        SELECT DISTINCT d.invoice FROM deposits d JOIN invoices i ON i.id = d.invoice
        WHERE d.network = $1 AND d.verdict = 'part' AND d.status = 'suspended' AND i.status = 'confirming'
            AND NOT EXISTS (SELECT 1 FROM deposits o
                WHERE o.invoice = d.invoice AND o.verdict IN ('exact', 'part') AND o.status = 'seen')
        ORDER BY d.invoice
        """,
        network,
    )
    return [row["invoice"] for row in rows]


async def left_behind(network: str, covered_until: datetime, orphaned_since: datetime) -> list[str]:
    """Invoices with parts on chain that can't become a payment any more: the time is up, or the invoice has ended.

    A part that left the chain after `orphaned_since` may come back, so its invoice is left out.
    """
    # SQL, since the builder knows no EXISTS of other tables' rows.
    rows = await database.fetch_all(
        f"""
        SELECT DISTINCT d.invoice FROM deposits d JOIN invoices i ON i.id = d.invoice
        WHERE d.network = $1 AND d.verdict = 'part' AND d.status IN ('seen', 'suspended') AND i.status <> 'confirming'
            AND (i.status NOT IN ('awaiting_deposit', 'manual_review')
                OR {_WAS_CANCELLED}
                OR i.expires_at <= $2 AND NOT {PAYMENT_IS_AWAY})
        ORDER BY d.invoice
        """,
        network,
        covered_until,
        orphaned_since,
    )
    return [row["invoice"] for row in rows]
