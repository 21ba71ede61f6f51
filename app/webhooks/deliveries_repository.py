"""Statements that read deliveries and their attempts."""

import uuid
from collections.abc import Sequence
from datetime import datetime

import msgspec
from piccolo.query.methods.select import Select
from piccolo.querystring import QueryString

from app.core import database
from app.core.keyset import Page, Place, Total
from app.core.statement import Listing, Param, Statement, any_of, select
from app.webhooks.tables import WebhookAttempt, WebhookDelivery

MAX_WAITING_COUNTED = 10_000
"""A count of waiting deliveries stops there: the cabinet shows `10,000+`."""


class AttemptView(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt: either `response_status` or `error` (a class such as `timeout`) is set."""

    number: int
    started_at: datetime
    duration_ms: int
    response_status: int | None
    error: str | None
    detail: str
    response_excerpt: bytes
    next_attempt_at: datetime | None


class _AttemptRow(AttemptView, frozen=True, kw_only=True):
    delivery: int


class _DeliveryRow(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    event_id: uuid.UUID
    event_type: str
    endpoint_id: str
    seq: int
    previous_seq: int
    status: str
    attempt_count: int
    next_attempt_at: datetime | None
    delivered_at: datetime | None
    created_at: datetime


class DeliveryView(_DeliveryRow, frozen=True, kw_only=True):
    """One event for one endpoint, with all attempts. `next_attempt_at` is None unless it is `pending`."""

    attempts: tuple[AttemptView, ...]

    @property
    def shown_status(self) -> str:
        """`status`, but `retrying` for one that waits after a failed attempt."""
        return "retrying" if self.status == "pending" and self.attempt_count else self.status

    @property
    def last_failure(self) -> str:
        """What the last attempt met, `HTTP 500` or a class of errors; empty where it is delivered or was not tried."""
        if self.status == "delivered" or not self.attempts:
            return ""
        last = self.attempts[-1]
        return f"HTTP {last.response_status}" if last.response_status else (last.error or "").replace("_", " ")


def _deliveries() -> "Select[WebhookDelivery]":
    return WebhookDelivery.select(
        WebhookDelivery.id,
        WebhookDelivery.event.event_id.as_alias("event_id"),
        WebhookDelivery.event.type.as_alias("event_type"),
        WebhookDelivery.endpoint.as_alias("endpoint_id"),
        WebhookDelivery.seq,
        WebhookDelivery.previous_seq,
        WebhookDelivery.status,
        WebhookDelivery.attempts.as_alias("attempt_count"),
        QueryString(
            "CASE WHEN {} = 'pending' THEN {} END",
            WebhookDelivery.status,
            WebhookDelivery.next_attempt_at,
            alias="next_attempt_at",
        ),
        WebhookDelivery.delivered_at,
        WebhookDelivery.created_at,
    )


async def list_of_endpoint(
    endpoint_id: str, *, status: str | None, limit: int, place: Place | None = None
) -> Page[DeliveryView]:
    """A page of an endpoint's deliveries with all their attempts by seq, newest event first.

    `status` is `pending`, `delivered`, `dead` or None for all.
    """
    page = await _OF_ENDPOINT.page(place, limit, endpoint=endpoint_id, status=status)
    return page.of(await _with_attempts(page))


async def total_of_endpoint(endpoint_id: str, *, status: str | None) -> Total:
    """How many deliveries of an endpoint there are."""
    return await _OF_ENDPOINT.total(endpoint=endpoint_id, status=status)


_OF_ENDPOINT = Listing(
    lambda: _deliveries().where(WebhookDelivery.endpoint == Param("endpoint")),
    _DeliveryRow,
    key=(WebhookDelivery.seq,),
    filters={"status": WebhookDelivery.status == Param("status")},
)


async def list_of_event(merchant_id: str, mode: str, event_id: uuid.UUID) -> list[DeliveryView]:
    """The deliveries of one event of a merchant, with all attempts, oldest first."""
    rows = await _OF_EVENT.all(merchant_id=merchant_id, mode=mode, event_id=event_id)
    return await _with_attempts(rows)


_OF_EVENT = Statement(
    _deliveries()
    .where(
        WebhookDelivery.event.merchant_id == Param("merchant_id"),
        WebhookDelivery.event.mode == Param("mode"),
        WebhookDelivery.event.event_id == Param("event_id"),
    )
    .order_by(WebhookDelivery.id),
    _DeliveryRow,
)


async def _with_attempts(deliveries: Sequence[_DeliveryRow]) -> list[DeliveryView]:
    attempts: dict[int, list[AttemptView]] = {delivery.id: [] for delivery in deliveries}
    for row in await _ATTEMPTS.all(deliveries=list(attempts)):
        attempts[row.delivery].append(row)
    return [DeliveryView(**msgspec.structs.asdict(one), attempts=tuple(attempts[one.id])) for one in deliveries]


_ATTEMPTS = Statement(
    select(WebhookAttempt, _AttemptRow)
    .where(any_of(WebhookAttempt.delivery, Param("deliveries")))
    .order_by(WebhookAttempt.delivery, WebhookAttempt.number),
    _AttemptRow,
)


async def count_waiting(merchant_id: str, mode: str, endpoint_id: str) -> int:
    """How many deliveries wait for an endpoint, up to MAX_WAITING_COUNTED."""
    # SQL: a count of a query with a limit.
    count: int = await database.fetch_value(
        """
        SELECT count(*) FROM (
            SELECT FROM webhook_deliveries d JOIN webhook_endpoints w ON w.id = d.endpoint
            WHERE d.endpoint = $3 AND d.status = 'pending' AND w.merchant = $1 AND w.mode = $2 LIMIT $4
        ) waiting
        """,
        merchant_id,
        mode,
        endpoint_id,
        MAX_WAITING_COUNTED,
    )
    return count


async def count_waiting_by_status() -> dict[str, int]:
    """How many deliveries wait for endpoints that are `enabled`, and for those that are `paused`.

    Reads the index entry of every waiting delivery.
    """
    # SQL: a sum of counts, and zeros for a status that no endpoint has.
    rows = await database.fetch_all(
        """
        SELECT s.status, coalesce(n.waiting, 0) AS waiting
        FROM unnest(ARRAY['enabled', 'paused']) AS s (status)
        LEFT JOIN (
            SELECT w.status, sum(d.waiting) AS waiting
            FROM (
                SELECT endpoint, count(*) AS waiting FROM webhook_deliveries WHERE status = 'pending'
                GROUP BY endpoint
            ) d JOIN webhook_endpoints w ON w.id = d.endpoint GROUP BY w.status
        ) n ON n.status = s.status
        """
    )
    return {row["status"]: int(row["waiting"]) for row in rows}
