"""Replays of one event or of all events since a time, and the test event."""

import json
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta

from app.audit import service as audit
from app.core import clock, database, redis
from app.core.errors import invalid
from app.events import service as event_service
from app.events.service import Mode
from app.events.types import TEST
from app.webhooks import claims_repository, replay_repository, service
from app.webhooks.delivery import DELIVERIES_CHANNEL
from app.webhooks.endpoints_repository import EndpointView
from app.webhooks.service import Actor

BATCH = 1_000
"""Events read and queued in one transaction."""

LATE_COMMIT = timedelta(minutes=5)
"""Events are numbered after their commit and dated before it. The two orders may differ by this time."""


async def send_test_event(*, merchant_id: str, mode: Mode, endpoint_id: str, actor: Actor) -> uuid.UUID:
    """Record a `webhook.test` event for this endpoint only, delivered like any other event; return the event's id.

    Raises ApiError WEBHOOK_NOT_FOUND, INVALID_INPUT unless it is enabled.
    """
    now = clock.now()
    endpoint = await _startable(merchant_id, mode, endpoint_id)
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
        await _startable(merchant_id, mode, endpoint_id)
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


async def redeliver_since(*, merchant_id: str, mode: Mode, endpoint_id: str, since: datetime, actor: Actor) -> int:
    """Send all events since a time that the endpoint is subscribed to again; return how many.

    Events that it never got, since it was created later or had another filter, are included. A transaction for
    each BATCH, oldest first. Raises ApiError WEBHOOK_NOT_FOUND, INVALID_INPUT for a disabled endpoint.
    """
    now = clock.now()
    await _startable(merchant_id, mode, endpoint_id)
    await _audit("webhook.redelivered", merchant_id, endpoint_id, actor, {"since": clock.rfc3339(since)}, now)
    after_seq = await replay_repository.last_seq_before(merchant_id, mode, since - LATE_COMMIT)
    count = 0
    while True:
        async with database.transaction():
            await claims_repository.lock_queues({endpoint_id})
            batch = await replay_repository.queue_since(
                endpoint_id, since=since, after_seq=after_seq, limit=BATCH, now=now
            )
            await claims_repository.make_due([endpoint_id], now=now)
        await redis.publish(DELIVERIES_CHANNEL)
        if batch.last_seq is None:
            return count
        count += batch.queued
        after_seq = batch.last_seq


async def _startable(merchant_id: str, mode: Mode, endpoint_id: str) -> EndpointView:
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
