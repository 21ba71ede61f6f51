"""Every statement on `events` and `event_heads`.

A merchant's events are read as exactly the bytes that are delivered. An event can be read once the sequencer has
numbered it, within about a second of its commit.
"""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec
from piccolo.query.methods.select import Select

from app.core import database
from app.core.keyset import Page, Place, Total
from app.core.statement import InsertEach, Listing, Param, Statement, select
from app.events.tables import Event

SEQUENCER_LOCK = 7_226_002
"""Advisory lock key, held to the end of the transaction."""


class EventView(msgspec.Struct, frozen=True):
    """A numbered event. `body` is the JSON that is delivered, byte for byte."""

    id: int
    event_id: uuid.UUID
    seq: int
    type: str
    subject_id: str
    created_at: datetime
    body: bytes


class UnnumberedEvent(msgspec.Struct, frozen=True):
    """A committed event without its number. `data` is JSON."""

    id: int
    event_id: uuid.UUID
    merchant_id: str
    mode: str
    type: str
    data: str
    override_url: str | None
    only_endpoint: str | None
    created_at: datetime


class _NumberedRow(msgspec.Struct, frozen=True):
    """A numbered event as it is stored."""

    id: int
    event_id: uuid.UUID
    seq: int
    type: str
    subject_id: str
    created_at: datetime
    body: str

    def view(self) -> EventView:
        return EventView(
            id=self.id,
            event_id=self.event_id,
            seq=self.seq,
            type=self.type,
            subject_id=self.subject_id,
            created_at=self.created_at,
            body=self.body.encode(),
        )


class AddedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A new event, without its number. `data` is JSON."""

    event_id: uuid.UUID
    merchant_id: str
    mode: str
    type: str
    subject_id: str
    data: str
    override_url: str | None
    only_endpoint: str | None
    created_at: datetime


async def add_all(added: Sequence[AddedEvent]) -> None:
    """Write events without a number, which they get in this order."""
    await _ADD_ALL.run([msgspec.structs.asdict(each) for each in added])


_ADD_ALL = InsertEach(Event, *(getattr(Event, name) for name in AddedEvent.__struct_fields__))


def _numbered() -> "Select[Event]":
    return select(Event, _NumberedRow).where(
        Event.merchant_id == Param("merchant_id"), Event.mode == Param("mode"), Event.seq.is_not_null()
    )


async def list_newest(merchant_id: str, mode: str, *, limit: int, place: Place | None = None) -> Page[EventView]:
    """A page of a merchant's events by seq, newest first."""
    rows = await _NEWEST.page(place, limit, merchant_id=merchant_id, mode=mode)
    return rows.of(row.view() for row in rows)


async def total(merchant_id: str, mode: str) -> Total:
    """How many events a merchant has: they are numbered without gaps."""
    newest = await list_newest(merchant_id, mode, limit=1)
    return Total(newest[0].seq if newest else 0, is_exact=True)


_NEWEST = Listing(_numbered, _NumberedRow, key=(Event.seq,))


async def list_after(merchant_id: str, mode: str, *, after_seq: int, limit: int) -> Sequence[EventView]:
    """Events after `after_seq`, oldest first, for a consumer that catches up."""
    rows = await _AFTER.all(merchant_id=merchant_id, mode=mode, after_seq=after_seq, limit=limit)
    return [row.view() for row in rows]


_AFTER = Statement(_numbered().where(Event.seq > Param("after_seq")).order_by(Event.seq), _NumberedRow, limited=True)


async def find(merchant_id: str, mode: str, event_id: uuid.UUID) -> EventView | None:
    """One numbered event of a merchant; None if there is none."""
    row = await _BY_EVENT_ID.first(merchant_id=merchant_id, mode=mode, event_id=event_id)
    return None if row is None else row.view()


_BY_EVENT_ID = Statement(_numbered().where(Event.event_id == Param("event_id")), _NumberedRow)


async def find_between(
    merchant_id: str, mode: str, first: uuid.UUID, last: uuid.UUID, *, limit: int
) -> Sequence[EventView]:
    """A merchant's events whose ids are in this range, both ends included."""
    rows = await _BETWEEN.all(merchant_id=merchant_id, mode=mode, first=first, last=last, limit=limit)
    return [row.view() for row in rows]


_BETWEEN = Statement(
    _numbered().where(Event.event_id >= Param("first"), Event.event_id <= Param("last")), _NumberedRow, limited=True
)


async def try_lock_numbering() -> bool:
    """Lock the numbering of events for the caller's transaction; False while another holds it."""
    # SQL, since the builder calls no function without a table.
    locked: bool = await database.fetch_value("SELECT pg_try_advisory_xact_lock($1)", SEQUENCER_LOCK)
    return locked


async def lock_numbering() -> None:
    """Lock the numbering of events for the caller's transaction; waits while another holds it."""
    # SQL, since the builder calls no function without a table.
    await database.execute("SELECT pg_advisory_xact_lock($1)", SEQUENCER_LOCK)


async def unnumbered(limit: int) -> list[UnnumberedEvent]:
    """Committed events without a number, in the order in which they are numbered."""
    return await _UNNUMBERED.all(limit=limit)


_UNNUMBERED = Statement(
    select(Event, UnnumberedEvent).where(Event.seq.is_null()).order_by(Event.id), UnnumberedEvent, limited=True
)


async def number(ids: Sequence[int], seqs: Sequence[int], bodies: Sequence[str]) -> None:
    """Store number and body of each of these events. The body has all of `data`, which is emptied: half of the row."""
    # SQL, since the builder knows no UPDATE ... FROM.
    await database.execute(
        """
        UPDATE events SET seq = numbered.seq, body = numbered.body, data = ''
        FROM unnest($1::bigint[], $2::bigint[], $3::text[]) AS numbered (id, seq, body)
        WHERE events.id = numbered.id
        """,
        ids,
        seqs,
        bodies,
    )


async def advance_heads(counts: Mapping[tuple[str, str], int]) -> dict[tuple[str, str], int]:
    """Advance the head of each (merchant, mode) by a count of numbers. Returns the last number of each.

    The counts come sorted: `purge` locks heads in that order too.
    """
    # SQL, since the builder knows neither unnest nor an ON CONFLICT that adds to the stored value.
    heads = await database.fetch_all(
        """
        INSERT INTO event_heads (merchant_id, mode, last_seq)
        SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[])
        ON CONFLICT (merchant_id, mode) DO UPDATE SET last_seq = event_heads.last_seq + excluded.last_seq
        RETURNING merchant_id, mode, last_seq
        """,
        [merchant_id for merchant_id, _ in counts],
        [mode for _, mode in counts],
        list(counts.values()),
    )
    return {(head["merchant_id"], head["mode"]): head["last_seq"] for head in heads}


async def purge(ids: Sequence[int]) -> int:
    """Delete events that have no delivery, and keep in the heads up to which number; return how many were deleted.

    Needs a transaction.
    """
    # SQL, since the builder knows no FOR UPDATE of what a query finds, and no UPDATE ... FROM.
    await database.execute(
        """
        SELECT FROM event_heads h WHERE EXISTS (
            SELECT FROM events e WHERE e.id = ANY($1) AND e.merchant_id = h.merchant_id AND e.mode = h.mode)
        ORDER BY h.merchant_id COLLATE "C", h.mode COLLATE "C" FOR UPDATE
        """,
        ids,
    )
    purged: int = await database.fetch_value(
        """
        WITH gone AS (
            DELETE FROM events WHERE id = ANY($1) RETURNING merchant_id, mode, seq
        ), marked AS (
            UPDATE event_heads h SET purged_through_seq = greatest(h.purged_through_seq, last.seq)
            FROM (SELECT merchant_id, mode, max(seq) AS seq FROM gone GROUP BY merchant_id, mode) last
            WHERE h.merchant_id = last.merchant_id AND h.mode = last.mode
        )
        SELECT count(*) FROM gone
        """,
        ids,
    )
    return purged
