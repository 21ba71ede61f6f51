"""Statements that put events back into the queues of endpoints."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from app.core import database
from app.core.statement import Param, Statement
from app.events.tables import Event


class QueuedBatch(msgspec.Struct, frozen=True):
    """The last number that a batch read, None where it read none, and how many events it queued."""

    last_seq: int | None
    queued: int


async def endpoints_for_event(event: int) -> list[str]:
    """The endpoints, enabled or paused, that have a delivery of the event or are subscribed to its type now."""
    rows = await database.fetch_all(_DUE_OR_HAVING, event)
    return [row["endpoint"] for row in rows]


# SQL: a union.
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


async def queue_event(event: int, endpoints: Sequence[str], now: datetime) -> int:
    """Make the event's delivery pending, due now, for each of these endpoints that is not stopped; return how many.

    Needs a transaction that has locked their queues.
    """
    return await database.execute(_QUEUE_EVENT, event, list(endpoints), now)


# Both statements reset a delivery that exists. One that is claimed stays: an attempt runs right now.
_PUT_BACK = """
    ON CONFLICT (event, endpoint) DO UPDATE
        SET status = 'pending', step = 0, next_attempt_at = excluded.next_attempt_at, delivered_at = NULL
        WHERE webhook_deliveries.claimed_until IS NULL
"""

# SQL: an insert of a query, and an update of what it reads.
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


async def last_seq_before(merchant_id: str, mode: str, before: datetime) -> int:
    """The number of the last event that was recorded before this time; 0 where there is none."""
    return await _LAST_SEQ_BEFORE.first(merchant_id=merchant_id, mode=mode, before=before) or 0


_LAST_SEQ_BEFORE = Statement(
    Event.select(Event.seq)
    .where(
        Event.merchant_id == Param("merchant_id"),
        Event.mode == Param("mode"),
        Event.seq.is_not_null(),
        Event.created_at < Param("before"),
    )
    .order_by(Event.seq, ascending=False)
    .limit(1),
    int,
)


async def last_seq(merchant_id: str, mode: str) -> int:
    """The number of the last event; 0 where there is none."""
    return await _LAST_SEQ.first(merchant_id=merchant_id, mode=mode) or 0


_LAST_SEQ = Statement(
    Event.select(Event.seq)
    .where(Event.merchant_id == Param("merchant_id"), Event.mode == Param("mode"), Event.seq.is_not_null())
    .order_by(Event.seq, ascending=False)
    .limit(1),
    int,
)


async def queue_since(
    endpoint: str, *, since: datetime, missed_only: bool, after_seq: int, limit: int, now: datetime
) -> QueuedBatch:
    """Read up to `limit` events after `after_seq`; make those since `since` that the endpoint is subscribed to pending.

    With `missed_only`, only those that it has not received. Needs a transaction that has locked the endpoint's queue.
    """
    row = await database.fetch_one(_QUEUE_SINCE, endpoint, now, since, after_seq, limit, missed_only)
    assert row is not None
    return QueuedBatch(**row)


# SQL: an insert of a query, and an update of what it reads.
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
        FROM batch b WHERE b.created_at >= $3 AND b.asked_for AND NOT ($6 AND EXISTS (
            SELECT FROM webhook_deliveries d
            WHERE d.event = b.id AND d.endpoint = b.endpoint AND d.status = 'delivered'))
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
