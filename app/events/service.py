"""Writing events. Numbering and fan-out come after the commit (events/sequencer.py)."""

import uuid
from datetime import datetime
from typing import Literal

from app.core import database, ids, redis

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
    """Write an event in the caller's transaction; its id. `data` is the JSON of the event's `data` field.

    It goes to every endpoint that wants its type; with `override_url` (an invoice's own webhook) or
    `only_endpoint` (a test event) to that one alone.

    Raises NoTransactionError outside a transaction: an event may only exist if its fact does. After the commit
    the caller says `announce()`.
    """
    database.in_transaction()
    event_id = ids.new_event_id()
    await database.execute(
        """
        INSERT INTO events
            (event_id, merchant_id, mode, type, subject_id, data, override_url, created_at, only_endpoint)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        """,
        event_id,
        merchant_id,
        mode,
        type,
        subject_id,
        data.decode(),
        override_url,
        now,
        only_endpoint,
    )
    return event_id


async def announce() -> None:
    """Wake the sequencer after a commit. Only a hint: without it the event leaves at the next poll."""
    await redis.publish(WAKE_CHANNEL)
