"""Invoices for tests, made as the API makes them."""

from datetime import timedelta
from typing import Any, cast

import msgspec

from app.core import clock
from app.invoices.creation import NewInvoice
from app.invoices.presentation import InvoiceBody, PayIn
from app.merchants.terms import Terms
from app.wiring import Services


class AskedInvoice(InvoiceBody, frozen=True, kw_only=True):
    """An invoice that asks for an amount of an asset: one that names it, or whose customer has chosen."""

    amount_decimal: str
    amount_raw: str
    pay_in: PayIn
    service_fee_raw: str
    net_raw: str


async def invoice(services: Services, terms: Terms, *, amount: str = "5.00", **fields: Any) -> AskedInvoice:
    """An invoice in USDT on ethereum that expires in an hour, unless `fields` say otherwise."""
    request = {"currency": "USDT", "chain": "ethereum", "expires_in": timedelta(hours=1), **fields}
    new = NewInvoice(amount=amount, **request)
    body = await services.invoice_creation.create(terms, new, None, clock.now())
    return msgspec.json.decode(body, type=AskedInvoice)


async def reread(services: Services, invoice: InvoiceBody) -> AskedInvoice:
    """The present state of an invoice that asks for an amount of an asset."""
    return cast(AskedInvoice, await services.invoice_reader.get_any(invoice.id))
