"""Statements that stop endpoints."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from app.core import database
from app.core.statement import Command, Param, Statement, any_of
from app.webhooks.schedule import PAUSE_AFTER_FAILURES
from app.webhooks.tables import WebhookDelivery, WebhookEndpoint


class StoppedEndpoint(msgspec.Struct, frozen=True):
    """An endpoint that was enabled until now."""

    id: str
    merchant: str
    mode: str
    url: str


async def take_failing(now: datetime, limit: int) -> list[str]:
    """Up to `limit` endpoints that failed too often and are due, which they are not any more. Locks their queues.

    Those that are paused already are among them: a late outcome or a new event had made them due.
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
    """Set the status of those that are enabled; them. Needs a transaction that has locked their queues."""
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


async def abandon_pending(endpoint: str) -> None:
    """Dead-letter all deliveries that wait for an endpoint which is stopped for good. Needs its queue locked."""
    await _ABANDON_PENDING.run(endpoint=endpoint)


_ABANDON_PENDING = Command(
    WebhookDelivery.update({WebhookDelivery.status: "dead", WebhookDelivery.claimed_until: None}).where(
        WebhookDelivery.endpoint == Param("endpoint"), WebhookDelivery.status == "pending"
    )
)


async def recipients(merchant_id: str) -> list[str]:
    """The addresses of the merchant's owners and admins."""
    rows = await database.fetch_all(_RECIPIENTS, merchant_id)
    return [row["email"] for row in rows]


# SQL: an inner join. Tables of others: memberships and accounts.
_RECIPIENTS = """
    SELECT a.email FROM memberships m JOIN accounts a ON a.id = m.account
    WHERE m.merchant = $1 AND m.role IN ('owner', 'admin') ORDER BY a.email
"""
