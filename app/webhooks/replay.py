"""Sending again: one event, everything since a time; and the test event."""

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
from app.webhooks import claims_repository, queries
from app.webhooks.delivery import DELIVERIES_CHANNEL
from app.webhooks.service import Actor

BATCH = 1_000
"""Events put back into the queue in one transaction."""

LATE_COMMIT = timedelta(minutes=5)
"""An event is numbered by its commit and dated before it: so far may the two orders differ."""


async def send_test_event(*, merchant_id: str, mode: Mode, endpoint_id: str, actor: Actor) -> uuid.UUID:
    """Send a `webhook.test` event to this endpoint alone, the way of every other event; the event's id.

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
    """Send one event again, now, with the whole schedule before it; to how many endpoints.

    To `endpoint_id`, whether or not it was due the event; else to all that were or would be due it by now.
    Raises ApiError EVENT_NOT_FOUND, WEBHOOK_NOT_FOUND, INVALID_INPUT for a disabled endpoint.
    """
    now = clock.now()
    event = await event_service.get(merchant_id, mode, event_id)
    if endpoint_id is not None:
        await _startable(merchant_id, mode, endpoint_id)
        endpoints = [endpoint_id]
    else:
        rows = await database.fetch_all(_DUE_OR_HAVING, event.id)
        endpoints = [row["endpoint"] for row in rows]
    async with database.transaction():
        await claims_repository.lock_queues(set(endpoints))
        count = await database.execute(_QUEUE_EVENT, event.id, endpoints, now)
        await claims_repository.make_due(endpoints, now=now)
        details = {"event_id": event_id, "endpoints": endpoints}
        await _audit("webhook.redelivered", merchant_id, endpoint_id or event_id, actor, details, now)
    await redis.publish(DELIVERIES_CHANNEL)
    return count


async def redeliver_since(*, merchant_id: str, mode: Mode, endpoint_id: str, since: datetime, actor: Actor) -> int:
    """Send everything that happened since a time, and that the endpoint asks for, again; how many events.

    What it never got (because it was made later, or its filter was another) goes along. A transaction for
    each BATCH, oldest first. Raises ApiError WEBHOOK_NOT_FOUND, INVALID_INPUT for a disabled endpoint.
    """
    now = clock.now()
    await _startable(merchant_id, mode, endpoint_id)
    await _audit("webhook.redelivered", merchant_id, endpoint_id, actor, {"since": clock.rfc3339(since)}, now)
    after_seq = await database.fetch_value(
        """
        SELECT seq FROM events WHERE merchant_id = $1 AND mode = $2 AND seq IS NOT NULL AND created_at < $3
        ORDER BY seq DESC LIMIT 1
        """,
        merchant_id,
        mode,
        since - LATE_COMMIT,
    )
    count, after_seq = 0, after_seq or 0
    while True:
        async with database.transaction():
            await claims_repository.lock_queues({endpoint_id})
            row = await database.fetch_one(_QUEUE_SINCE, endpoint_id, now, since, after_seq, BATCH)
            await claims_repository.make_due([endpoint_id], now=now)
        await redis.publish(DELIVERIES_CHANNEL)
        if row is None or row["last_seq"] is None:
            return count
        count += row["queued"]
        after_seq = row["last_seq"]


async def _startable(merchant_id: str, mode: Mode, endpoint_id: str) -> queries.EndpointView:
    endpoint = await queries.get_endpoint(merchant_id, mode, endpoint_id)
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


_DUE_OR_HAVING = """
    SELECT w.id AS endpoint
    FROM events e JOIN webhook_endpoints w ON w.merchant = e.merchant_id AND w.mode = e.mode
    WHERE e.id = $1 AND NOT w.implicit AND w.status <> 'deleted' AND w.status IN ('enabled', 'paused')
        AND e.override_url IS NULL AND e.only_endpoint IS NULL
        AND (w.event_types = '{}' OR e.type = ANY(w.event_types))
    UNION
    SELECT w.id FROM webhook_deliveries d JOIN webhook_endpoints w ON w.id = d.endpoint
    WHERE d.event = $1 AND w.status IN ('enabled', 'paused')
"""

# What both do with an event that is to go again. A claimed delivery is on its way this very moment.
_PUT_BACK = """
    ON CONFLICT (event, endpoint) DO UPDATE
        SET status = 'pending', step = 0, next_attempt_at = excluded.next_attempt_at, delivered_at = NULL
        WHERE webhook_deliveries.claimed_until IS NULL
"""

_QUEUE_EVENT = f"""
    WITH wanted AS (
        SELECT e.*, w.id AS endpoint FROM events e, webhook_endpoints w
        WHERE e.id = $1 AND w.id = ANY($2) AND w.status IN ('enabled', 'paused')
    ), reached AS (
        UPDATE webhook_queues q SET last_seq = greatest(q.last_seq, wanted.seq) FROM wanted
        WHERE q.endpoint = wanted.endpoint
    )
    INSERT INTO webhook_deliveries
        (event, endpoint, merchant_id, seq, previous_seq, status, attempts, step, next_attempt_at, created_at)
    SELECT id, endpoint, merchant_id, seq,
        (SELECT coalesce(max(d.seq), 0) FROM webhook_deliveries d
            WHERE d.endpoint = wanted.endpoint AND d.seq < wanted.seq),
        'pending', 0, 0, $3, $3
    FROM wanted
    {_PUT_BACK}
"""

_QUEUE_SINCE = f"""
    WITH batch AS (
        SELECT e.id, e.seq, e.merchant_id, e.created_at, w.id AS endpoint,
            CASE WHEN e.only_endpoint IS NOT NULL THEN e.only_endpoint = w.id
                 WHEN e.override_url IS NOT NULL THEN w.implicit AND w.url = e.override_url
                 ELSE NOT w.implicit AND (w.event_types = '{{}}' OR e.type = ANY(w.event_types))
            END AS asked_for
        FROM webhook_endpoints w JOIN events e ON e.merchant_id = w.merchant AND e.mode = w.mode
        WHERE w.id = $1 AND w.status IN ('enabled', 'paused') AND e.seq > $4
        ORDER BY e.seq LIMIT $5
    ), wanted AS (
        SELECT b.*, coalesce(lag(b.seq) OVER (ORDER BY b.seq),
            (SELECT max(d.seq) FROM webhook_deliveries d WHERE d.endpoint = b.endpoint AND d.seq < b.seq), 0)
            AS previous_seq
        FROM batch b WHERE b.created_at >= $3 AND b.asked_for
    ), reached AS (
        UPDATE webhook_queues q SET last_seq = greatest(q.last_seq, (SELECT max(seq) FROM wanted))
        WHERE q.endpoint = $1
    ), queued AS (
        INSERT INTO webhook_deliveries (event, endpoint, merchant_id, seq, previous_seq, status, attempts, step,
            next_attempt_at, created_at)
        SELECT id, endpoint, merchant_id, seq, previous_seq, 'pending', 0, 0, $2, $2 FROM wanted
        {_PUT_BACK}
        RETURNING 1
    )
    SELECT (SELECT max(seq) FROM batch) AS last_seq, (SELECT count(*) FROM queued) AS queued
"""
