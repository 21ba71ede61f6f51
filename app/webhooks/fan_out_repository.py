"""Statements that create deliveries of newly numbered events. They need the sequencer's transaction."""

from collections.abc import Sequence
from datetime import datetime

from app.core import database
from app.events.sequencer import NumberedEvent

# SQL: rows from arrays, and a union of common table expressions.
# The endpoints of each event of the batch: the one that it names, the one of its invoice, or all that are subscribed to
# its type. Paused ones are among them; their deliveries wait. The batch comes as arrays, and each part of the union
# finds its endpoints by an index, so that the plan does not depend on how many events a merchant has.
_DUE = """
    WITH batch AS MATERIALIZED (
        SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[])
        AS e (event, merchant_id, mode, type, override_url, only_endpoint, seq)
    ), due AS MATERIALIZED (
        SELECT e.event, e.merchant_id, e.seq, w.id AS endpoint
        FROM batch e JOIN webhook_endpoints w ON w.id = e.only_endpoint
        WHERE w.status IN ('enabled', 'paused')
        UNION ALL
        SELECT e.event, e.merchant_id, e.seq, w.id
        FROM batch e JOIN webhook_endpoints w
            ON w.merchant = e.merchant_id AND w.mode = e.mode AND w.url = e.override_url
        WHERE w.implicit AND w.status <> 'deleted' AND w.status IN ('enabled', 'paused')
        UNION ALL
        SELECT e.event, e.merchant_id, e.seq, w.id
        FROM batch e JOIN webhook_endpoints w ON w.merchant = e.merchant_id AND w.mode = e.mode
        WHERE e.override_url IS NULL AND e.only_endpoint IS NULL
            AND NOT w.implicit AND w.status <> 'deleted' AND w.status IN ('enabled', 'paused')
            AND (w.event_types = '{}' OR e.type = ANY(w.event_types))
    )
"""


async def lock_queues_due(events: Sequence[NumberedEvent]) -> None:
    """Lock the queues of all endpoints to which these events go."""
    await database.execute(_LOCK, *_columns(events))


# Locked in order, and before the statement that reads the statuses: a change of status holds the same lock.
_LOCK = f"""
    {_DUE}
    SELECT q.endpoint FROM webhook_queues q WHERE q.endpoint IN (SELECT endpoint FROM due)
    ORDER BY q.endpoint FOR UPDATE
"""


async def add_deliveries(events: Sequence[NumberedEvent], now: datetime) -> None:
    """Insert a pending delivery of each event for each of its endpoints, due now. Needs the queues locked."""
    await database.execute(_FAN_OUT, *_columns(events), now)


_FAN_OUT = f"""
    {_DUE}, chained AS MATERIALIZED (
        SELECT d.*, lag(d.seq, 1, q.last_seq) OVER (PARTITION BY d.endpoint ORDER BY d.seq) AS previous_seq
        FROM due d JOIN webhook_queues q ON q.endpoint = d.endpoint
    ), moved AS (
        UPDATE webhook_queues q SET last_seq = last.seq, due_at = least(q.due_at, $8)
        FROM (SELECT endpoint, max(seq) AS seq FROM due GROUP BY endpoint) last
        WHERE q.endpoint = last.endpoint
    )
    INSERT INTO webhook_deliveries
        (event, endpoint, merchant_id, seq, previous_seq, status, attempts, step, next_attempt_at, created_at)
    SELECT event, endpoint, merchant_id, seq, previous_seq, 'pending', 0, 0, $8, $8
    FROM chained ORDER BY endpoint, seq
"""


def _columns(events: Sequence[NumberedEvent]) -> tuple[list[object], ...]:
    """The events as the arrays $1 to $7."""
    return (
        [event.id for event in events],
        [event.merchant_id for event in events],
        [event.mode for event in events],
        [event.type for event in events],
        [event.override_url for event in events],
        [event.only_endpoint for event in events],
        [event.seq for event in events],
    )
