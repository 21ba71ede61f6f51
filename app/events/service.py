"""Recording events. Numbering and fan-out come after the commit (events/sequencer.py)."""

import uuid
from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Literal

import msgspec

from app.core import carried_traces, database, ids, redis, tracing
from app.core.errors import ApiError, Code
from app.core.tracing import Span
from app.events import repository
from app.events.repository import AddedEvent, EventView
from app.live import notices, topics

Mode = Literal["live", "test"]

WAKE_CHANNEL = "wake:events"
"""Redis channel on which committers of events wake the sequencer; it also polls."""


class NewEvent(msgspec.Struct, frozen=True, kw_only=True):
    """What an event says. `data` is the JSON of its `data` field.

    It is delivered to every endpoint that subscribes to its type; with `override_url` (an invoice's own webhook) or
    `only_endpoint` (a test event) only to that one. `trace` is the context of the trace that it belongs to, where that
    is not the current one.
    """

    merchant_id: str
    mode: Mode
    type: str
    subject_id: str
    data: bytes
    override_url: str | None
    only_endpoint: str | None = None
    trace: str | None = None


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
    """`record_all` of one event. Returns its id."""
    new = NewEvent(
        merchant_id=merchant_id,
        mode=mode,
        type=type,
        subject_id=subject_id,
        data=data,
        override_url=override_url,
        only_endpoint=only_endpoint,
    )
    (event_id,) = await record_all([new], now)
    return event_id


async def record_all(new: Sequence[NewEvent], now: datetime) -> list[uuid.UUID]:
    """Record events in the caller's transaction, in this order. Returns their ids.

    Raises NoTransactionError outside a transaction: an event may exist only if the change that it reports was
    committed. After the commit the caller calls `announce()`.
    """
    database.in_transaction()
    added = []
    for event in new:
        event_id = ids.new_event_id()
        with _span(event):
            await carried_traces.keep("event", event_id)
        added.append(
            AddedEvent(
                event_id=event_id,
                merchant_id=event.merchant_id,
                mode=event.mode,
                type=event.type,
                subject_id=event.subject_id,
                data=event.data.decode(),
                override_url=event.override_url,
                only_endpoint=event.only_endpoint,
                created_at=now,
            )
        )
    if added:
        await repository.add_all(added)
    changed = [
        topic for each in new for topic in topics.of_event(each.merchant_id, each.mode, each.type, each.subject_id)
    ]
    await notices.changed(*changed)
    return [each.event_id for each in added]


def _span(event: NewEvent) -> AbstractContextManager[Span]:
    if event.trace is not None:
        return tracing.continued("event", event.trace, kind="producer", event_type=event.type)
    return tracing.part("event", kind="producer", event_type=event.type)


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
