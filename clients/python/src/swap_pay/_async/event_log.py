"""The events, whether they were delivered or not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from swap_pay._async.pages import AsyncPages
from swap_pay._async.transport import AsyncTransport
from swap_pay._generated.api.events import get_event, list_events, redeliver_event
from swap_pay._generated.models import RedeliveryRequest
from swap_pay._given import given
from swap_pay.events import Event


class AsyncEvents:
    """`client.events`: everything that happened, as webhooks tell it."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def get(self, event_id: str) -> Event:
        """One event. Raises EventNotFound."""
        return await self._transport.call(get_event.request(event_id), Event.from_dict)

    def list(self, *, page_size: int = 100, cursor: str | None = None) -> AsyncPages[Event]:
        """Events, the newest first."""

        async def fetch(cursor: str | None) -> tuple[Sequence[Event], str | None]:
            request = list_events.request(limit=page_size, cursor=given(cursor))
            return await self._transport.call(request, Event.page_from_dict)

        return AsyncPages(fetch, cursor)

    async def after(self, seq: int, *, page_size: int = 100) -> AsyncIterator[Event]:
        """The events after a `seq` until now, the oldest first: how to catch up on what a webhook may have missed.

        Store the `seq` of the last event that you have processed, and begin there.
        """
        while True:
            request = list_events.request(after_seq=seq, limit=page_size)
            events, _ = await self._transport.call(request, Event.page_from_dict)
            for event in events:
                yield event
            if len(events) < page_size:
                return
            seq = events[-1].seq

    async def redeliver(self, event_id: str, *, webhook_id: str | None = None) -> int:
        """Send an event again, to one endpoint or to all that it was sent to. Returns to how many."""
        request = redeliver_event.request(event_id, body=RedeliveryRequest(webhook_id=given(webhook_id)))
        return (await self._transport.call(request, redeliver_event.answer)).deliveries
