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
    """An event, and whether a delivery of it waits."""

    id: int
    created_at: datetime
    waits: bool


async def lock_old_events(before: datetime, limit: int, after: OldEvent | None) -> list[OldEvent]:
    """Events older than `before`, oldest first, from behind `after` on, locked in the caller's transaction.

    Those that another transaction has locked are left out, and those without a number: they have not been fanned out,
    so their deliveries do not exist yet.
    """
    place = (None, None) if after is None else (after.created_at, after.id)
    rows = await database.fetch_all(_OLD, before, limit, *place)
    return [OldEvent(row["id"], row["created_at"], row["waits"]) for row in rows]


# SQL: a query of what a locking query finds, and LATERAL with a limit, so that Postgres looks up each event by its key:
# it does not know how small the limit is, and might read every delivery for each batch.
_OLD = """
    WITH old AS MATERIALIZED (
        SELECT id, created_at FROM events
        WHERE created_at < $1 AND seq IS NOT NULL
            AND created_at >= coalesce($3, '-infinity'::timestamptz)
            AND ($3::timestamptz IS NULL OR (created_at, id) > ($3, $4::bigint))
        ORDER BY created_at, id LIMIT $2 FOR UPDATE SKIP LOCKED
    )
    SELECT old.id, old.created_at, coalesce(d.waits, false) AS waits
    FROM old LEFT JOIN LATERAL (
        SELECT true AS waits FROM webhook_deliveries WHERE event = old.id AND status = 'pending' LIMIT 1
    ) d ON true
    ORDER BY old.created_at, old.id
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
