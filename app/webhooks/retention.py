"""Forgetting what is old and done: events, deliveries, attempts (EVENT_RETENTION_DAYS)."""

from datetime import datetime, timedelta

from app.core import database
from app.events.repository import SEQUENCER_LOCK

BATCH = 500
"""Events forgotten in one transaction."""


async def purge_events(now: datetime, retention_days: int) -> int:
    """Delete events older than the retention of which no delivery waits any more; how many.

    Opens a transaction for each BATCH. Safe to run at any time, and twice at once.
    """
    oldest_kept = now - timedelta(days=retention_days)
    purged = 0
    while True:
        async with database.transaction():
            events = await database.fetch_all(_PURGEABLE, oldest_kept, BATCH)
            ids = [event["id"] for event in events]
            # A replay that came first makes a delivery wait again: such an event stays.
            rows = await database.fetch_all(
                "SELECT id, event, status FROM webhook_deliveries WHERE event = ANY($1) ORDER BY id FOR UPDATE",
                ids,
            )
            waiting = {row["event"] for row in rows if row["status"] == "pending"}
            doomed = [row["id"] for row in rows if row["event"] not in waiting]
            await database.execute("DELETE FROM webhook_attempts WHERE delivery = ANY($1)", doomed)
            await database.execute("DELETE FROM webhook_deliveries WHERE id = ANY($1)", doomed)
            purged += await database.execute(
                "DELETE FROM events WHERE id = ANY($1)", [id for id in ids if id not in waiting]
            )
        if len(ids) < BATCH:
            return purged


async def purge_implicit_endpoints(now: datetime, retention_days: int) -> int:
    """Delete implicit endpoints older than the retention for which no delivery is kept; how many.

    Run after `purge_events`. Holds the sequencer off, so that no event can be on its way to one of them.
    """
    async with database.transaction():
        await database.execute("SELECT pg_advisory_xact_lock($1)", SEQUENCER_LOCK)
        rows = await database.fetch_all(_UNUSED_IMPLICIT, now - timedelta(days=retention_days), BATCH)
        unused = [row["endpoint"] for row in rows]
        await database.execute("DELETE FROM webhook_queues WHERE endpoint = ANY($1)", unused)
        return await database.execute("DELETE FROM webhook_endpoints WHERE id = ANY($1)", unused)


# An event without a number has not been fanned out: it has not even begun to be delivered.
_PURGEABLE = """
    SELECT e.id FROM events e
    WHERE e.created_at < $1 AND e.seq IS NOT NULL
        AND NOT EXISTS (SELECT FROM webhook_deliveries d WHERE d.event = e.id AND d.status = 'pending')
    ORDER BY e.created_at LIMIT $2 FOR UPDATE SKIP LOCKED
"""

_UNUSED_IMPLICIT = """
    SELECT w.id AS endpoint FROM webhook_endpoints w
    WHERE w.implicit AND w.created_at < $1
        AND NOT EXISTS (SELECT FROM webhook_deliveries d WHERE d.endpoint = w.id)
        AND NOT EXISTS (SELECT FROM events e WHERE e.only_endpoint = w.id)
    LIMIT $2
"""
