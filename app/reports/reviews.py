"""Manual reviews as their merchant sees them: what came, why it did not simply pay, what became of it."""

from dataclasses import dataclass
from datetime import datetime

from app.core import database
from app.core.keyset import Page, Place, direction, page_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A deposit that an operator settles or has settled. Amounts are in minor units of their own assets."""

    id: int
    deposit_id: str
    invoice_id: str
    order_id: str | None
    verdict: str
    status: str
    outcome: str | None
    reason: str | None
    refund_id: str | None
    network: str
    asset: str
    came_raw: int
    asked_asset: str
    asked_raw: int
    from_address: str
    txid: str
    opened_at: datetime
    decided_at: datetime | None


async def page(merchant_id: str, mode: str, *, status: str | None, place: Place | None, limit: int) -> Page[Case]:
    """A page of cases by (opened_at, id), newest first."""
    comparison, order = direction(place)
    rows = await database.fetch_all(
        f"""
        {_SELECT} WHERE r.merchant = $1 AND i.mode = $2 AND ($3::text IS NULL OR r.status = $3)
            AND ($4::timestamptz IS NULL OR (r.opened_at, r.id) {comparison} ($4, $5))
        ORDER BY r.opened_at {order}, r.id {order} LIMIT $6
        """,
        merchant_id,
        mode,
        status,
        *(place.key if place else (None, None)),
        limit + 1,
    )
    return page_of(rows, limit, place, key=("opened_at", "id"), made=lambda row: Case(**dict(row)))


async def of_invoice(merchant_id: str, mode: str, invoice_id: str) -> list[Case]:
    """The cases of one invoice, oldest first."""
    rows = await database.fetch_all(
        f"{_SELECT} WHERE r.merchant = $1 AND i.mode = $2 AND r.invoice = $3 ORDER BY r.id",
        merchant_id,
        mode,
        invoice_id,
    )
    return [Case(**dict(row)) for row in rows]


_SELECT = """
    SELECT r.id, r.deposit AS deposit_id, r.invoice AS invoice_id, i.order_id, r.verdict, r.status, r.outcome,
        r.reason, r.refund_id, d.network, d.asset, d.amount_raw AS came_raw, i.asset AS asked_asset,
        i.pay_in_raw AS asked_raw, d.from_address, d.txid, r.opened_at, r.decided_at
    FROM reviews r JOIN deposits d ON d.id = r.deposit JOIN invoices i ON i.id = r.invoice
    """
