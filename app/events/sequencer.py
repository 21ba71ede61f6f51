"""Numbering committed events, without gaps per merchant and mode, in batches.

If each transaction incremented a counter, a merchant's invoices would wait for each other's locks. So one sequencer
at a time, under an advisory lock, numbers events after their commit.
"""

import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

import msgspec

from app.core import carried_traces, clock, database, tracing
from app.events import repository
from app.events.repository import UnnumberedEvent

BATCH = 500
"""Events numbered in one transaction: a few tens of milliseconds' work."""


class NumberedEvent(msgspec.Struct, frozen=True):
    """A newly numbered event, with the fields that fan-out needs."""

    id: int
    merchant_id: str
    mode: str
    type: str
    override_url: str | None
    only_endpoint: str | None
    seq: int


FanOut = Callable[[Sequence[NumberedEvent]], Awaitable[None]]


async def number_events(fan_out: FanOut, limit: int = BATCH) -> int:
    """Number up to `limit` committed events, build their bodies, and fan them out in the same transaction.

    Returns the number of events; 0 also while another sequencer runs. Opens its own transaction.
    """
    events = await _number(fan_out, limit)
    await _trace(events)
    return len(events)


async def _number(fan_out: FanOut, limit: int) -> Sequence[UnnumberedEvent]:
    async with database.transaction():
        if not await repository.try_lock_numbering():
            return []
        events = await repository.unnumbered(limit)
        if not events:
            return []
        next_seq = await _reserve([(event.merchant_id, event.mode) for event in events])
        numbered: list[NumberedEvent] = []
        bodies: list[str] = []
        for event in events:
            head = (event.merchant_id, event.mode)
            seq = next_seq[head]
            next_seq[head] = seq + 1
            numbered.append(NumberedEvent(event.id, *head, event.type, event.override_url, event.only_endpoint, seq))
            bodies.append(
                compose_body(
                    event_id=str(event.event_id),
                    seq=seq,
                    type=event.type,
                    created_at=event.created_at,
                    merchant_id=event.merchant_id,
                    mode=event.mode,
                    data=event.data,
                )
            )
        await repository.number([event.id for event in numbered], [event.seq for event in numbered], bodies)
        await fan_out(numbered)
        return events


async def _trace(events: Sequence[UnnumberedEvent]) -> None:
    """Record, in the traces of these events, how long each waited for its number; its deliveries follow that."""
    if not tracing.is_on():
        return
    carried = await carried_traces.kept("event", [event.event_id for event in events])
    for event in events:
        parent = carried.get(event.event_id)
        with tracing.continued("relay", parent, kind="consumer", began_at=event.created_at, event_type=event.type):
            await carried_traces.keep("event", event.event_id)


def compose_body(
    *, event_id: str, seq: int, type: str, created_at: datetime, merchant_id: str, mode: str, data: str
) -> str:
    """The body as it is stored and delivered (contract, section 6). `data` is JSON and is inserted unchanged."""
    return (
        f'{{"event_id":{json.dumps(event_id)},"seq":{seq},"type":{json.dumps(type)},'
        f'"created_at":"{clock.rfc3339(created_at)}","merchant_id":{json.dumps(merchant_id)},'
        f'"mode":{json.dumps(mode)},"data":{data}}}'
    )


async def _reserve(events: Sequence[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """The first new number of each (merchant, mode). Advances the heads by the numbers that the batch uses."""
    counts: dict[tuple[str, str], int] = {}
    for head in events:
        counts[head] = counts.get(head, 0) + 1
    last = await repository.advance_heads(dict(sorted(counts.items())))
    return {head: last[head] - count + 1 for head, count in counts.items()}
