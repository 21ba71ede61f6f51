"""Payouts: money out of the balance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from swap_pay._async.pages import AsyncPages
from swap_pay._async.transport import AsyncTransport
from swap_pay._generated.api.payouts import cancel_payout, create_payout, get_payout, list_payouts
from swap_pay._generated.models import Metadata, Payout, PayoutRequest, WithdrawalStatus
from swap_pay._given import given, key_of, left_out
from swap_pay.amounts import Amount, as_text


class AsyncPayouts:
    """`client.payouts`: send money from your balance. An operator approves each payout."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def create(
        self,
        *,
        amount: Amount,
        asset: str,
        chain: str,
        destination: str,
        destination_memo: str | None = None,
        description: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> Payout:
        """Ask for a payout. Raises InsufficientBalance, InvalidDestination, DailyCapExceeded.

        Give an `idempotency_key` of your own, such as the number of the payment in your books: then the same payment
        asked for twice, even by two processes, is made once.
        """
        body = PayoutRequest(
            amount=as_text(amount),
            asset=asset,
            chain=chain,
            destination=destination,
            destination_memo=given(destination_memo),
            description=given(description),
            metadata=left_out() if metadata is None else Metadata.from_dict(metadata),
        )
        request = create_payout.request(body=body, idempotency_key=key_of(idempotency_key))
        return await self._transport.call(request, create_payout.answer)

    async def get(self, payout_id: str) -> Payout:
        """One payout. Raises PayoutNotFound."""
        return await self._transport.call(get_payout.request(payout_id), get_payout.answer)

    def list(
        self,
        *,
        status: WithdrawalStatus | str | None = None,
        asset: str | None = None,
        chain: str | None = None,
        created_from: datetime | None = None,
        created_to: datetime | None = None,
        page_size: int = 100,
        cursor: str | None = None,
    ) -> AsyncPages[Payout]:
        """Payouts, the newest first. `created_from` is inclusive, `created_to` is not; both need a time zone."""

        async def fetch(cursor: str | None) -> tuple[Sequence[Payout], str | None]:
            request = list_payouts.request(
                status=left_out() if status is None else WithdrawalStatus(status),
                asset=given(asset),
                chain=given(chain),
                created_from=given(created_from),
                created_to=given(created_to),
                limit=page_size,
                cursor=given(cursor),
            )
            page = await self._transport.call(request, list_payouts.answer)
            return page.data, page.next_cursor

        return AsyncPages(fetch, cursor)

    async def cancel(self, payout_id: str) -> Payout:
        """Cancel a payout that no operator has approved. Raises PayoutNotCancellable."""
        return await self._transport.call(cancel_payout.request(payout_id), cancel_payout.answer)
