"""Payments to us that wait for a block, as operators read them: only some chains have a pool that we read."""

from datetime import datetime

import msgspec

from app.core import database
from app.core.database import Row
from app.core.keyset import Page, Place, direction, page_of


class PoolPayment(msgspec.Struct, frozen=True, kw_only=True):
    """A deposit that is in no block. `fee_rate_raw` is what its transaction pays for 1,000 units of its size, in minor
    units of the native coin."""

    id: str
    txid: str
    asset: str
    amount_raw: int
    invoice_id: str | None
    merchant_id: str | None
    merchant_name: str | None
    fee_rate_raw: int
    seen_at: datetime


class PoolSums(msgspec.Struct, frozen=True, kw_only=True):
    """How many payments to us wait for a block, by how many transactions."""

    payments: int
    transactions: int
    oldest_at: datetime | None


_WAITING = """
    FROM deposits d JOIN pool_transactions p ON p.network = d.network AND p.txid = d.txid AND NOT p.is_gone
    LEFT JOIN invoices i ON i.id = d.invoice LEFT JOIN merchants m ON m.id = i.merchant
    WHERE d.network = $1 AND d.status = 'seen' AND d.block_height IS NULL
    """


async def sums(network: str) -> PoolSums:
    """The counts for a network."""
    # SQL: no foreign key leads from a deposit to its transaction in the pool.
    row = await database.fetch_one(
        f"SELECT count(*) AS payments, count(DISTINCT d.txid) AS transactions, min(d.seen_at) AS oldest_at {_WAITING}",
        network,
    )
    assert row is not None
    return PoolSums(payments=row["payments"], transactions=row["transactions"], oldest_at=row["oldest_at"])


async def page(network: str, place: Place | None, limit: int) -> Page[PoolPayment]:
    """A page by (seen_at, id), oldest first: what waits longest is what an operator asks about."""
    comparison, order = direction(place, oldest_first=True)
    where = "" if place is None else f"AND (d.seen_at, d.id) {comparison} ($3, $4)"
    # SQL: no foreign key leads from a deposit to its transaction in the pool.
    rows = await database.fetch_all(
        f"""
        SELECT d.id, d.txid, d.asset, d.amount_raw, d.invoice AS invoice_id, m.id AS merchant_id,
            m.name AS merchant_name, p.fee_rate_raw, d.seen_at
        {_WAITING} {where} ORDER BY d.seen_at {order}, d.id {order} LIMIT $2
        """,
        network,
        limit + 1,
        *(() if place is None else place.key),
    )
    return page_of(rows, limit, place, key=("seen_at", "id"), made=_payment)


def _payment(row: Row) -> PoolPayment:
    return PoolPayment(**{**row, "amount_raw": int(row["amount_raw"]), "fee_rate_raw": int(row["fee_rate_raw"])})
