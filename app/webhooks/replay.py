"""Replays of one event or of all events since a time, and the test event."""

import json
import uuid
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta

import msgspec

from app.audit import service as audit
from app.core import clock, database, redis
from app.core.errors import invalid
from app.events import service as event_service
from app.events.service import Mode
from app.events.types import TEST
from app.webhooks import claims_repository, replay_repository, service
from app.webhooks.delivery import DELIVERIES_CHANNEL
from app.webhooks.endpoints_repository import EndpointView
from app.webhooks.replay_repository import QueuedBatch
from app.webhooks.service import Actor

BATCH = 1_000
"""Events read and queued in one transaction."""

JOB_KIND = "send_again"
"""The kind of the background job that sends a long span again."""

LATE_COMMIT = timedelta(minutes=5)
"""Events are numbered after their commit and dated before it. The two orders may differ by this time."""


async def send_test_event(*, merchant_id: str, mode: Mode, endpoint_id: str, actor: Actor) -> uuid.UUID:
    """Record a `webhook.test` event for this endpoint only, delivered like any other event; return the event's id.

    Raises ApiError WEBHOOK_NOT_FOUND, INVALID_INPUT unless it is enabled.
    """
    now = clock.now()
    endpoint = await check_startable(merchant_id, mode, endpoint_id)
    if endpoint.status != "enabled":
        raise invalid("webhook_id", "is paused: enable it first")
    async with database.transaction():
        event_id = await event_service.record(
            merchant_id=merchant_id,
            mode=mode,
            type=TEST,
            subject_id=endpoint_id,
            data=json.dumps({"webhook_id": endpoint_id, "url": endpoint.url}).encode(),
            override_url=None,
            only_endpoint=endpoint_id,
            now=now,
        )
        await _audit("webhook.tested", merchant_id, endpoint_id, actor, {"event_id": str(event_id)}, now)
    await event_service.announce()
    return event_id


async def redeliver_event(*, merchant_id: str, mode: Mode, event_id: str, endpoint_id: str | None, actor: Actor) -> int:
    """Send one event again, now, with the whole schedule of retries; return to how many endpoints.

    With `endpoint_id`, to it, whatever types it is subscribed to; else to all endpoints that have a delivery of the
    event or are subscribed to its type now.
    Raises ApiError EVENT_NOT_FOUND, WEBHOOK_NOT_FOUND, INVALID_INPUT for a disabled endpoint.
    """
    now = clock.now()
    event = await event_service.get(merchant_id, mode, event_id)
    if endpoint_id is not None:
        await check_startable(merchant_id, mode, endpoint_id)
        endpoints = [endpoint_id]
    else:
        endpoints = await replay_repository.endpoints_for_event(event.id)
    async with database.transaction():
        await claims_repository.lock_queues(set(endpoints))
        count = await replay_repository.queue_event(event.id, endpoints, now)
        await claims_repository.make_due(endpoints, now=now)
        details = {"event_id": event_id, "endpoints": endpoints}
        await _audit("webhook.redelivered", merchant_id, endpoint_id or event_id, actor, details, now)
    await redis.publish(DELIVERIES_CHANNEL)
    return count


async def redeliver_since(
    *, merchant_id: str, mode: Mode, endpoint_id: str, since: datetime, actor: Actor, missed_only: bool = False
) -> int:
    """Send all events since a time that the endpoint is subscribed to again; return how many.

    Events that it never got, since it was created later or had another filter, are included; with `missed_only`, only
    events that it has not received. A transaction for each BATCH, oldest first. Raises ApiError WEBHOOK_NOT_FOUND,
    INVALID_INPUT for a disabled endpoint.
    """
    span = await span_since(merchant_id=merchant_id, mode=mode, endpoint_id=endpoint_id, since=since)
    await audit_since(merchant_id, endpoint_id, since, missed_only, actor)
    count = 0
    async for batch in queue_span(endpoint_id, span, missed_only=missed_only):
        count += batch.queued
    return count


class Span(msgspec.Struct, frozen=True):
    """Events of one merchant since a time: those with numbers after `after_seq`, up to `last_seq`. The numbers have no
    gaps."""

    since: datetime
    after_seq: int
    last_seq: int

    @property
    def length(self) -> int:
        """How many events are to be looked at."""
        return max(0, self.last_seq - self.after_seq)


async def span_since(*, merchant_id: str, mode: Mode, endpoint_id: str, since: datetime) -> Span:
    """The events since a time that may go to an endpoint again. Raises ApiError WEBHOOK_NOT_FOUND, INVALID_INPUT for a
    disabled endpoint."""
    await check_startable(merchant_id, mode, endpoint_id)
    return Span(
        since,
        await replay_repository.last_seq_before(merchant_id, mode, since - LATE_COMMIT),
        await replay_repository.last_seq(merchant_id, mode),
    )


async def audit_since(merchant_id: str, endpoint_id: str, since: datetime, missed_only: bool, actor: Actor) -> None:
    """Record who has all events since a time sent again, in the caller's transaction where there is one."""
    details = {"since": clock.rfc3339(since)} | ({"missed_only": True} if missed_only else {})
    await _audit("webhook.redelivered", merchant_id, endpoint_id, actor, details, clock.now())


async def queue_span(endpoint_id: str, span: Span, *, missed_only: bool) -> AsyncIterator[QueuedBatch]:
    """Queue the events of a span for an endpoint, a BATCH in each transaction. Safe to go on with after any batch."""
    after_seq, now = span.after_seq, clock.now()
    while after_seq < span.last_seq:
        async with database.transaction():
            await claims_repository.lock_queues({endpoint_id})
            batch = await replay_repository.queue_since(
                endpoint_id,
                since=span.since,
                missed_only=missed_only,
                after_seq=after_seq,
                limit=min(BATCH, span.last_seq - after_seq),
                now=now,
            )
            await claims_repository.make_due([endpoint_id], now=now)
        await redis.publish(DELIVERIES_CHANNEL)
        if batch.last_seq is None:
            return
        after_seq = batch.last_seq
        yield batch


async def check_startable(merchant_id: str, mode: Mode, endpoint_id: str) -> EndpointView:
    """The endpoint, which may be paused. Raises ApiError WEBHOOK_NOT_FOUND, INVALID_INPUT for a disabled one."""
    endpoint = await service.get_endpoint(merchant_id, mode, endpoint_id)
    if endpoint.status == "disabled":
        raise invalid("webhook_id", "is disabled: enable it first")
    return endpoint


async def _audit(
    action: str, merchant_id: str, subject: str, actor: Actor, details: Mapping[str, object], now: datetime
) -> None:
    await audit.record(
        actor=actor.name,
        action=action,
        subject=subject,
        merchant_id=merchant_id,
        address=actor.address,
        details=details,
        now=now,
    )
