"""Statements on `announced_transactions`."""

from datetime import datetime

from piccolo.query.functions import Count

from app.core import database
from app.core.statement import Command, Param, Statement, insert
from app.deposits.tables import AnnouncedTransaction

MOST = 5
"""Transactions that the page of one invoice may announce: a customer who sends in parts, and mistakes."""


async def add(invoice: str, network: str, txid: str, now: datetime) -> bool:
    """Write that a transaction was sent for an invoice; False where it is there already, or five others are. In the
    caller's transaction: the invoice's row is locked, so that two together can't both be the fifth."""
    await database.execute("SELECT 1 FROM invoices WHERE id = $1 FOR NO KEY UPDATE", invoice)  # another noun's table
    if await _KNOWN.first(invoice=invoice, txid=txid):
        return False
    number = (await _COUNT.first(invoice=invoice) or 0) + 1
    if number > MOST:
        return False
    await _ADD.run(invoice=invoice, number=number, network=network, txid=txid, announced_at=now)
    return True


_OF_INVOICE = AnnouncedTransaction.invoice == Param("invoice")
_KNOWN = Statement(
    AnnouncedTransaction.select(AnnouncedTransaction.txid).where(
        _OF_INVOICE & (AnnouncedTransaction.txid == Param("txid"))
    ),
    str,
)
_COUNT = Statement(AnnouncedTransaction.select(Count()).where(_OF_INVOICE), int)
_ADD = Command(insert(AnnouncedTransaction))
