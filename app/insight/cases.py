"""Manual reviews as their merchant sees them: what came, why it did not simply pay, what became of it."""

from dataclasses import dataclass
from datetime import datetime

from app.core import database


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


async def page(
    merchant_id: str, mode: str, *, status: str | None, after: tuple[datetime, str] | None, limit: int
) -> tuple[list[Case], tuple[datetime, str] | None]:
    """A page of cases, newest first, past the one that `after` names; and the key of its last if more follow."""
    rows = await database.fetch_all(
        f"""
        {_SELECT} WHERE r.merchant = $1 AND i.mode = $2 AND ($3::text IS NULL OR r.status = $3)
            AND ($4::timestamptz IS NULL OR (r.opened_at, r.id) < ($4, $5))
        ORDER BY r.opened_at DESC, r.id DESC LIMIT $6
        """,
        merchant_id,
        mode,
        status,
        None if after is None else after[0],
        None if after is None else int(after[1]),
        limit + 1,
    )
    found = [Case(**dict(row)) for row in rows[:limit]]
    return found, (found[-1].opened_at, str(found[-1].id)) if len(rows) > limit else None


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
