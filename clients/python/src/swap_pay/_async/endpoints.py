"""Webhook endpoints, and the deliveries to them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from swap_pay._async.pages import AsyncPages
from swap_pay._async.transport import AsyncTransport
from swap_pay._generated.api.webhooks import (
    create_webhook,
    delete_webhook,
    enable_webhook,
    get_webhook,
    list_deliveries,
    list_webhooks,
    replay_webhook,
    rotate_webhook_secret,
    test_webhook,
    update_webhook,
)
from swap_pay._generated.models import (
    Delivery,
    DeliveryStatus,
    ReplayRequest,
    RotationRequest,
    Webhook,
    WebhookChange,
    WebhookRequest,
    WebhookStatus,
    WebhookWithSecret,
)
from swap_pay._given import given, key_of, left_out


class AsyncWebhooks:
    """`client.webhooks`: the endpoints that receive your events. To verify a webhook: `swap_pay.webhooks`."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def create(
        self,
        *,
        url: str,
        description: str | None = None,
        event_types: Sequence[str] | None = None,
        idempotency_key: str | None = None,
    ) -> WebhookWithSecret:
        """Add an endpoint, for all events unless some are named. Its `secret` is shown this once: keep it."""
        body = WebhookRequest(
            url=url,
            description=given(description),
            event_types=left_out() if event_types is None else [*event_types],
        )
        request = create_webhook.request(body=body, idempotency_key=key_of(idempotency_key))
        return await self._transport.call(request, create_webhook.answer)

    async def get(self, webhook_id: str) -> Webhook:
        """One endpoint. Raises WebhookNotFound."""
        return await self._transport.call(get_webhook.request(webhook_id), get_webhook.answer)

    def list(
        self, *, implicit: bool | None = None, page_size: int = 100, cursor: str | None = None
    ) -> AsyncPages[Webhook]:
        """Endpoints, the newest first. `implicit`: those alone that invoices' `webhook_url` has made, or the others."""

        async def fetch(cursor: str | None) -> tuple[Sequence[Webhook], str | None]:
            request = list_webhooks.request(
                implicit=given(implicit),
                limit=page_size,
                cursor=given(cursor),
            )
            page = await self._transport.call(request, list_webhooks.answer)
            return page.data, page.next_cursor

        return AsyncPages(fetch, cursor)

    async def update(
        self,
        webhook_id: str,
        *,
        url: str | None = None,
        description: str | None = None,
        event_types: Sequence[str] | None = None,
        status: WebhookStatus | str | None = None,
    ) -> Webhook:
        """Change what is given; the rest stays. Raises WebhookNotFound."""
        body = WebhookChange(
            url=given(url),
            description=given(description),
            event_types=left_out() if event_types is None else [*event_types],
            status=left_out() if status is None else WebhookStatus(status),
        )
        return await self._transport.call(update_webhook.request(webhook_id, body=body), update_webhook.answer)

    async def delete(self, webhook_id: str) -> None:
        """Delete an endpoint. Raises WebhookNotFound."""
        await self._transport.call(delete_webhook.request(webhook_id), delete_webhook.answer)

    async def enable(self, webhook_id: str) -> Webhook:
        """Enable a paused endpoint: what waits for it is sent, in order. Raises WebhookNotFound."""
        return await self._transport.call(enable_webhook.request(webhook_id), enable_webhook.answer)

    async def rotate_secret(self, webhook_id: str, *, overlap_hours: int | None = None) -> WebhookWithSecret:
        """Give it a new secret. For `overlap_hours`, 24 unless given, the old one signs too, so that you can exchange
        it without losing a webhook: `construct_event` takes both."""
        body = RotationRequest(overlap_hours=given(overlap_hours))
        request = rotate_webhook_secret.request(webhook_id, body=body)
        return await self._transport.call(request, rotate_webhook_secret.answer)

    async def test(self, webhook_id: str) -> str:
        """Send a test event to it. Returns the event's id, to look for in its deliveries."""
        return (await self._transport.call(test_webhook.request(webhook_id), test_webhook.answer)).event_id

    async def replay(self, webhook_id: str, *, since: datetime) -> int:
        """Send every event since a time again; the time needs a zone. Returns how many deliveries were queued."""
        request = replay_webhook.request(webhook_id, body=ReplayRequest(since=since.isoformat()))
        return (await self._transport.call(request, replay_webhook.answer)).deliveries

    def deliveries(
        self,
        webhook_id: str,
        *,
        status: DeliveryStatus | str | None = None,
        page_size: int = 100,
        cursor: str | None = None,
    ) -> AsyncPages[Delivery]:
        """The deliveries to an endpoint with all their attempts, the newest event first."""

        async def fetch(cursor: str | None) -> tuple[Sequence[Delivery], str | None]:
            request = list_deliveries.request(
                webhook_id,
                status=left_out() if status is None else DeliveryStatus(status),
                limit=page_size,
                cursor=given(cursor),
            )
            page = await self._transport.call(request, list_deliveries.answer)
            return page.data, page.next_cursor

        return AsyncPages(fetch, cursor)
