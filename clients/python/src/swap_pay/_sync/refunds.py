"""Refunds: money back to customers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from swap_pay._generated.api.refunds import create_refund, get_refund, list_invoice_refunds, list_refunds
from swap_pay._generated.models import Refund, RefundRequest, WithdrawalStatus
from swap_pay._given import given, key_of, left_out
from swap_pay._sync.pages import Pages
from swap_pay._sync.transport import Transport
from swap_pay.amounts import Amount, as_text


class SyncRefunds:
    """`client.refunds`: the refunds of all invoices."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def get(self, refund_id: str) -> Refund:
        """One refund. Raises RefundNotFound."""
        return self._transport.call(get_refund.request(refund_id), get_refund.answer)

    def list(
        self,
        *,
        invoice_id: str | None = None,
        status: WithdrawalStatus | str | None = None,
        asset: str | None = None,
        chain: str | None = None,
        created_from: datetime | None = None,
        created_to: datetime | None = None,
        page_size: int = 100,
        cursor: str | None = None,
    ) -> Pages[Refund]:
        """Refunds, the newest first. `created_from` is inclusive, `created_to` is not; both need a time zone."""

        def fetch(cursor: str | None) -> tuple[Sequence[Refund], str | None]:
            request = list_refunds.request(
                invoice_id=given(invoice_id),
                status=left_out() if status is None else WithdrawalStatus(status),
                asset=given(asset),
                chain=given(chain),
                created_from=given(created_from),
                created_to=given(created_to),
                limit=page_size,
                cursor=given(cursor),
            )
            page = self._transport.call(request, list_refunds.answer)
            return page.data, page.next_cursor

        return Pages(fetch, cursor)


class SyncInvoiceRefunds:
    """`client.invoices.refunds`: the refunds of one invoice."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(
        self,
        invoice_id: str,
        *,
        amount: Amount,
        refund_address: str,
        refund_address_memo: str | None = None,
        reason: str | None = None,
        customer_visible_reason: str | None = None,
        idempotency_key: str | None = None,
    ) -> Refund:
        """Send back a part of what an invoice brought, or all of it. An operator approves it.

        Never refund to a deposit's sender: ask your customer for an address. Raises RefundExceedsNet,
        InvoiceNotRefundable, InvalidDestination.
        """
        body = RefundRequest(
            amount=as_text(amount),
            refund_address=refund_address,
            refund_address_memo=given(refund_address_memo),
            reason=given(reason),
            customer_visible_reason=given(customer_visible_reason),
        )
        request = create_refund.request(invoice_id, body=body, idempotency_key=key_of(idempotency_key))
        return self._transport.call(request, create_refund.answer)

    def list(
        self,
        invoice_id: str,
        *,
        status: WithdrawalStatus | str | None = None,
        asset: str | None = None,
        chain: str | None = None,
        created_from: datetime | None = None,
        created_to: datetime | None = None,
        page_size: int = 100,
        cursor: str | None = None,
    ) -> Pages[Refund]:
        """The refunds of one invoice, the newest first."""

        def fetch(cursor: str | None) -> tuple[Sequence[Refund], str | None]:
            request = list_invoice_refunds.request(
                invoice_id,
                status=left_out() if status is None else WithdrawalStatus(status),
                asset=given(asset),
                chain=given(chain),
                created_from=given(created_from),
                created_to=given(created_to),
                limit=page_size,
                cursor=given(cursor),
            )
            page = self._transport.call(request, list_invoice_refunds.answer)
            return page.data, page.next_cursor

        return Pages(fetch, cursor)
