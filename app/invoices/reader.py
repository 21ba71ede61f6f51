"""Read invoices in their public form. A merchant's reads are scoped to the merchant and the mode."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from app.core.batching import PATIENCE_S, Batcher
from app.core.keyset import Order, Page, Place, Total
from app.invoices import reading_repository
from app.invoices.presentation import Due, InvoiceBody, InvoicePresenter
from app.invoices.reading_repository import Filters, PublicRow, ShownInvoice, shown_quotes
from app.merchants import frame_origins
from app.merchants.branding import Branding
from app.worth.presentation import worth_body

MAX_TOGETHER = 50
MAX_READS = 3
"""Invoices that one SELECT reads for requests that wait together, and SELECTs at once in one process."""

_ID = re.compile(r"INV-[0-9A-Z]{1,16}", re.ASCII)
"""The form of an invoice's id. A request with another form gets no place in the shared statement."""


class PublicInvoice(msgspec.Struct, frozen=True, kw_only=True):
    """An invoice for its customer: with the amount to send now, the merchant, and when its network was last checked.

    `due` is None while the customer has yet to choose what to pay with. Pages of `frame_origins` may frame its page.
    `pay_until` is the quote's end, where there is one, else the invoice's.
    """

    body: InvoiceBody
    due: Due | None
    accepts_parts: bool
    merchant_id: str
    merchant_name: str
    branding: Branding
    frame_origins: tuple[str, ...]
    pay_until: datetime
    network_checked_at: datetime | None
    network_halted: bool
    announced: tuple[str, ...] = ()
    """Ids of transactions that the page says were sent from a wallet, and that the network has not shown yet."""


class InvoiceReader:
    """Reads invoices in their public form. Belongs to one event loop; reads that wait together share one statement."""

    def __init__(self, presenter: InvoicePresenter) -> None:
        self._presenter = presenter
        self._owned = Batcher(
            reading_repository.find_owned, max_batch=MAX_TOGETHER, max_in_flight=MAX_READS, patience_s=PATIENCE_S
        )
        self._public = Batcher(
            reading_repository.find_public, max_batch=MAX_TOGETHER, max_in_flight=MAX_READS, patience_s=PATIENCE_S
        )

    async def get(self, merchant_id: str, mode: str, invoice_id: str) -> InvoiceBody | None:
        """One invoice; None where the merchant has no such invoice in this mode. Not inside a transaction."""
        if not _ID.fullmatch(invoice_id):
            return None
        row = await self._owned.ask((merchant_id, mode, invoice_id))
        return None if row is None else self._body(row)

    async def get_any(self, invoice_id: str) -> InvoiceBody:
        """One invoice of any merchant: for our own use cases, inside their transaction. Raises LookupError."""
        return (await self.get_each([invoice_id]))[0]

    async def get_each(self, invoice_ids: Sequence[str]) -> list[InvoiceBody]:
        """`get_any` of each of these invoices, in one statement. Raises LookupError."""
        rows = await reading_repository.find(invoice_ids)
        return [self._body(rows[invoice_id]) for invoice_id in invoice_ids]

    async def get_public(self, invoice_id: str) -> PublicInvoice | None:
        """One invoice as its payment link shows it. Not inside a transaction."""
        row = await self._public.ask(invoice_id)
        return None if row is None else self._shown(row)

    async def get_public_of(self, invoice_ids: Sequence[str]) -> list[PublicInvoice | None]:
        """Each of these invoices as its payment link shows it, None where there is none: one statement for all."""
        rows = await reading_repository.find_public(invoice_ids)
        return [None if row is None else self._shown(row) for row in rows]

    async def page(
        self,
        merchant_id: str,
        mode: str,
        filters: Filters,
        place: Place | None,
        limit: int,
        *,
        order: Order = Order.NEWEST,
    ) -> Page[InvoiceBody]:
        """A page of a merchant's invoices."""
        return await reading_repository.page(merchant_id, mode, filters, place, limit, self._body, order=order)

    async def total(self, merchant_id: str, mode: str, filters: Filters) -> Total:
        """How many invoices the list has, on all its pages."""
        return await reading_repository.total(merchant_id, mode, filters)

    def _shown(self, row: PublicRow) -> PublicInvoice:
        body = self._body(row.invoice)
        return PublicInvoice(
            body=body,
            due=self._presenter.due(row.invoice, body.pay_in),
            accepts_parts=row.invoice.accept_parts,
            merchant_id=row.invoice.merchant,
            merchant_name=row.merchant_name,
            branding=row.branding,
            frame_origins=frame_origins.allowed(row.frame_origins, row.invoice.mode),
            pay_until=row.invoice.pay_until,
            network_checked_at=row.network_checked_at,
            network_halted=row.network_halted,
            announced=tuple(row.announced),
        )

    def _body(self, row: ShownInvoice) -> InvoiceBody:
        deposits: list[dict[str, Any]] = msgspec.json.decode(row.deposits) if row.deposits else []
        worth = worth_body(row.worth_raw, row.worth_currency)
        return self._presenter.body(row, deposits, row.review, shown_quotes(row.quotes), worth)
