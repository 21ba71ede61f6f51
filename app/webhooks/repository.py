"""Statements that stop and start endpoints."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from piccolo.columns.combination import WhereRaw
from piccolo.querystring import QueryString

from app.core import database
from app.core.statement import Command, Param, Statement, any_of
from app.webhooks.schedule import PAUSE_AFTER_FAILURES
from app.webhooks.tables import WebhookDelivery, WebhookEndpoint, WebhookQueue


class StoppedEndpoint(msgspec.Struct, frozen=True):
    """An endpoint that was enabled until now."""

    id: str
    merchant: str
    mode: str
    url: str


async def take_failing(now: datetime, limit: int) -> list[str]:
    """Lock the queues of up to `limit` due endpoints that failed too often, make them not due, and return their ids.

    Endpoints that are paused already are included: a late attempt or a new event had made them due.
    """
    rows = await database.fetch_all(_TAKE_FAILING, now, PAUSE_AFTER_FAILURES, limit)
    return [row["endpoint"] for row in rows]


# SQL: a limit that is a parameter, below an update.
_TAKE_FAILING = """
    UPDATE webhook_queues SET due_at = NULL
    WHERE endpoint IN (
        SELECT endpoint FROM webhook_queues
        WHERE due_at <= $1 AND consecutive_failures > 0 AND consecutive_failures >= $2
        ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED
    )
    RETURNING endpoint
"""


async def stop_enabled(endpoints: Sequence[str], status: str, reason: str, now: datetime) -> list[StoppedEndpoint]:
    """Set the status of the enabled ones of these, and return those. Needs a transaction that has locked their
    queues."""
    if not endpoints:
        return []
    return await _STOP_ENABLED.all(endpoints=list(endpoints), status=status, reason=reason, now=now)


_STOP_ENABLED = Statement(
    WebhookEndpoint.update(
        {
            WebhookEndpoint.status: Param("status"),
            WebhookEndpoint.status_reason: Param("reason"),
            WebhookEndpoint.status_since: Param("now"),
        }
    )
    .where(any_of(WebhookEndpoint.id, Param("endpoints")), WebhookEndpoint.status == "enabled")
    .returning(WebhookEndpoint.id, WebhookEndpoint.merchant, WebhookEndpoint.mode, WebhookEndpoint.url),
    StoppedEndpoint,
)


async def set_status(endpoint: str, status: str, reason: str | None, now: datetime) -> None:
    """Set an endpoint's status with its reason. Needs a transaction that has locked its queue."""
    await _SET_STATUS.run(id=endpoint, status=status, reason=reason, now=now)


_SET_STATUS = Command(
    WebhookEndpoint.update(
        {
            WebhookEndpoint.status: Param("status"),
            WebhookEndpoint.status_reason: Param("reason"),
            WebhookEndpoint.status_since: Param("now"),
        }
    ).where(WebhookEndpoint.id == Param("id"))
)


async def restart(endpoint: str, now: datetime) -> None:
    """Make all waiting deliveries due in their order, and reset the failures in a row.

    Needs a transaction that has locked the queue.
    """
    await _RESTART_PENDING.run(endpoint=endpoint)
    await _RESTART_QUEUE.run(endpoint=endpoint, now=now)


# A delivery that was tried before the pause has a later time by its back-off, and would lose its place.
_RESTART_PENDING = Command(
    WebhookDelivery.update(
        {WebhookDelivery.next_attempt_at: QueryString("{}", WebhookDelivery.created_at), WebhookDelivery.step: 0}
    ).where(
        WebhookDelivery.endpoint == Param("endpoint"),
        WebhookDelivery.status == "pending",
        WhereRaw("{} <> {}", WebhookDelivery.next_attempt_at, WebhookDelivery.created_at) | (WebhookDelivery.step != 0),
    )
)

_RESTART_QUEUE = Command(
    WebhookQueue.update(
        {
            WebhookQueue.consecutive_failures: 0,
            WebhookQueue.due_at: Param("now"),
            WebhookQueue.ordered_through_seq: QueryString("{}", WebhookQueue.last_seq),
        }
    ).where(WebhookQueue.endpoint == Param("endpoint"))
)


async def abandon_pending(endpoint: str) -> None:
    """Make all waiting deliveries of an endpoint dead. Needs a transaction that has locked its queue."""
    await _ABANDON_PENDING.run(endpoint=endpoint)


_ABANDON_PENDING = Command(
    WebhookDelivery.update({WebhookDelivery.status: "dead", WebhookDelivery.claimed_until: None}).where(
        WebhookDelivery.endpoint == Param("endpoint"), WebhookDelivery.status == "pending"
    )
)


async def note_last_answer(endpoint_id: str) -> str | None:
    """Store what an endpoint that is being paused answered last, `HTTP 500` or a class of errors, and return it."""
    stopped_by: str | None = await database.fetch_value(_NOTE_LAST_ANSWER, endpoint_id)
    return stopped_by


# SQL: an update of what a query with LATERAL finds.
_NOTE_LAST_ANSWER = """
    UPDATE webhook_endpoints SET stopped_by = (
        SELECT CASE WHEN a.response_status IS NULL THEN a.error ELSE 'HTTP ' || a.response_status END
        FROM webhook_deliveries d CROSS JOIN LATERAL (
            SELECT * FROM webhook_attempts WHERE delivery = d.id ORDER BY number DESC LIMIT 1
        ) a
        WHERE d.endpoint = $1 AND d.status = 'pending' AND d.attempts > 0
        ORDER BY a.started_at DESC LIMIT 1
    ) WHERE id = $1 RETURNING stopped_by
"""
