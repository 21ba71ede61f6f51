"""Reading refunds."""

from dataclasses import dataclass

from app.core import database


@dataclass(frozen=True, slots=True)
class SentBack:
    """A refund that its customer may see: on its way, or confirmed."""

    txid: str
    asset: str
    amount_raw: int
    customer_visible_reason: str | None
    is_confirmed: bool


async def sent_back(invoice_id: str) -> list[SentBack]:
    """What was sent back for an invoice, oldest first.

    Requests that wait for approval, or came to nothing, are the merchant's business and not in here. Of a refund
    whose fee was bumped the newest transaction counts, or the one that was confirmed.
    """
    rows = await database.fetch_all(
        """
        SELECT t.txid, w.asset, w.amount_raw, r.customer_visible_reason, w.status = 'confirmed' AS is_confirmed
        FROM refunds r
        JOIN withdrawals w ON w.id = r.id
        JOIN LATERAL (
            SELECT txid FROM outgoing_transactions o
            WHERE o.withdrawal = w.id AND o.status IN ('submitted', 'confirmed')
            ORDER BY o.status = 'confirmed' DESC, o.id DESC LIMIT 1
        ) t ON true
        WHERE r.invoice = $1 AND w.status IN ('submitted', 'confirmed')
        ORDER BY w.created_at, w.id
        """,
        invoice_id,
    )
    return [SentBack(*row) for row in rows]
