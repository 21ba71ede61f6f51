"""Statements that create, change and read endpoints, each of one merchant in one mode."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from piccolo.query.functions import Count
from piccolo.querystring import QueryString

from app.core import database
from app.core.keyset import Page, Place, direction, page_of
from app.core.statement import Command, Param, Statement, insert, select
from app.merchants.tables import Merchant
from app.webhooks.tables import WebhookEndpoint, WebhookQueue


class EndpointView(msgspec.Struct, frozen=True, kw_only=True):
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
    stopped_by: str | None = None
    """What it answered last before it was paused for failures: `HTTP 500`, or a class of errors."""


class SealedSecret(msgspec.Struct, frozen=True):
    """The secret of the endpoint `id`, encrypted."""

    id: str
    secret_sealed: str


class SigningEndpoint(msgspec.Struct, frozen=True):
    """Where an endpoint is, and its secrets, encrypted: the present one, and while a rotation lasts the one before."""

    url: str
    secret_sealed: str
    previous_secret_sealed: str | None
    previous_secret_until: datetime | None


_OF_MERCHANT = (
    WebhookEndpoint.merchant == Param("merchant"),
    WebhookEndpoint.mode == Param("mode"),
    WebhookEndpoint.status != "deleted",
)
_BY_ID = (WebhookEndpoint.id == Param("id"), *_OF_MERCHANT)


async def find(merchant_id: str, mode: str, endpoint_id: str) -> EndpointView | None:
    """One endpoint; None where it does not exist, is deleted or is another merchant's."""
    row = await database.fetch_one(f"{_ENDPOINT} AND w.id = $3", merchant_id, mode, endpoint_id)
    return None if row is None else _endpoint(row)


async def list_endpoints(
    merchant_id: str, mode: str, *, implicit: bool, limit: int, place: Place | None = None
) -> Page[EndpointView]:
    """A page by (created_at, id), newest first: of the merchant's own endpoints, or of the implicit ones, which
    invoices named."""
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


async def list_stopped(merchant_id: str, mode: str) -> list[EndpointView]:
    """Explicit endpoints that were paused for failures or disabled by a 410, the last one first."""
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


# SQL: a join on a column that is no foreign key.
_ENDPOINT = """
    SELECT w.id, w.mode, w.url, w.description, w.event_types, w.implicit, w.status, w.status_reason,
        w.status_since, w.previous_secret_until, w.created_at, w.stopped_by, q.consecutive_failures
    FROM webhook_endpoints w JOIN webhook_queues q ON q.endpoint = w.id
    WHERE w.merchant = $1 AND w.mode = $2 AND w.status <> 'deleted'
"""


def _endpoint(row: database.Row) -> EndpointView:
    return EndpointView(**{**row, "event_types": tuple(row["event_types"])})


async def lock_merchant(merchant_id: str) -> None:
    """Lock the merchant for the caller's transaction, so that another creation of an endpoint waits."""
    await _LOCK_MERCHANT.first(id=merchant_id)


_LOCK_MERCHANT = Statement(
    Merchant.select(Merchant.id).where(Merchant.id == Param("id")).lock_rows("NO KEY UPDATE"), str
)


async def count_explicit(merchant_id: str, mode: str) -> int:
    """How many explicit endpoints there are."""
    return await _COUNT_EXPLICIT.one(merchant=merchant_id, mode=mode)


_COUNT_EXPLICIT = Statement(
    WebhookEndpoint.select(Count()).where(*_OF_MERCHANT, WebhookEndpoint.implicit.eq(False)),
    int,
)


async def add(
    *,
    endpoint_id: str,
    merchant_id: str,
    mode: str,
    url: str,
    description: str,
    event_types: Sequence[str],
    secret_sealed: str,
    now: datetime,
) -> None:
    """Insert an explicit enabled endpoint and its empty queue. Needs a transaction. `event_types` empty means all."""
    await _ADD.run(
        id=endpoint_id,
        merchant=merchant_id,
        mode=mode,
        url=url,
        description=description,
        event_types=list(event_types),
        implicit=False,
        status="enabled",
        status_since=now,
        secret_sealed=secret_sealed,
        created_at=now,
    )
    await _ADD_QUEUE.run(endpoint=endpoint_id, last_seq=0, consecutive_failures=0, ordered_through_seq=0)


_ADD = Command(
    insert(
        WebhookEndpoint,
        WebhookEndpoint.id,
        WebhookEndpoint.merchant,
        WebhookEndpoint.mode,
        WebhookEndpoint.url,
        WebhookEndpoint.description,
        WebhookEndpoint.event_types,
        WebhookEndpoint.implicit,
        WebhookEndpoint.status,
        WebhookEndpoint.status_since,
        WebhookEndpoint.secret_sealed,
        WebhookEndpoint.created_at,
    )
)

_ADD_QUEUE = Command(
    insert(
        WebhookQueue,
        WebhookQueue.endpoint,
        WebhookQueue.last_seq,
        WebhookQueue.consecutive_failures,
        WebhookQueue.ordered_through_seq,
    )
)


async def update(
    merchant_id: str,
    mode: str,
    endpoint_id: str,
    *,
    url: str | None,
    description: str | None,
    event_types: Sequence[str] | None,
) -> bool:
    """Change the fields that are not None; False where there is no such endpoint."""
    changed = await _UPDATE.run(
        id=endpoint_id, merchant=merchant_id, mode=mode, url=url, description=description, event_types=event_types
    )
    return bool(changed)


_UPDATE = Command(
    WebhookEndpoint.update(
        {
            column: QueryString("coalesce({}, {})", Param(column._meta.name), column)
            for column in (WebhookEndpoint.url, WebhookEndpoint.description, WebhookEndpoint.event_types)
        }
    ).where(*_BY_ID)
)


async def lock_secret(merchant_id: str, mode: str, endpoint_id: str) -> str | None:
    """The encrypted secret that signs now, with the endpoint locked for the caller's transaction."""
    return await _LOCK_SECRET.first(id=endpoint_id, merchant=merchant_id, mode=mode)


_LOCK_SECRET = Statement(
    WebhookEndpoint.select(WebhookEndpoint.secret_sealed).where(*_BY_ID).lock_rows("NO KEY UPDATE"), str
)


async def set_secret(
    endpoint_id: str, sealed: str, *, previous_sealed: str | None, previous_until: datetime | None
) -> None:
    """Store the new encrypted secret, and the previous one with the end of its overlap."""
    await _SET_SECRET.run(id=endpoint_id, sealed=sealed, previous_sealed=previous_sealed, previous_until=previous_until)


_SET_SECRET = Command(
    WebhookEndpoint.update(
        {
            WebhookEndpoint.secret_sealed: Param("sealed"),
            WebhookEndpoint.previous_secret_sealed: Param("previous_sealed"),
            WebhookEndpoint.previous_secret_until: Param("previous_until"),
        }
    ).where(WebhookEndpoint.id == Param("id"))
)


async def has_implicit(merchant_id: str, mode: str, url: str) -> bool:
    """Whether there is an implicit endpoint for this URL."""
    return await _IMPLICIT.first(merchant=merchant_id, mode=mode, url=url) is not None


_IMPLICIT = Statement(
    WebhookEndpoint.select(WebhookEndpoint.id).where(
        *_OF_MERCHANT,
        WebhookEndpoint.url == Param("url"),
        WebhookEndpoint.implicit.eq(True),
    ),
    str,
)


async def add_implicit(
    *,
    endpoint_id: str,
    merchant_id: str,
    mode: str,
    url: str,
    description: str,
    secret_sealed: str,
    now: datetime,
) -> None:
    """Insert an implicit enabled endpoint and its empty queue. Does nothing where one for this URL exists."""
    # SQL: ON CONFLICT of a partial index, and an insert of the rows that another insert returns.
    await database.execute(
        """
        WITH made AS (
            INSERT INTO webhook_endpoints
                (id, merchant, mode, url, description, event_types, implicit, status, status_since,
                 secret_sealed, created_at)
            VALUES ($1, $2, $3, $4, $5, '{}', true, 'enabled', $7, $6, $7)
            ON CONFLICT (merchant, mode, url) WHERE implicit AND status <> 'deleted' DO NOTHING
            RETURNING id
        )
        INSERT INTO webhook_queues (endpoint, last_seq, consecutive_failures, ordered_through_seq)
        SELECT id, 0, 0, 0 FROM made
        """,
        endpoint_id,
        merchant_id,
        mode,
        url,
        description,
        secret_sealed,
        now,
    )


async def signing_endpoint(merchant_id: str, mode: str, endpoint_id: str) -> SigningEndpoint | None:
    """An endpoint with what signs for it; None where it does not exist, is deleted or is another merchant's."""
    return await _SIGNING_ENDPOINT.first(id=endpoint_id, merchant=merchant_id, mode=mode)


_SIGNING_ENDPOINT = Statement(select(WebhookEndpoint, SigningEndpoint).where(*_BY_ID), SigningEndpoint)


async def oldest_secret(merchant_id: str, mode: str) -> SealedSecret | None:
    """The encrypted secret of the oldest explicit endpoint."""
    return await _OLDEST_SECRET.first(merchant=merchant_id, mode=mode)


_OLDEST_SECRET = Statement(
    select(WebhookEndpoint, SealedSecret)
    .where(*_OF_MERCHANT, WebhookEndpoint.implicit.eq(False))
    .order_by(WebhookEndpoint.created_at, WebhookEndpoint.id)
    .limit(1),
    SealedSecret,
)
