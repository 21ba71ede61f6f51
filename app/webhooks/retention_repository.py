"""Statements that delete old events with their deliveries, and implicit endpoints without any."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from app.core import database
from app.core.statement import Command, Param, Statement, any_of, select
from app.webhooks.tables import WebhookAttempt, WebhookDelivery, WebhookEndpoint, WebhookQueue


class DeliveryOfEvent(msgspec.Struct, frozen=True):
    """A delivery and its event's id."""

    id: int
    event: int
    status: str


class OldEvent(msgspec.Struct, frozen=True):
    """An event that may be deleted."""

    id: int
    created_at: datetime


async def lock_purgeable_events(before: datetime, limit: int, since: datetime | None) -> list[OldEvent]:
    """Events older than `before` without a waiting delivery, oldest first, locked in the caller's transaction.

    Those that another transaction has locked are left out, and so are those before `since`, where a batch before this
    one ended: an endpoint that was paused for months may have a million events that stay.
    """
    rows = await database.fetch_all(_PURGEABLE, before, limit, since)
    return [OldEvent(row["id"], row["created_at"]) for row in rows]


# SQL: NOT EXISTS.
# An event without a number has not been fanned out: its deliveries do not exist yet.
_PURGEABLE = """
    SELECT e.id, e.created_at FROM events e
    WHERE e.created_at < $1 AND e.created_at >= coalesce($3, '-infinity'::timestamptz) AND e.seq IS NOT NULL
        AND NOT EXISTS (SELECT FROM webhook_deliveries d WHERE d.event = e.id AND d.status = 'pending')
    ORDER BY e.created_at LIMIT $2 FOR UPDATE SKIP LOCKED
"""


async def lock_deliveries(events: Sequence[int]) -> list[DeliveryOfEvent]:
    """The deliveries of these events, locked for the caller's transaction."""
    return await _LOCK_DELIVERIES.all(events=events)


_LOCK_DELIVERIES = Statement(
    select(WebhookDelivery, DeliveryOfEvent)
    .where(any_of(WebhookDelivery.event, Param("events")))
    .order_by(WebhookDelivery.id)
    .lock_rows("UPDATE"),
    DeliveryOfEvent,
)


async def delete_deliveries(deliveries: Sequence[int]) -> None:
    """Delete deliveries with their attempts. Needs a transaction."""
    await _DELETE_ATTEMPTS.run(deliveries=deliveries)
    await _DELETE_DELIVERIES.run(deliveries=deliveries)


_DELETE_ATTEMPTS = Command(WebhookAttempt.delete().where(any_of(WebhookAttempt.delivery, Param("deliveries"))))
_DELETE_DELIVERIES = Command(WebhookDelivery.delete().where(any_of(WebhookDelivery.id, Param("deliveries"))))


async def unused_implicit(before: datetime, limit: int) -> list[str]:
    """Implicit endpoints older than `before` for which neither a delivery nor an event of their own is kept."""
    rows = await database.fetch_all(_UNUSED_IMPLICIT, before, limit)
    return [row["endpoint"] for row in rows]


# SQL: NOT EXISTS.
_UNUSED_IMPLICIT = """
    SELECT w.id AS endpoint FROM webhook_endpoints w
    WHERE w.implicit AND w.created_at < $1
        AND NOT EXISTS (SELECT FROM webhook_deliveries d WHERE d.endpoint = w.id)
        AND NOT EXISTS (SELECT FROM events e WHERE e.only_endpoint = w.id)
    LIMIT $2
"""


async def delete_endpoints(endpoints: Sequence[str]) -> int:
    """Delete endpoints with their queues; return how many. Needs a transaction."""
    await _DELETE_QUEUES.run(endpoints=endpoints)
    return await _DELETE_ENDPOINTS.run(endpoints=endpoints)


_DELETE_QUEUES = Command(WebhookQueue.delete().where(any_of(WebhookQueue.endpoint, Param("endpoints"))))
_DELETE_ENDPOINTS = Command(WebhookEndpoint.delete().where(any_of(WebhookEndpoint.id, Param("endpoints"))))
