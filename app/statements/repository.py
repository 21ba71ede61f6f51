"""Every statement that reads over ledgers, worths and checkpoints for statements of a month.

A month is a run of a ledger's entries, from the one after the last month's closing to its own closing, so months join
without a gap. The closing of a month is found by three facts that never change once they are there:

- the month is closed by the first checkpoint that was signed LATE_POSTINGS or more after its end;
- the closing is the last entry before the first one that was booked after the month's end;
- where there is no such entry, it is the last one that the closing checkpoint has signed.

So an entry that was booked in the month, but committed after another of the next month or after the closing checkpoint,
is in the next month. Until a checkpoint closes the month, its closing is that of the ledger as it is now.
"""

from datetime import datetime

import msgspec
from piccolo.query.functions import Max, Min

from app.core import database
from app.core.clock import rfc3339
from app.core.statement import Param, Statement
from app.ledger.hashchain import GENESIS_HASH, ChainId, Entry, Reference, State
from app.ledger.service import FEES
from app.ledger.tables import LedgerCheckpoint
from app.statements.months import LATE_POSTINGS, Month

CHANGING = ("invoice_credit", "deposit_reversal", "payout_settled", "refund_settled")
"""Entries that change what the merchant has. Others only move money between available and locked."""


class Closing(msgspec.Struct, frozen=True):
    """A ledger at a month's end. `ledger` and `fees_ledger` are row ids; there is no ledger of fees before the first
    fee. `decimals` are the asset's."""

    ledger: int
    fees_ledger: int | None
    chain: ChainId
    decimals: int
    state: State


class MovementRow(msgspec.Struct, frozen=True):
    """Entries of one kind and one currency of worth, summed. Without a currency, no worth is known."""

    kind: str
    currency: str | None
    count: int
    available_raw: int
    locked_raw: int
    fee_raw: int
    worth_raw: int


class Line(msgspec.Struct, frozen=True):
    """One entry of a statement with what belongs to it.

    `fee_raw` is what the gateway earned by it: of a credit taken before, of a payout or refund part of the amount;
    negative where a reversal gave it back. `worth_raw` is signed, in minor units of `currency`; None where it is not
    known. `invoice_id` and `order_id` are those of a deposit's or a refund's invoice, `txid` the transaction's that
    moved the money.
    """

    entry: Entry
    fee_raw: int
    currency: str | None
    worth_raw: int | None
    invoice_id: str | None
    order_id: str | None
    txid: str | None

    @property
    def amount_raw(self) -> int:
        """The change of what the merchant has: available and locked together."""
        return int(self.entry.available_delta_raw) + int(self.entry.locked_delta_raw)

    @property
    def needs_worth(self) -> bool:
        """Whether it changes what the merchant has, so that its worth is of interest."""
        return self.entry.kind in CHANGING


async def closing_checkpoint(month: Month) -> int | None:
    """The number of the checkpoint that closed a month; None while none has."""
    return await _CLOSING_CHECKPOINT.first(moment=month.closable_from)


_CLOSING_CHECKPOINT = Statement(
    LedgerCheckpoint.select(Min(LedgerCheckpoint.number)).where(LedgerCheckpoint.created_at >= Param("moment")), int
)


async def checkpoint_before(month: Month) -> int | None:
    """The number of the last checkpoint that was signed before a month began; None where there is none."""
    return await _CHECKPOINT_BEFORE.first(moment=month.begin)


_CHECKPOINT_BEFORE = Statement(
    LedgerCheckpoint.select(Max(LedgerCheckpoint.number)).where(LedgerCheckpoint.created_at < Param("moment")), int
)


async def first_entry_at(owner: str, mode: str) -> datetime | None:
    """When the first entry of a merchant's ledgers in a mode was booked; None where there is none."""
    # SQL, since the builder can't join a ledger to its first entry.
    found: datetime | None = await database.fetch_value(
        """
        SELECT min(e.created_at) FROM ledger_heads h JOIN ledger_entries e ON e.ledger = h.id AND e.seq = 1
        WHERE h.owner = $1 AND h.network LIKE '%:' || $2
        """,
        owner,
        mode,
    )
    return found


async def closings(owner: str, mode: str, month: Month, closed_by: int | None) -> list[Closing]:
    """The state of each ledger of a merchant at a month's end, those without entries until then left out.

    `closed_by` is the closing checkpoint's number, None where the month is open. Only entries after the last
    checkpoint that was signed LATE_POSTINGS before the month's end are looked through: all before are of this month or
    an earlier one.
    """
    # SQL, since the builder knows no LATERAL.
    rows = await database.fetch_all(
        """
        WITH bounds AS (
            SELECT max(number) AS base FROM ledger_checkpoints
            WHERE created_at <= $4 AND ($5::bigint IS NULL OR number < $5::bigint)
        )
        SELECT h.id, f.id AS fees, h.network, h.asset, a.decimals, last.seq, last.hash, last.available_after_raw,
            last.locked_after_raw
        FROM ledger_heads h
        JOIN assets a ON a.network = h.network AND a.symbol = h.asset
        LEFT JOIN ledger_heads f ON f.owner = $6 AND f.network = h.network AND f.asset = h.asset
        CROSS JOIN bounds
        LEFT JOIN LATERAL (
            SELECT l.seq FROM ledger_checkpoint_leaves l WHERE l.ledger = h.id AND l.checkpoint <= bounds.base
            ORDER BY l.checkpoint DESC LIMIT 1
        ) base ON true
        LEFT JOIN LATERAL (
            SELECT l.seq FROM ledger_checkpoint_leaves l WHERE l.ledger = h.id AND l.checkpoint <= $5::bigint
            ORDER BY l.checkpoint DESC LIMIT 1
        ) sealed ON true
        CROSS JOIN LATERAL (
            SELECT CASE WHEN $5::bigint IS NULL THEN h.seq ELSE coalesce(sealed.seq, 0) END AS seq
        ) upto
        LEFT JOIN LATERAL (
            SELECT e.seq FROM ledger_entries e
            WHERE e.ledger = h.id AND e.seq > coalesce(base.seq, 0) AND e.seq <= upto.seq AND e.created_at >= $3
            ORDER BY e.seq LIMIT 1
        ) later ON true
        JOIN ledger_entries last ON last.ledger = h.id AND last.seq = coalesce(later.seq - 1, upto.seq)
        WHERE h.owner = $1 AND h.network LIKE '%:' || $2
        ORDER BY h.asset, h.network
        """,
        owner,
        mode,
        month.end,
        month.end - LATE_POSTINGS,
        closed_by,
        FEES,
    )
    return [
        Closing(
            ledger=row["id"],
            fees_ledger=row["fees"],
            chain=ChainId(owner=owner, network=row["network"], asset=row["asset"]),
            decimals=row["decimals"],
            state=State(
                row["seq"], int(row["available_after_raw"]), int(row["locked_after_raw"]), row["hash"] or GENESIS_HASH
            ),
        )
        for row in rows
    ]


_WITH_WORTH = """
    LEFT JOIN LATERAL (
        SELECT f.available_delta_raw FROM ledger_entries f
        WHERE f.ledger = $2 AND f.reference_type = e.reference_type AND f.reference_id = e.reference_id
            AND f.kind = CASE e.kind
                WHEN 'invoice_credit' THEN 'service_fee' WHEN 'payout_settled' THEN 'payout_fee'
                WHEN 'refund_settled' THEN 'refund_fee' WHEN 'deposit_reversal' THEN 'deposit_reversal' END
        LIMIT 1
    ) fee ON true
    LEFT JOIN LATERAL (
        SELECT v.currency, v.worth_raw FROM worths v
        WHERE v.reference_id = e.reference_id AND v.reference_type = e.reference_type
            AND v.kind = CASE e.kind WHEN 'deposit_reversal' THEN 'invoice_credit' ELSE e.kind END
        LIMIT 1
    ) w ON true
"""
"""What belongs to an entry `e`: the fee that was booked with it in the ledger $2, and its worth. A reversal takes away
what the credit was worth, and so has its worth. LIMIT keeps Postgres from reading both tables whole: it looks each up
by its unique key, so that a sum costs as much as its entries are many."""


async def movements(ledger: int, fees_ledger: int | None, after_seq: int, last_seq: int) -> list[MovementRow]:
    """The sums of a ledger's entries after a seq, up to `last_seq`, by kind of entry and currency of worth."""
    # SQL: a sum over a join by expressions.
    rows = await database.fetch_all(
        f"""
        SELECT e.kind, w.currency, count(*) AS count, sum(e.available_delta_raw) AS available_raw,
            sum(e.locked_delta_raw) AS locked_raw, coalesce(sum(fee.available_delta_raw), 0) AS fee_raw,
            coalesce(sum(w.worth_raw * sign(e.available_delta_raw + e.locked_delta_raw)), 0) AS worth_raw
        FROM ledger_entries e
        {_WITH_WORTH}
        WHERE e.ledger = $1 AND e.seq > $3 AND e.seq <= $4
        GROUP BY e.kind, w.currency
        """,
        ledger,
        fees_ledger,
        after_seq,
        last_seq,
    )
    return [
        MovementRow(
            kind=row["kind"],
            currency=row["currency"],
            count=row["count"],
            available_raw=int(row["available_raw"]),
            locked_raw=int(row["locked_raw"]),
            fee_raw=int(row["fee_raw"]),
            worth_raw=int(row["worth_raw"]),
        )
        for row in rows
    ]


async def lines(ledger: int, fees_ledger: int | None, after_seq: int, last_seq: int, limit: int) -> list[Line]:
    """The next lines of a ledger after a seq, up to `last_seq`, oldest first."""
    # SQL: a transaction is a subquery, and a deposit's id is a part of a reference.
    rows = await database.fetch_all(
        f"""
        SELECT e.seq, e.kind, e.available_delta_raw::text AS available_delta_raw,
            e.locked_delta_raw::text AS locked_delta_raw, e.available_after_raw::text AS available_after_raw,
            e.locked_after_raw::text AS locked_after_raw, e.reference_type, e.reference_id, e.created_at, e.prev_hash,
            e.hash, coalesce(fee.available_delta_raw, 0) AS fee_raw, w.currency,
            w.worth_raw * sign(e.available_delta_raw + e.locked_delta_raw) AS worth_raw,
            i.id AS invoice_id, i.order_id, coalesce(d.txid, paid.txid) AS txid
        FROM ledger_entries e
        {_WITH_WORTH}
        LEFT JOIN deposits d ON e.reference_type = 'deposit' AND d.id = split_part(e.reference_id, '#', 1)
        LEFT JOIN refunds r ON e.reference_type = 'refund' AND r.id = e.reference_id
        LEFT JOIN invoices i ON i.id = coalesce(d.invoice, r.invoice)
        LEFT JOIN LATERAL (
            SELECT t.txid FROM outgoing_payments p JOIN outgoing_transactions t ON t.id = p.transaction
            WHERE p.withdrawal = e.reference_id AND t.status = 'confirmed' ORDER BY t.id LIMIT 1
        ) paid ON e.kind IN ('payout_settled', 'refund_settled')
        WHERE e.ledger = $1 AND e.seq > $3 AND e.seq <= $4
        ORDER BY e.seq LIMIT $5
        """,
        ledger,
        fees_ledger,
        after_seq,
        last_seq,
        limit,
    )
    return [
        Line(
            entry=Entry(
                seq=row["seq"],
                kind=row["kind"],
                available_delta_raw=row["available_delta_raw"],
                locked_delta_raw=row["locked_delta_raw"],
                available_after_raw=row["available_after_raw"],
                locked_after_raw=row["locked_after_raw"],
                reference=Reference(row["reference_type"], row["reference_id"]),
                created_at=rfc3339(row["created_at"]),
                prev_hash=row["prev_hash"],
                hash=row["hash"],
            ),
            fee_raw=int(row["fee_raw"]),
            currency=row["currency"],
            worth_raw=None if row["worth_raw"] is None else int(row["worth_raw"]),
            invoice_id=row["invoice_id"],
            order_id=row["order_id"],
            txid=row["txid"],
        )
        for row in rows
    ]
