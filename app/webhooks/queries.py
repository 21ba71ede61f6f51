"""Reading endpoints and the delivery log, always of one merchant in one mode."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from app.core import database
from app.core.errors import ApiError, Code
from app.core.keyset import Page, Place, direction, page_of
from app.events.service import Mode

MAX_SEQ = 2**63 - 1
"""Above every number: `bigint` ends there."""

MAX_WAITING_COUNTED = 10_000
"""A count of what waits stops there: the cabinet shows `10,000+`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointView:
    """An endpoint as its merchant may see it. `status_reason`: `failures`, `gone`, `merchant` or None."""

    id: str
    mode: str
    url: str
    description: str
    event_types: tuple[str, ...]
    implicit: bool
    status: str
    status_reason: str | None
    status_since: datetime
    previous_secret_until: datetime | None
    consecutive_failures: int
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptView:
    """One attempt: either `response_status` or `error` (a class such as `timeout`) is set."""

    number: int
    started_at: datetime
    duration_ms: int
    response_status: int | None
    error: str | None
    detail: str
    response_excerpt: bytes
    next_attempt_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryView:
    """One event's way to one endpoint. `next_attempt_at` is None unless it is `pending`."""

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
    attempts: tuple[AttemptView, ...]


async def get_endpoint(merchant_id: str, mode: Mode, endpoint_id: str) -> EndpointView:
    """One endpoint. Raises ApiError WEBHOOK_NOT_FOUND, for another merchant's as for none."""
    row = await database.fetch_one(f"{_ENDPOINT} AND w.id = $3", merchant_id, mode, endpoint_id)
    if row is None:
        raise not_found()
    return _endpoint(row)


async def list_endpoints(
    merchant_id: str,
    mode: Mode,
    *,
    implicit: bool,
    limit: int,
    place: Place | None = None,
) -> Page[EndpointView]:
    """A page of the merchant's own endpoints, or of those that invoices brought along, by (created_at, id), newest
    first."""
    which = "w.implicit" if implicit else "NOT w.implicit"
    comparison, order = direction(place)
    beyond = "" if place is None else f"AND (w.created_at, w.id) {comparison} ($4, $5)"
    rows = await database.fetch_all(
        f"{_ENDPOINT} AND {which} {beyond} ORDER BY w.created_at {order}, w.id {order} LIMIT $3",
        merchant_id,
        mode,
        limit + 1,
        *(place.key if place else ()),
    )
    return page_of(rows, limit, place, key=("created_at", "id"), made=_endpoint)


async def list_stopped(merchant_id: str, mode: Mode) -> Sequence[EndpointView]:
    """Explicit endpoints that were paused for failures or disabled by a 410: what a banner shows."""
    rows = await database.fetch_all(
        f"""
        {_ENDPOINT} AND NOT w.implicit AND w.status IN ('paused', 'disabled')
            AND w.status_reason IN ('failures', 'gone')
        ORDER BY w.status_since DESC
        """,
        merchant_id,
        mode,
    )
    return [_endpoint(row) for row in rows]


async def count_waiting(merchant_id: str, mode: Mode, endpoint_id: str) -> int:
    """How many deliveries wait for an endpoint, up to MAX_WAITING_COUNTED."""
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


async def list_deliveries(
    merchant_id: str,
    mode: Mode,
    endpoint_id: str,
    *,
    status: str | None,
    limit: int,
    place: Place | None = None,
) -> Page[DeliveryView]:
    """A page of an endpoint's deliveries with all their attempts by seq, newest event first.

    `status` is `pending`, `delivered`, `dead` or None for all. Raises ApiError WEBHOOK_NOT_FOUND.
    """
    await get_endpoint(merchant_id, mode, endpoint_id)
    which = "" if status is None else "AND d.status = $4"
    comparison, order = direction(place)
    rows = await database.fetch_all(
        f"""
        {_DELIVERY} WHERE d.endpoint = $1 AND d.seq {comparison} $2 {which} ORDER BY d.seq {order} LIMIT $3
        """,
        endpoint_id,
        place.key[0] if place else MAX_SEQ,
        limit + 1,
        *([] if status is None else [status]),
    )
    page = page_of(rows, limit, place, key=("seq",), made=lambda row: row)
    return Page(await _with_attempts(page), page.previous, page.following)


async def list_deliveries_of_event(merchant_id: str, mode: Mode, event_id: uuid.UUID) -> Sequence[DeliveryView]:
    """Where one event went or is going, with all attempts."""
    rows = await database.fetch_all(
        f"{_DELIVERY} WHERE e.merchant_id = $1 AND e.mode = $2 AND e.event_id = $3 ORDER BY d.id",
        merchant_id,
        mode,
        event_id,
    )
    return await _with_attempts(rows)


def not_found() -> ApiError:
    """The error for an endpoint that does not exist, and the same for another merchant's."""
    return ApiError(Code.WEBHOOK_NOT_FOUND, "webhook_id: no such webhook")


_ENDPOINT = """
    SELECT w.id, w.mode, w.url, w.description, w.event_types, w.implicit, w.status, w.status_reason,
        w.status_since, w.previous_secret_until, w.created_at, q.consecutive_failures
    FROM webhook_endpoints w JOIN webhook_queues q ON q.endpoint = w.id
    WHERE w.merchant = $1 AND w.mode = $2 AND w.status <> 'deleted'
"""

_DELIVERY = """
    SELECT d.id, e.event_id, e.type AS event_type, d.endpoint AS endpoint_id, d.seq, d.previous_seq, d.status,
        d.attempts AS attempt_count, d.delivered_at, d.created_at,
        CASE WHEN d.status = 'pending' THEN d.next_attempt_at END AS next_attempt_at
    FROM webhook_deliveries d JOIN events e ON e.id = d.event
"""


def _endpoint(row: database.Row) -> EndpointView:
    return EndpointView(**{**row, "event_types": tuple(row["event_types"])})


async def _with_attempts(deliveries: Sequence[database.Row]) -> Sequence[DeliveryView]:
    attempts: dict[int, list[AttemptView]] = {delivery["id"]: [] for delivery in deliveries}
    for row in await database.fetch_all(
        """
        SELECT delivery, number, started_at, duration_ms, response_status, error, detail, response_excerpt,
            next_attempt_at
        FROM webhook_attempts WHERE delivery = ANY($1) ORDER BY delivery, number
        """,
        list(attempts),
    ):
        fields = dict(row)
        attempts[fields.pop("delivery")].append(AttemptView(**fields))
    return [DeliveryView(**row, attempts=tuple(attempts[row["id"]])) for row in deliveries]
