"""Payment links: one address that makes an invoice for everybody who pays by it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from swap_pay._generated.api.payment_links import (
    create_payment_link,
    get_payment_link,
    list_payment_links,
    update_payment_link,
)
from swap_pay._generated.models import AssetOnChain, Metadata, PaymentLink, PaymentLinkChange, PaymentLinkRequest
from swap_pay._generated.types import UNSET, Unset
from swap_pay._given import given, key_of, left_out
from swap_pay._sync.pages import Pages
from swap_pay._sync.transport import Transport
from swap_pay.amounts import Amount, as_text


class SyncPaymentLinks:
    """`client.payment_links`: links, and the till, that make an invoice for everybody who pays by them."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(
        self,
        *,
        currency: str,
        chain: str | None = None,
        amount: Amount | None = None,
        min_amount: Amount | None = None,
        max_amount: Amount | None = None,
        pay_in_assets: Sequence[AssetOnChain] | None = None,
        description: str | None = None,
        max_payments: int | None = None,
        expires_at: datetime | None = None,
        success_url: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        active: bool | None = None,
        idempotency_key: str | None = None,
    ) -> PaymentLink:
        """Make a link, and give its `url` to whoever is to pay. Without `amount` they enter one, between `min_amount`
        and `max_amount`. It makes invoices until `expires_at`, which needs a time zone, and `max_payments` of them."""
        body = PaymentLinkRequest(
            currency=currency,
            chain=given(chain),
            amount=left_out() if amount is None else as_text(amount),
            min_amount=left_out() if min_amount is None else as_text(min_amount),
            max_amount=left_out() if max_amount is None else as_text(max_amount),
            pay_in_assets=left_out() if pay_in_assets is None else [*pay_in_assets],
            description=given(description),
            max_payments=given(max_payments),
            expires_at=left_out() if expires_at is None else expires_at.isoformat(),
            success_url=given(success_url),
            metadata=left_out() if metadata is None else Metadata.from_dict(metadata),
            active=given(active),
        )
        request = create_payment_link.request(body=body, idempotency_key=key_of(idempotency_key))
        return self._transport.call(request, create_payment_link.answer)

    def get(self, link_id: str) -> PaymentLink:
        """One link. Raises PaymentLinkNotFound."""
        return self._transport.call(get_payment_link.request(link_id), get_payment_link.answer)

    def list(
        self, *, active: bool | None = None, page_size: int = 100, cursor: str | None = None
    ) -> Pages[PaymentLink]:
        """Links, the newest first. `active`: those alone that are switched on, or off."""

        def fetch(cursor: str | None) -> tuple[Sequence[PaymentLink], str | None]:
            request = list_payment_links.request(active=given(active), limit=page_size, cursor=given(cursor))
            page = self._transport.call(request, list_payment_links.answer)
            return page.data, page.next_cursor

        return Pages(fetch, cursor)

    def update(
        self,
        link_id: str,
        *,
        amount: Amount | Unset | None = UNSET,
        min_amount: Amount | Unset | None = UNSET,
        max_amount: Amount | Unset | None = UNSET,
        pay_in_assets: Sequence[AssetOnChain] | Unset | None = UNSET,
        description: str | Unset | None = UNSET,
        max_payments: int | Unset | None = UNSET,
        expires_at: datetime | Unset | None = UNSET,
        success_url: str | Unset | None = UNSET,
        metadata: Mapping[str, Any] | Unset | None = UNSET,
        active: bool | None = None,
    ) -> PaymentLink:
        """Change what is given; None takes a value away. Raises PaymentLinkNotFound."""
        body = PaymentLinkChange(
            amount=_text(amount),
            min_amount=_text(min_amount),
            max_amount=_text(max_amount),
            pay_in_assets=[*pay_in_assets] if isinstance(pay_in_assets, Sequence) else pay_in_assets,
            description=description,
            max_payments=max_payments,
            expires_at=expires_at.isoformat() if isinstance(expires_at, datetime) else expires_at,
            success_url=success_url,
            metadata=Metadata.from_dict(metadata) if isinstance(metadata, Mapping) else metadata,
            active=given(active),
        )
        return self._transport.call(update_payment_link.request(link_id, body=body), update_payment_link.answer)


def _text(amount: Amount | Unset | None) -> str | Unset | None:
    return amount if amount is None or isinstance(amount, Unset) else as_text(amount)
