"""Statements on deposits that count together: what came for an invoice, parts that wait, and dust."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from app.core import database
from app.core.database import Row
from app.deposits.matching import Candidate
from app.invoices.service import PAYMENT_IS_AWAY
from app.invoices.states import Status
from app.networks.port import UNKNOWN_SENDER

WAS_CANCELLED = "EXISTS (SELECT 1 FROM deposits c WHERE c.invoice = i.id AND c.verdict = 'cancelled')"
"""Whether something came for the invoice `i` after its cancellation."""

CANDIDATES = f"""
    SELECT i.id, i.status, i.asset, i.pay_in_raw, i.expires_at, i.received_raw, i.accept_parts, m.tolerance_bps,
        {WAS_CANCELLED} AS was_cancelled,
        i.network, i.merchant, i.service_fee_raw, i.created_at, i.deposit_address
    FROM invoices i JOIN merchants m ON m.id = i.merchant
    """


def candidate(row: Row) -> Candidate:
    """A row of `CANDIDATES` as the rules see it."""
    return Candidate(
        id=row["id"],
        status=Status(row["status"]),
        asset=row["asset"],
        pay_in_raw=row["pay_in_raw"],
        expires_at=row["expires_at"],
        tolerance_bps=row["tolerance_bps"],
        accept_parts=row["accept_parts"],
        received_raw=row["received_raw"],
        was_cancelled=row["was_cancelled"],
    )


async def lock_invoice(invoice_id: str) -> Row:
    """Lock an invoice for what its deposits do to it; a row of `CANDIDATES`. Needs the caller's transaction."""
    database.in_transaction()
    row = await database.fetch_one(f"{CANDIDATES} WHERE i.id = $1 FOR UPDATE OF i", invoice_id)
    assert row is not None, "deposits refer to invoices that are there"
    return row


async def undecided(invoice_id: str, asset: str, before: datetime) -> Sequence[Row]:
    """The deposits on chain that were made for an invoice in its asset before a moment, in the order of their making.

    Left out is what nobody saw move, what is credited, and what an operator has closed or returns. A case that the
    gateway has closed because its deposit paid (`credited`) decides nothing while the deposit is not credited.
    """
    return await database.fetch_all(
        """
        SELECT d.id, d.amount_raw, d.status, d.verdict, d.times_reversed FROM deposits d
        LEFT JOIN reviews r ON r.deposit = d.id
        WHERE d.invoice = $1 AND d.asset = $2 AND d.status IN ('seen', 'suspended')
            AND coalesce(d.made_at, d.block_time) < $3 AND d.from_address <> $4
            AND (r.deposit IS NULL OR r.status = 'open' OR r.outcome = 'credited')
        ORDER BY coalesce(d.made_at, d.block_time), d.log_index, d.id
        """,
        invoice_id,
        asset,
        before,
        UNKNOWN_SENDER,
    )


async def has_exact(invoice_id: str) -> bool:
    """Whether a deposit that pays an invoice by itself is on chain."""
    found: bool = await database.fetch_value(
        "SELECT EXISTS (SELECT 1 FROM deposits WHERE invoice = $1 AND verdict = 'exact' AND status <> 'orphaned')",
        invoice_id,
    )
    return found


async def make_parts(deposit_ids: Collection[str]) -> None:
    """These deposits pay their invoice together."""
    await database.execute("UPDATE deposits SET verdict = 'part' WHERE id = ANY($1)", list(deposit_ids))


async def set_verdict(deposit_id: str, verdict: str) -> None:
    """What a deposit is to its invoice, now that the invoice has moved on."""
    await database.execute("UPDATE deposits SET verdict = $2 WHERE id = $1", deposit_id, verdict)


async def ledgers_of(invoice_id: str) -> tuple[str, str, str]:
    """An invoice's merchant, network and asset: what names its ledgers."""
    row = await database.fetch_one("SELECT merchant, network, asset FROM invoices WHERE id = $1", invoice_id)
    assert row is not None, "deposits refer to invoices that are there"
    return row["merchant"], row["network"], row["asset"]


async def credit_parts(deposit_ids: Collection[str]) -> None:
    """These deposits were released from suspense to their merchant, as the exact payment that they are together."""
    await database.execute(
        "UPDATE deposits SET status = 'credited', verdict = 'exact' WHERE id = ANY($1)", list(deposit_ids)
    )


async def complete(network: str) -> list[str]:
    """Invoices that are paid by parts alone, each of which is booked to suspense by now."""
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

    A part that left the chain after `orphaned_since` may come back, so its invoice still has time.
    """
    rows = await database.fetch_all(
        f"""
        SELECT DISTINCT d.invoice FROM deposits d JOIN invoices i ON i.id = d.invoice
        WHERE d.network = $1 AND d.verdict = 'part' AND d.status IN ('seen', 'suspended') AND i.status <> 'confirming'
            AND (i.status NOT IN ('awaiting_deposit', 'manual_review')
                OR {WAS_CANCELLED}
                OR i.expires_at <= $2 AND NOT {PAYMENT_IS_AWAY})
        ORDER BY d.invoice
        """,
        network,
        covered_until,
        orphaned_since,
    )
    return [row["invoice"] for row in rows]


@dataclass(frozen=True, slots=True)
class Sender:
    """An address that has sent something to an invoice; `only_dust`: nothing but dust, as address poisoners do."""

    address: str
    only_dust: bool


async def senders(invoice_id: str) -> list[Sender]:
    """Who has sent what is on chain for an invoice."""
    rows = await database.fetch_all(
        """
        SELECT from_address AS address, bool_and(verdict = 'dust') AS only_dust FROM deposits
        WHERE invoice = $1 AND status <> 'orphaned' AND from_address <> $2 GROUP BY 1 ORDER BY 2, 1
        """,
        invoice_id,
        UNKNOWN_SENDER,
    )
    return [Sender(**dict(row)) for row in rows]


@dataclass(frozen=True, slots=True)
class Dust:
    """All dust of one asset, in minor units."""

    network: str
    asset: str
    count: int
    amount_raw: int


async def dust() -> list[Dust]:
    """The dust on chain, one line an asset."""
    rows = await database.fetch_all(
        """
        SELECT network, asset, count(*) AS count, sum(amount_raw) AS amount_raw FROM deposits
        WHERE verdict = 'dust' AND status <> 'orphaned' GROUP BY network, asset ORDER BY network, asset
        """
    )
    return [Dust(**dict(row)) for row in rows]
