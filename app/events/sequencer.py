"""Giving events their numbers, after the commit: gapless per merchant and mode, a batch at a time.

A counter that each fact's own transaction had to take would make every invoice of a merchant queue behind the
one before it. Here one sequencer at a time, under an advisory lock, numbers what has been committed.
"""

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from app.core import clock, database

SEQUENCER_LOCK = 7_226_002
"""Advisory lock key, held to the end of the transaction."""

BATCH = 500
"""Events numbered in one transaction: a few tens of milliseconds' work."""


@dataclass(frozen=True, slots=True)
class NumberedEvent:
    """What fan-out needs to know of an event that has just got its number."""

    id: int
    merchant_id: str
    mode: str
    type: str
    override_url: str | None
    only_endpoint: str | None
    seq: int


FanOut = Callable[[Sequence[NumberedEvent]], Awaitable[None]]


async def number_events(fan_out: FanOut, limit: int = BATCH) -> int:
    """Number up to `limit` committed events, compose their bodies, and fan them out in the same transaction.

    Returns how many were numbered; 0 also while another sequencer is at it. Opens its own transaction.
    """
    async with database.transaction():
        if not await database.fetch_value("SELECT pg_try_advisory_xact_lock($1)", SEQUENCER_LOCK):
            return 0
        rows = await database.fetch_all(
            """
            SELECT id, event_id, merchant_id, mode, type, data, override_url, only_endpoint, created_at
            FROM events WHERE seq IS NULL ORDER BY id LIMIT $1
            """,
            limit,
        )
        if not rows:
            return 0
        next_seq = await _reserve([(row["merchant_id"], row["mode"]) for row in rows])
        numbered: list[NumberedEvent] = []
        bodies: list[str] = []
        for row in rows:
            head = (row["merchant_id"], row["mode"])
            seq = next_seq[head]
            next_seq[head] = seq + 1
            numbered.append(
                NumberedEvent(row["id"], *head, row["type"], row["override_url"], row["only_endpoint"], seq)
            )
            bodies.append(
                compose_body(
                    event_id=str(row["event_id"]),
                    seq=seq,
                    type=row["type"],
                    created_at=row["created_at"],
                    merchant_id=row["merchant_id"],
                    mode=row["mode"],
                    data=row["data"],
                )
            )
        await database.execute(
            """
            UPDATE events SET seq = numbered.seq, body = numbered.body
            FROM unnest($1::bigint[], $2::bigint[], $3::text[]) AS numbered (id, seq, body)
            WHERE events.id = numbered.id
            """,
            [event.id for event in numbered],
            [event.seq for event in numbered],
            bodies,
        )
        await fan_out(numbered)
        return len(numbered)


def compose_body(
    *, event_id: str, seq: int, type: str, created_at: datetime, merchant_id: str, mode: str, data: str
) -> str:
    """The body as it is stored and delivered (contract, section 6). `data` is JSON and goes in verbatim."""
    return (
        f'{{"event_id":{json.dumps(event_id)},"seq":{seq},"type":{json.dumps(type)},'
        f'"created_at":"{clock.rfc3339(created_at)}","merchant_id":{json.dumps(merchant_id)},'
        f'"mode":{json.dumps(mode)},"data":{data}}}'
    )


async def _reserve(events: Sequence[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """The first new number of each (merchant, mode), with the heads moved past what the batch will use."""
    counts: dict[tuple[str, str], int] = {}
    for head in events:
        counts[head] = counts.get(head, 0) + 1
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
    return {
        (head["merchant_id"], head["mode"]): head["last_seq"] - counts[head["merchant_id"], head["mode"]] + 1
        for head in heads
    }
