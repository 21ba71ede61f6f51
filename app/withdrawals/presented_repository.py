"""Payouts and refunds as merchants read them, each with its own columns and the txid to show.

All statements here are SQL: no foreign key leads from a withdrawal to its payout or refund, and the modules of those
are above this one.
"""

from datetime import UTC, datetime

import msgspec

from app.core import database
from app.core.database import Row
from app.core.keyset import MOST_COUNTED, Order, Page, Place, Total, direction, page_of
from app.core.searching import Places, Search
from app.withdrawals import search_repository
from app.withdrawals.repository import Kind
from app.withdrawals.states import LIVE, Status

EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
"""Before and after everything that is stored."""


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """Exact filters of a list; None leaves one out. `created_from` is inclusive, `created_to` exclusive. `search` is
    what a text means (app/reports/search.py)."""

    status: str | None = None
    network: str | None = None
    asset: str | None = None
    invoice_id: str | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    search: Search | None = None


class PresentedWithdrawal(msgspec.Struct, frozen=True, kw_only=True):
    """A withdrawal with the columns of its payout or refund; those of the other kind are None. Amounts are in minor
    units, `metadata` is JSON. `worth_raw` is what it was worth when it was confirmed, in minor units of
    `worth_currency`; None where that is not known."""

    id: str
    kind: Kind
    merchant: str | None
    mode: str
    network: str
    asset: str
    amount_raw: int
    fee_raw: int
    destination: str
    destination_memo: str | None
    status: str
    held: bool
    waiting_reason: str | None
    decision_reason: str | None
    created_at: datetime
    approved_at: datetime | None
    submitted_at: datetime | None
    settled_at: datetime | None
    description: str | None
    metadata: str | None
    invoice: str | None
    deposit: str | None
    reason: str | None
    customer_visible_reason: str | None
    txid: str | None
    worth_raw: int | None
    worth_currency: str | None


async def presented(withdrawal_id: str) -> PresentedWithdrawal:
    """One payout or refund of any merchant. Raises LookupError."""
    row = await database.fetch_one(f"{_SELECT} WHERE w.id = $1", withdrawal_id)
    if row is None:
        raise LookupError(withdrawal_id)
    return _presented(row)


async def presented_of(kind: Kind, merchant_id: str, mode: str, withdrawal_id: str) -> PresentedWithdrawal | None:
    """One payout or refund of a merchant."""
    row = await database.fetch_one(
        f"{_SELECT} WHERE w.id = $1 AND w.kind = $2 AND w.merchant = $3 AND w.mode = $4",
        withdrawal_id,
        kind,
        merchant_id,
        mode,
    )
    return None if row is None else _presented(row)


async def total(kind: Kind, merchant_id: str, mode: str, filters: Filters) -> Total:
    """How many payouts or refunds a merchant has with these filters, among its newest MOST_COUNTED of these days."""
    row = await database.fetch_one(
        f"""
        SELECT count(*) FILTER (
                WHERE coalesce(status = $4, true) AND coalesce(network = $5, true) AND coalesce(asset = $6, true)
            ) AS counted, count(*) AS read
        FROM (
            SELECT status, network, asset FROM withdrawals
            WHERE merchant = $1 AND mode = $2 AND kind = $3 AND created_at >= $7 AND created_at < $8
            ORDER BY created_at DESC, id DESC LIMIT {MOST_COUNTED + 1:d}
        ) newest
        """,
        merchant_id,
        mode,
        kind,
        filters.status,
        filters.network,
        filters.asset,
        filters.created_from or EARLIEST,
        filters.created_to or LATEST,
    )
    assert row is not None, "an aggregate has a row"
    return Total(min(row["counted"], MOST_COUNTED), row["read"] <= MOST_COUNTED)


async def page(
    kind: Kind,
    merchant_id: str,
    mode: str,
    filters: Filters,
    place: Place | None,
    limit: int,
    *,
    order: Order = Order.NEWEST,
) -> Page[PresentedWithdrawal]:
    """A page of a merchant's payouts or refunds."""
    conditions, args = _where(kind, merchant_id, mode, filters)
    comparison, way = direction(place, oldest_first=order.is_ascending)
    key = [f"w.{name}" for name in order.key]
    if place is not None:
        args.extend(place.key)
        conditions.append(f"({', '.join(key)}) {comparison} (${len(args) - 1}, ${len(args)})")
    in_order = ", ".join(f"{name} {way}" for name in key)
    rows = await database.fetch_all(
        f"{_SELECT} WHERE {' AND '.join(conditions)} ORDER BY {in_order} LIMIT {limit + 1:d}", *args
    )
    return page_of(rows, limit, place, key=order.key, made=_presented)


async def count(kind: Kind, merchant_id: str, mode: str, filters: Filters, most: int | None) -> int:
    """How many payouts or refunds of a merchant the filters leave; with `most`, no more than so many are counted."""
    conditions, args = _where(kind, merchant_id, mode, filters)
    limit = "" if most is None else f"LIMIT {most:d}"
    found: int = await database.fetch_value(
        f"""
        SELECT count(*) FROM (
            SELECT FROM withdrawals w LEFT JOIN refunds r ON r.id = w.id WHERE {" AND ".join(conditions)} {limit}
        ) counted
        """,
        *args,
    )
    return found


def _where(kind: Kind, merchant_id: str, mode: str, filters: Filters) -> tuple[list[str], list[object]]:
    """The conditions with only the filters that are set, and their values."""
    conditions = ["w.merchant = $1", "w.mode = $2", "w.kind = $3"]
    args: list[object] = [merchant_id, mode, kind]
    wanted = {
        "w.status = {}": filters.status,
        "w.network = {}": filters.network,
        "w.asset = {}": filters.asset,
        "r.invoice = {}": filters.invoice_id,
        "w.created_at >= {}": filters.created_from,
        "w.created_at < {}": filters.created_to,
    }
    for condition, value in wanted.items():
        if value is not None:
            args.append(value)
            conditions.append(condition.format(f"${len(args)}"))
    if filters.search is not None:
        conditions.append(search_repository.condition(filters.search, kind, Places(args)))
    return conditions, args


# A transaction is shown once it was sent; the confirmed one of a bumped series before the others.
_SELECT = """
    SELECT w.id, w.kind, w.merchant, w.mode, w.network, w.asset, w.amount_raw, w.fee_raw, w.destination,
        w.destination_memo, w.status, w.held, w.waiting_reason, w.decision_reason, w.created_at, w.approved_at,
        w.submitted_at, w.settled_at,
        p.description, p.metadata, r.invoice, r.deposit, r.reason, r.customer_visible_reason,
        (SELECT t.txid FROM outgoing_payments o JOIN outgoing_transactions t ON t.id = o.transaction
            WHERE o.withdrawal = w.id AND t.status IN ('submitted', 'confirmed', 'reverted')
            ORDER BY t.status = 'confirmed' DESC, t.id DESC LIMIT 1) AS txid,
        v.worth_raw, v.currency AS worth_currency
    FROM withdrawals w LEFT JOIN payouts p ON p.id = w.id LEFT JOIN refunds r ON r.id = w.id
    LEFT JOIN worths v ON v.reference_id = w.id AND v.reference_type = w.kind AND v.kind = w.kind || '_settled'
    """


def _presented(row: Row) -> PresentedWithdrawal:
    return PresentedWithdrawal(**row)


async def live_refunds_raw(invoice_id: str) -> int:
    """The total that refunds of an invoice's own credit have locked or sent, in minor units."""
    return await _refunds_raw(invoice_id, *LIVE)


async def confirmed_refunds_raw(invoice_id: str) -> int:
    """The total of the confirmed refunds of an invoice's own credit, in minor units."""
    return await _refunds_raw(invoice_id, Status.CONFIRMED)


async def _refunds_raw(invoice_id: str, *statuses: Status) -> int:
    """Returns of deposits in review are left out: that money was never credited."""
    total_raw: int = await database.fetch_value(
        """
        SELECT coalesce(sum(w.amount_raw), 0) FROM refunds r JOIN withdrawals w ON w.id = r.id
        WHERE r.invoice = $1 AND r.deposit IS NULL AND w.status = ANY($2)
        """,
        invoice_id,
        [status.value for status in statuses],
    )
    return total_raw


async def invoice_of(refund_id: str) -> str | None:
    """The invoice of a refund; None for a payout, and for a refund that has none."""
    invoice_id: str | None = await database.fetch_value("SELECT invoice FROM refunds WHERE id = $1", refund_id)
    return invoice_id
