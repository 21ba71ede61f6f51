"""Deposits by the references of their bookings: which invoice each is of."""

from collections.abc import Collection

import msgspec

from app.core.statement import Param, Statement, any_of, select
from app.deposits.tables import Deposit


class DepositOfInvoice(msgspec.Struct, frozen=True):
    """A deposit, its invoice, and how often its booking was reversed."""

    id: str
    invoice: str
    times_reversed: int


async def of_deposits(deposit_ids: Collection[str]) -> dict[str, str]:
    """The invoice of each of these deposits."""
    return {row.id: row.invoice for row in await _OF_DEPOSITS.all(ids=list(deposit_ids))}


_OF_DEPOSITS = Statement(select(Deposit, DepositOfInvoice).where(any_of(Deposit.id, Param("ids"))), DepositOfInvoice)


async def of_invoice(invoice_id: str, limit: int) -> list[DepositOfInvoice]:
    """The newest deposits of an invoice, `limit` at most."""
    return await _OF_INVOICE.all(invoice=invoice_id, limit=limit)


_OF_INVOICE = Statement(
    select(Deposit, DepositOfInvoice)
    .where(Deposit.invoice == Param("invoice"))
    .order_by(Deposit.seen_at, ascending=False),
    DepositOfInvoice,
    limited=True,
)
