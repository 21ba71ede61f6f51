"""Invoices, what they may be paid with, and the refunds of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from swap_pay._async.pages import AsyncPages
from swap_pay._async.refunds import AsyncInvoiceRefunds
from swap_pay._async.transport import AsyncTransport
from swap_pay._generated.api.invoices import cancel_invoice, create_invoice, create_quote, get_invoice, list_invoices
from swap_pay._generated.models import (
    AssetOnChain,
    FeePayer,
    Invoice,
    InvoiceRequest,
    InvoiceStatus,
    Metadata,
)
from swap_pay._given import given, key_of, left_out
from swap_pay.amounts import Amount, as_text


class AsyncQuotes:
    """`client.invoices.quotes`: what a price is in one asset."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def create(self, invoice_id: str, *, asset: str, chain: str, idempotency_key: str | None = None) -> Invoice:
        """Choose what an invoice with a price is paid with, as the customer would. Returns the invoice, whose `pay_in`
        has the amount and the address. Raises InvoiceNotQuotable, RateUnavailable."""
        body = AssetOnChain(asset=asset, chain=chain)
        request = create_quote.request(invoice_id, body=body, idempotency_key=key_of(idempotency_key))
        return await self._transport.call(request, create_quote.answer)


class AsyncInvoices:
    """`client.invoices`: ask a customer for an exact amount of one asset, or for a price in a national currency."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport
        self.quotes = AsyncQuotes(transport)
        self.refunds = AsyncInvoiceRefunds(transport)

    async def create(
        self,
        *,
        amount: Amount,
        currency: str,
        chain: str | None = None,
        order_id: str | None = None,
        description: str | None = None,
        customer_id: str | None = None,
        customer_email: str | None = None,
        success_url: str | None = None,
        fail_url: str | None = None,
        webhook_url: str | None = None,
        pay_in_assets: Sequence[AssetOnChain] | None = None,
        metadata: Mapping[str, Any] | None = None,
        expires_in: int | None = None,
        fee_payer: FeePayer | str | None = None,
        idempotency_key: str | None = None,
    ) -> Invoice:
        """Create an invoice, and send your customer to its `payment_url`.

        With `chain`, `currency` is an asset such as USDT; without, a national currency such as EUR, and the customer
        chooses what to pay with. `expires_in` is in minutes. The same `order_id` is taken once: the second time raises
        DuplicateOrderId, whose `invoice_id` is the first one's. Raises InvalidInput and the other errors of the API.
        """
        body = InvoiceRequest(
            amount=as_text(amount),
            currency=currency,
            chain=given(chain),
            order_id=given(order_id),
            description=given(description),
            customer_id=given(customer_id),
            customer_email=given(customer_email),
            success_url=given(success_url),
            fail_url=given(fail_url),
            webhook_url=given(webhook_url),
            pay_in_assets=left_out() if pay_in_assets is None else list(pay_in_assets),
            metadata=left_out() if metadata is None else Metadata.from_dict(metadata),
            expires_in=given(expires_in),
            fee_payer=left_out() if fee_payer is None else FeePayer(fee_payer),
        )
        request = create_invoice.request(body=body, idempotency_key=key_of(idempotency_key))
        return await self._transport.call(request, create_invoice.answer)

    async def get(self, invoice_id: str) -> Invoice:
        """One invoice. Raises InvoiceNotFound."""
        return await self._transport.call(get_invoice.request(invoice_id), get_invoice.answer)

    def list(
        self,
        *,
        status: InvoiceStatus | str | None = None,
        currency: str | None = None,
        chain: str | None = None,
        order_id: str | None = None,
        customer_id: str | None = None,
        customer_email: str | None = None,
        payment_link: str | None = None,
        created_from: datetime | None = None,
        created_to: datetime | None = None,
        page_size: int = 100,
        cursor: str | None = None,
    ) -> AsyncPages[Invoice]:
        """Invoices, the newest first. `created_from` is inclusive, `created_to` is not; both need a time zone."""

        async def fetch(cursor: str | None) -> tuple[Sequence[Invoice], str | None]:
            request = list_invoices.request(
                status=left_out() if status is None else InvoiceStatus(status),
                currency=given(currency),
                chain=given(chain),
                order_id=given(order_id),
                customer_id=given(customer_id),
                customer_email=given(customer_email),
                payment_link=given(payment_link),
                created_from=given(created_from),
                created_to=given(created_to),
                limit=page_size,
                cursor=given(cursor),
            )
            page = await self._transport.call(request, list_invoices.answer)
            return page.data, page.next_cursor

        return AsyncPages(fetch, cursor)

    async def cancel(self, invoice_id: str) -> Invoice:
        """Cancel an invoice that nobody has paid. Raises InvoiceNotCancellable."""
        return await self._transport.call(cancel_invoice.request(invoice_id), cancel_invoice.answer)
