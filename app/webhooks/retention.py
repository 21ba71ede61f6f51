"""Deletion of old events with their deliveries and attempts (EVENT_RETENTION_DAYS)."""

from datetime import datetime, timedelta

from app.core import database
from app.events import repository as events_repository
from app.webhooks import retention_repository as repository

BATCH = 500
"""Events, or endpoints, deleted in one transaction."""


async def purge_events(now: datetime, retention_days: int) -> int:
    """Delete events older than the retention that have no waiting delivery; return how many.

    Opens a transaction for each BATCH. Safe to run at any time, and twice at once.
    """
    oldest_kept = now - timedelta(days=retention_days)
    purged = 0
    while True:
        async with database.transaction():
            events = await repository.lock_purgeable_events(oldest_kept, BATCH)
            # A replay meanwhile makes a delivery wait again: such an event stays.
            deliveries = await repository.lock_deliveries(events)
            waiting = {delivery.event for delivery in deliveries if delivery.status == "pending"}
            await repository.delete_deliveries([one.id for one in deliveries if one.event not in waiting])
            purged += await repository.delete_events([event for event in events if event not in waiting])
        if len(events) < BATCH:
            return purged


async def purge_implicit_endpoints(now: datetime, retention_days: int) -> int:
    """Delete up to BATCH implicit endpoints older than the retention that have no delivery; return how many.

    Opens a transaction. Run it after `purge_events`. It blocks the numbering of events, so that no event can get a
    delivery to one of the endpoints meanwhile.
    """
    async with database.transaction():
        await events_repository.lock_numbering()
        unused = await repository.unused_implicit(now - timedelta(days=retention_days), BATCH)
        return await repository.delete_endpoints(unused)
