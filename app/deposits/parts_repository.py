"""Statements on the invoices that a deposit may pay, and on deposits that pay an invoice together."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from app.core import database
from app.core.statement import Command, Param, Statement, any_of
from app.deposits.matching import Candidate
from app.deposits.tables import Deposit
from app.invoices import repository as invoice_repository
from app.invoices.repository import payment_is_away
from app.invoices.states import Status

MATCH_WINDOW = timedelta(days=30)
"""How far back an address's invoices are read (contract, section 3)."""

_WAS_CANCELLED = "EXISTS (SELECT 1 FROM deposits c WHERE c.invoice = i.id AND c.verdict = 'cancelled')"
"""Whether the invoice `i` got a deposit after its cancellation."""

# SQL, since the builder knows no INNER JOIN and no UNION. An invoice with a price asks through its quotes.
_ASKERS = f"""
    SELECT i.id, i.status, i.asset, i.pay_in_raw, i.expires_at, m.tolerance_bps, i.accept_parts, i.received_raw,
        {_WAS_CANCELLED} AS was_cancelled,
        i.network, i.merchant, i.service_fee_raw, i.created_at, i.deposit_address, NULL AS quote_id, true AS is_current
    FROM invoices i JOIN merchants m ON m.id = i.merchant WHERE i.price_raw IS NULL AND {{own}}
    UNION ALL
    SELECT i.id, i.status, q.asset, q.pay_in_raw, q.expires_at, m.tolerance_bps, i.accept_parts,
        (SELECT coalesce(sum(d.amount_raw), 0) FROM deposits d
            WHERE d.invoice = q.invoice AND d.deposit_address = q.deposit_address AND d.asset = q.asset
                AND d.status <> 'orphaned'),
        {_WAS_CANCELLED},
        q.network, i.merchant, q.service_fee_raw, q.created_at, q.deposit_address, q.id,
        q.id IS NOT DISTINCT FROM i.quote
    FROM quotes q JOIN invoices i ON i.id = q.invoice JOIN merchants m ON m.id = i.merchant WHERE {{quoted}}
    """
_OF_INVOICE = (
    _ASKERS.format(
        own="i.id = $1",
        quoted="q.invoice = $1 AND (q.id = i.quote OR EXISTS (SELECT 1 FROM deposits o"
        " WHERE o.invoice = q.invoice AND o.deposit_address = q.deposit_address))",
    )
    + " ORDER BY is_current DESC, created_at DESC"
)
_SERVED = _ASKERS.format(
    own="i.deposit_address = ANY($1) AND i.created_at > $2", quoted="q.deposit_address = ANY($1) AND q.created_at > $2"
)


class PayableInvoice(msgspec.Struct, frozen=True):
    """An invoice with the columns that matching and booking its deposits need; of one with a price, one of its quotes.
    `is_current`: it is what the invoice asks for now."""

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
    quote_id: str | None
    is_current: bool

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
            quote_id=self.quote_id,
        )


class UndecidedDeposit(msgspec.Struct, frozen=True):
    """A deposit that may become its invoice's payment, or a part of it."""

    id: str
    amount_raw: int
    status: str
    verdict: str
    times_reversed: int


async def lock_payable(invoice_id: str) -> list[PayableInvoice]:
    """Lock an invoice before its deposits change it. Of an invoice with a price: its quote, which comes first, and the
    others that have deposits; there may be none. Needs the caller's transaction."""
    database.in_transaction()
    await invoice_repository.lock(invoice_id)
    return [PayableInvoice(*row) for row in await database.fetch_all(_OF_INVOICE, invoice_id)]


async def lock_served(address_ids: Collection[int], now: datetime) -> list[PayableInvoice]:
    """Lock every invoice that these addresses served within MATCH_WINDOW, in order of id."""
    since = now - MATCH_WINDOW
    locked = await database.fetch_all(
        """
        SELECT id FROM invoices WHERE id IN (
            SELECT id FROM invoices WHERE deposit_address = ANY($1) AND created_at > $2
            UNION ALL SELECT invoice FROM quotes WHERE deposit_address = ANY($1) AND created_at > $2
        ) ORDER BY id FOR UPDATE
        """,
        list(address_ids),
        since,
    )
    if not locked:
        return []
    rows = await database.fetch_all(
        f"SELECT * FROM ({_SERVED}) served WHERE id = ANY($3)", list(address_ids), since, [row["id"] for row in locked]
    )
    return [PayableInvoice(*row) for row in rows]


async def served(address_id: int, now: datetime) -> list[PayableInvoice]:
    """The invoices that an address served within MATCH_WINDOW, the newest first."""
    rows = await database.fetch_all(f"{_SERVED} ORDER BY created_at DESC", [address_id], now - MATCH_WINDOW)
    return [PayableInvoice(*row) for row in rows]


async def undecided(invoice: PayableInvoice) -> list[UndecidedDeposit]:
    """The deposits on chain that were made for an invoice, or a quote of it, in its asset and in time, oldest first.

    Left out are inferred and credited deposits, and those that an operator has closed or returns. A review that the
    gateway has closed because its deposit paid (`credited`) is no decision while the deposit is not credited.
    """
    # SQL, since the foreign key leads from reviews to deposits, and the builder joins only along it.
    rows = await database.fetch_all(
        """
        SELECT d.id, d.amount_raw, d.status, d.verdict, d.times_reversed FROM deposits d
        LEFT JOIN reviews r ON r.deposit = d.id
        WHERE d.invoice = $1 AND d.deposit_address = $2 AND d.asset = $3 AND d.status IN ('seen', 'suspended')
            AND coalesce(d.made_at, d.block_time) < $4 AND NOT d.is_inferred
            AND (r.deposit IS NULL OR r.status = 'open' OR r.outcome = 'credited')
        ORDER BY coalesce(d.made_at, d.block_time), d.log_index, d.id
        """,
        invoice.id,
        invoice.deposit_address,
        invoice.asset,
        invoice.expires_at,
    )
    return [UndecidedDeposit(*row) for row in rows]


async def has_exact(invoice_id: str, deposit_address: int) -> bool:
    """Whether a deposit that pays an invoice by itself is on chain, at this address of it."""
    return await _EXACT.first(invoice=invoice_id, deposit_address=deposit_address) is not None


_EXACT = Statement(
    Deposit.select(Deposit.id)
    .where(
        Deposit.invoice == Param("invoice"),
        Deposit.deposit_address == Param("deposit_address"),
        Deposit.verdict == "exact",
        Deposit.status != "orphaned",
    )
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
        SELECT DISTINCT d.invoice FROM deposits d
            JOIN invoices i ON i.id = d.invoice AND i.deposit_address = d.deposit_address
        WHERE d.network = $1 AND d.verdict = 'part' AND d.status = 'suspended' AND i.status = 'confirming'
            AND NOT EXISTS (SELECT 1 FROM deposits o
                WHERE o.invoice = d.invoice AND o.deposit_address = d.deposit_address
                    AND o.verdict IN ('exact', 'part') AND o.status = 'seen')
        ORDER BY d.invoice
        """,
        network,
    )
    return [row["invoice"] for row in rows]


class LeftBehind(NamedTuple):
    """An invoice with parts on chain that can't become a payment any more, and the address that they came to."""

    invoice: str
    deposit_address: int


async def left_behind(network: str, covered_until: datetime, orphaned_since: datetime) -> list[LeftBehind]:
    """Invoices with parts on chain that can't become a payment any more: the time is up, or the invoice has ended.

    A part that left the chain after `orphaned_since` may come back, so its invoice is left out.
    """
    # SQL, since the builder knows no EXISTS of other tables' rows.
    ends_at = "coalesce(q.expires_at, i.expires_at)"
    rows = await database.fetch_all(
        f"""
        SELECT DISTINCT d.invoice, d.deposit_address FROM deposits d JOIN invoices i ON i.id = d.invoice
        LEFT JOIN quotes q ON q.invoice = d.invoice AND q.deposit_address = d.deposit_address
        WHERE d.network = $1 AND d.verdict = 'part' AND d.status IN ('seen', 'suspended') AND i.status <> 'confirming'
            AND (i.status NOT IN ('awaiting_choice', 'awaiting_deposit', 'manual_review')
                OR {_WAS_CANCELLED}
                OR {ends_at} <= $2 AND NOT {payment_is_away("d.invoice", "d.deposit_address", ends_at)})
        ORDER BY d.invoice, d.deposit_address
        """,
        network,
        covered_until,
        orphaned_since,
    )
    return [LeftBehind(*row) for row in rows]
