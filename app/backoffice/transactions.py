"""Our own transactions with their payments, as operators read them."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from app.core import database
from app.core.database import Row
from app.core.keyset import Page, Place, direction, page_of


class ListedTransaction(msgspec.Struct, frozen=True, kw_only=True):
    """A signed transaction. `fee_raw` is what it has cost once it is in a block, before that the most that it can cost,
    in minor units of the native coin. `replaced_by`: the attempt at the same payments that was signed after it.
    """

    id: int
    network: str
    purpose: str
    status: str
    txid: str
    lineage: int
    payments: int
    block_height: int | None
    fee_raw: int
    fee_is_final: bool
    signed_bytes: bytes
    replaced_by: int | None
    replaced_by_txid: str | None
    created_at: datetime
    submitted_at: datetime | None
    settled_at: datetime | None


class ListedPayment(msgspec.Struct, frozen=True, kw_only=True):
    """One payment of a transaction. `withdrawal` is None for a move between our own addresses."""

    position: int
    to_address: str
    asset: str
    amount_raw: int
    withdrawal: str | None
    kind: str | None
    status: str | None


_SELECT = """
    SELECT t.id, t.network, t.purpose, t.status, t.txid, t.lineage, t.block_height,
        coalesce(t.fee_raw, t.fee_cap_raw) AS fee_raw, t.fee_raw IS NOT NULL AS fee_is_final, t.signed_bytes,
        (SELECT count(*) FROM outgoing_payments p WHERE p.transaction = t.id) AS payments,
        later.id AS replaced_by, later.txid AS replaced_by_txid, t.created_at, t.submitted_at, t.settled_at
    FROM outgoing_transactions t LEFT JOIN outgoing_transactions later ON later.replaces = t.id
    """


async def page(network: str, place: Place | None, limit: int) -> Page[ListedTransaction]:
    """A page of a network's transactions by id, newest first."""
    comparison, order = direction(place)
    # SQL: a table is joined with itself, and a subquery counts.
    rows = await database.fetch_all(
        f"""
        {_SELECT} WHERE t.network = $1 AND ($2::bigint IS NULL OR t.id {comparison} $2)
        ORDER BY t.id {order} LIMIT $3
        """,
        network,
        None if place is None else place.key[0],
        limit + 1,
    )
    return page_of(rows, limit, place, key=("id",), made=_transaction)


async def attempts(network: str, transaction_id: int) -> list[ListedTransaction]:
    """Every attempt at the payments of a transaction, the first one first. Empty where the network has no such
    transaction."""
    rows = await database.fetch_all(
        f"""
        {_SELECT} WHERE t.network = $1 AND t.lineage = (SELECT lineage FROM outgoing_transactions WHERE id = $2)
        ORDER BY t.id
        """,
        network,
        transaction_id,
    )
    return [_transaction(row) for row in rows]


async def of_txid(network: str, txid: str) -> ListedTransaction | None:
    """Our own transaction with this id on a network; None where it is not ours."""
    row = await database.fetch_one(f"{_SELECT} WHERE t.network = $1 AND t.txid = $2", network, txid)
    return None if row is None else _transaction(row)


async def payments(transaction_id: int) -> Sequence[ListedPayment]:
    """The payments of a transaction, in their order."""
    # SQL: a LEFT JOIN off a nullable key, with two columns of one name.
    rows = await database.fetch_all(
        """
        SELECT p.position, p.to_address, p.asset, p.amount_raw, p.withdrawal, w.kind, w.status
        FROM outgoing_payments p LEFT JOIN withdrawals w ON w.id = p.withdrawal WHERE p.transaction = $1
        ORDER BY p.position
        """,
        transaction_id,
    )
    return [ListedPayment(**{**row, "amount_raw": int(row["amount_raw"])}) for row in rows]


def _transaction(row: Row) -> ListedTransaction:
    return ListedTransaction(**{**row, "fee_raw": int(row["fee_raw"])})
