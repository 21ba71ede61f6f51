"""Recording events. Numbering and fan-out come after the commit (events/sequencer.py)."""

import uuid
from datetime import datetime
from typing import Literal

from app.core import carried_traces, database, ids, redis, tracing
from app.core.errors import ApiError, Code
from app.events import repository
from app.events.repository import EventView
from app.live import notices, topics

Mode = Literal["live", "test"]

WAKE_CHANNEL = "wake:events"
"""Redis channel on which committers of events wake the sequencer; it also polls."""


async def record(
    *,
    merchant_id: str,
    mode: Mode,
    type: str,
    subject_id: str,
    data: bytes,
    override_url: str | None,
    now: datetime,
    only_endpoint: str | None = None,
) -> uuid.UUID:
    """Record an event in the caller's transaction. Returns its id. `data` is the JSON of the event's `data` field.

    It is delivered to every endpoint that subscribes to its type; with `override_url` (an invoice's own webhook) or
    `only_endpoint` (a test event) only to that one.

    Raises NoTransactionError outside a transaction: an event may exist only if the change that it reports was
    committed. After the commit the caller calls `announce()`.
    """
    database.in_transaction()
    event_id = ids.new_event_id()
    with tracing.part("event", kind="producer", event_type=type):
        await repository.add(
            event_id=event_id,
            merchant_id=merchant_id,
            mode=mode,
            type=type,
            subject_id=subject_id,
            data=data.decode(),
            override_url=override_url,
            created_at=now,
            only_endpoint=only_endpoint,
        )
        await carried_traces.keep("event", event_id)
    await notices.changed(*topics.of_event(merchant_id, mode, type, subject_id))
    return event_id


async def get(merchant_id: str, mode: Mode, event_id: str) -> EventView:
    """One numbered event. Raises ApiError EVENT_NOT_FOUND if it does not exist or is another merchant's."""
    try:
        wanted = uuid.UUID(event_id)
    except ValueError:
        found = None
    else:
        found = await repository.find(merchant_id, mode, wanted)
    if found is None:
        raise ApiError(Code.EVENT_NOT_FOUND, "event_id: no such event")
    return found


async def announce(*changed: str) -> None:
    """Wake the sequencer after a commit, and open pages of the topics that changed with it. Optional: without it the
    event is numbered at the next poll."""
    await redis.publish_messages((WAKE_CHANNEL, ""), *([notices.message(changed)] if changed else []))
