"""Statements on `refunds`, and what a refund reads of its invoice."""

from collections.abc import Collection

import msgspec

from app.core import database
from app.core.statement import Command, Param, Statement, insert, select
from app.invoices.tables import Invoice
from app.refunds.tables import Refund


class InvoiceAsset(msgspec.Struct, frozen=True):
    """An invoice's status, and the network and asset that it is paid in; None while nothing is chosen."""

    status: str
    network: str | None
    asset: str | None


class InvoiceCredit(msgspec.Struct, frozen=True):
    """An invoice's status, what it is paid in, and what its merchant was credited for it, in minor units."""

    status: str
    network: str | None
    asset: str | None
    credited_raw: int | None


class SentBack(msgspec.Struct, frozen=True):
    """A refund that its customer may see: submitted or confirmed. The amount is in minor units."""

    txid: str
    asset: str
    amount_raw: int
    customer_visible_reason: str | None
    is_confirmed: bool


async def add(
    refund_id: str,
    *,
    invoice_id: str | None,
    deposit_id: str | None,
    reason: str | None,
    customer_visible_reason: str | None,
) -> None:
    """Insert what a refund has beyond a withdrawal, in the caller's transaction."""
    database.in_transaction()
    await _ADD.run(
        id=refund_id,
        invoice=invoice_id,
        deposit=deposit_id,
        reason=reason,
        customer_visible_reason=customer_visible_reason,
    )


_ADD = Command(insert(Refund))


async def invoice_asset(merchant_id: str, mode: str, invoice_id: str) -> InvoiceAsset | None:
    """What a merchant's invoice is paid in; None where the merchant has no such invoice."""
    return await _INVOICE_ASSET.first(id=invoice_id, merchant=merchant_id, mode=mode)


_INVOICE_ASSET = Statement(
    select(Invoice, InvoiceAsset).where(
        Invoice.id == Param("id"), Invoice.merchant == Param("merchant"), Invoice.mode == Param("mode")
    ),
    InvoiceAsset,
)


async def lock_invoice_credit(invoice_id: str) -> InvoiceCredit:
    """Lock an invoice that exists, in the caller's transaction, and read what can be refunded of it."""
    database.in_transaction()
    return await _LOCK_INVOICE_CREDIT.one(id=invoice_id)


_LOCK_INVOICE_CREDIT = Statement(
    select(Invoice, InvoiceCredit).where(Invoice.id == Param("id")).lock_rows("UPDATE"), InvoiceCredit
)


async def sent_back(invoice_ids: Collection[str]) -> dict[str, list[SentBack]]:
    """The refunds of these invoices that are sent or confirmed, oldest first, by invoice; those without are left out.

    Refunds that wait for approval, or ended without a transfer, are left out. Of a refund whose fee was bumped, the
    confirmed transaction is shown, else the newest.
    """
    # SQL, since the builder knows no LATERAL, and no foreign key leads from a refund to its withdrawal.
    rows = await database.fetch_all(
        """
        SELECT t.txid, w.asset, w.amount_raw, r.customer_visible_reason, w.status = 'confirmed' AS is_confirmed,
            r.invoice
        FROM refunds r
        JOIN withdrawals w ON w.id = r.id
        JOIN LATERAL (
            SELECT o.txid FROM outgoing_payments p JOIN outgoing_transactions o ON o.id = p.transaction
            WHERE p.withdrawal = w.id AND o.status IN ('submitted', 'confirmed')
            ORDER BY o.status = 'confirmed' DESC, o.id DESC LIMIT 1
        ) t ON true
        WHERE r.invoice = ANY($1) AND w.status IN ('submitted', 'confirmed')
        ORDER BY w.created_at, w.id
        """,
        invoice_ids,
    )
    found: dict[str, list[SentBack]] = {}
    for *refund, invoice_id in rows:
        found.setdefault(invoice_id, []).append(SentBack(*refund))
    return found
