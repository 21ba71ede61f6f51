"""Invoices for tests, made as the API makes them."""

from datetime import timedelta
from typing import Any

import msgspec

from app.core import clock
from app.invoices.creation import NewInvoice
from app.invoices.presentation import InvoiceBody
from app.merchants.terms import Terms
from app.wiring import Services


async def invoice(services: Services, terms: Terms, *, amount: str = "5.00", **fields: Any) -> InvoiceBody:
    """An invoice in USDT on ethereum that expires in an hour, unless `fields` say otherwise."""
    request = {"currency": "USDT", "chain": "ethereum", "expires_in": timedelta(hours=1), **fields}
    new = NewInvoice(amount=amount, **request)
    body = await services.invoice_creation.create(terms, new, None, clock.now())
    return msgspec.json.decode(body, type=InvoiceBody)


async def reread(services: Services, invoice: InvoiceBody) -> InvoiceBody:
    """The invoice's present state."""
    return await services.invoice_reader.get_any(invoice.id)
