"""Events become deliveries: one row for each endpoint that is due the event, in the sequencer's transaction."""

from collections.abc import Sequence

from app.core import clock, database
from app.core.settings import DataKeys
from app.events.sequencer import FanOut, NumberedEvent
from app.webhooks import invoice_overrides

# The endpoints that each event of the batch is due: the one it names, the one of its invoice, or all that want
# its type. Paused ones too, theirs wait. The batch comes as arrays and each arm finds its endpoints by an index:
# so the plan can't begin with what a merchant has piled up, whatever the planner's statistics say.
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

# Locked in order, and before the statement that reads the statuses: a change of status holds the same lock.
_LOCK = f"""
    {_DUE}
    SELECT q.endpoint FROM webhook_queues q WHERE q.endpoint IN (SELECT endpoint FROM due)
    ORDER BY q.endpoint FOR UPDATE
"""

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


def fan_out_with(keys: DataKeys) -> FanOut:
    """What the sequencer calls with each batch. `keys` seal the secret of an implicit endpoint made on the way."""

    async def fan_out(events: Sequence[NumberedEvent]) -> None:
        now = clock.now()
        overrides = {(e.merchant_id, e.mode, e.override_url) for e in events if e.override_url is not None}
        for merchant_id, mode, url in sorted(overrides):
            await invoice_overrides.ensure_implicit_endpoint(
                merchant_id=merchant_id, mode=mode, url=url, keys=keys, now=now
            )
        batch = (
            [event.id for event in events],
            [event.merchant_id for event in events],
            [event.mode for event in events],
            [event.type for event in events],
            [event.override_url for event in events],
            [event.only_endpoint for event in events],
            [event.seq for event in events],
        )
        await database.execute(_LOCK, *batch)
        await database.execute(_FAN_OUT, *batch, now)

    return fan_out
