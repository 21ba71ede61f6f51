"""Deletion of old events with their deliveries and attempts (EVENT_RETENTION_DAYS)."""

from datetime import datetime, timedelta

from app.core import clock, database
from app.events import repository as events_repository
from app.webhooks import retention_repository as repository

BATCH = 500
"""Events, or endpoints, deleted in one transaction."""

SLICE_S = 480.0
"""So long one run deletes events; the next one goes on. Its job may take ten minutes (workers/default.py)."""


async def purge_events(now: datetime, retention_days: int) -> int:
    """Delete events older than the retention that have no waiting delivery; return how many. Ends after SLICE_S.

    Opens a transaction for each BATCH. Safe to run at any time, and twice at once.
    """
    oldest_kept = now - timedelta(days=retention_days)
    purged, began_s, reached = 0, clock.monotonic_s(), None
    while True:
        async with database.transaction():
            found = await repository.lock_old_events(oldest_kept, BATCH, reached)
            events = [event.id for event in found if not event.waits]
            # A replay meanwhile makes a delivery wait again: such an event stays.
            deliveries = await repository.lock_deliveries(events)
            waiting = {delivery.event for delivery in deliveries if delivery.status == "pending"}
            await repository.delete_deliveries([one.id for one in deliveries if one.event not in waiting])
            purged += await events_repository.purge([event for event in events if event not in waiting])
        if len(found) < BATCH or clock.monotonic_s() - began_s > SLICE_S:
            return purged
        reached = found[-1]


async def purge_implicit_endpoints(now: datetime, retention_days: int) -> int:
    """Delete up to BATCH implicit endpoints older than the retention that have no delivery; return how many.

    Opens a transaction. Run it after `purge_events`. It blocks the numbering of events, so that no event can get a
    delivery to one of the endpoints meanwhile.
    """
    async with database.transaction():
        await events_repository.lock_numbering()
        unused = await repository.unused_implicit(now - timedelta(days=retention_days), BATCH)
        return await repository.delete_endpoints(unused)
