"""Reading a merchant's events: the very bytes that were or will be delivered, numbered without a hole.

An event shows once the sequencer has numbered it, within about a second of its commit.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from app.core import database
from app.core.errors import ApiError, Code
from app.core.keyset import Page, Place, direction, page_of
from app.events.service import Mode

MAX_SEQ = 2**63 - 1
"""Above every number: `bigint` ends there."""


@dataclass(frozen=True, slots=True)
class EventView:
    """A numbered event. `body` is the JSON that is delivered, byte for byte."""

    id: int
    event_id: uuid.UUID
    seq: int
    type: str
    subject_id: str
    created_at: datetime
    body: bytes


async def list_newest(merchant_id: str, mode: Mode, *, limit: int, place: Place | None = None) -> Page[EventView]:
    """A page by seq, newest first."""
    comparison, order = direction(place)
    rows = await database.fetch_all(
        f"{_SELECT} AND seq {comparison} $3 ORDER BY seq {order} LIMIT $4",
        merchant_id,
        mode,
        place.key[0] if place else MAX_SEQ,
        limit + 1,
    )
    return page_of(rows, limit, place, key=("seq",), made=_view)


async def list_after(merchant_id: str, mode: Mode, *, after_seq: int, limit: int) -> Sequence[EventView]:
    """Oldest first from the one after `after_seq` on: how a consumer catches up."""
    rows = await database.fetch_all(
        f"{_SELECT} AND seq > $3 ORDER BY seq LIMIT $4", merchant_id, mode, after_seq, limit
    )
    return [_view(row) for row in rows]


async def get(merchant_id: str, mode: Mode, event_id: str) -> EventView:
    """One event. Raises ApiError EVENT_NOT_FOUND, for another merchant's as for none."""
    try:
        wanted = uuid.UUID(event_id)
    except ValueError:
        wanted = None
    row = wanted and await database.fetch_one(f"{_SELECT} AND event_id = $3", merchant_id, mode, wanted)
    if not row:
        raise ApiError(Code.EVENT_NOT_FOUND, "event_id: no such event")
    return _view(row)


_SELECT = """
    SELECT id, event_id, seq, type, subject_id, created_at, body FROM events
    WHERE merchant_id = $1 AND mode = $2 AND seq IS NOT NULL
"""


def _view(row: database.Row) -> EventView:
    return EventView(
        id=row["id"],
        event_id=row["event_id"],
        seq=row["seq"],
        type=row["type"],
        subject_id=row["subject_id"],
        created_at=row["created_at"],
        body=row["body"].encode(),
    )
