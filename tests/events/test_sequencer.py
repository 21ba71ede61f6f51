"""Numbers without gaps, also when many transactions record and number events at once."""

import asyncio
import json
from collections.abc import Sequence

import pytest

from app.core import clock, database
from app.events import repository
from app.events.sequencer import NumberedEvent, number_events
from tests.factories.events import record_event
from tests.factories.merchants import merchant


async def nowhere(_: Sequence[NumberedEvent]) -> None:
    """No endpoints."""


async def test_fifty_recorders_and_two_sequencers_leave_no_gap(db: str) -> None:
    merchants = [await merchant() for _ in range(2)]
    recording = asyncio.Event()

    async def record(number: int) -> None:
        for _ in range(6):
            await record_event(
                merchant_id=merchants[number % 2],
                mode="live" if number % 4 < 2 else "test",
                type="invoice.paid",
                now=clock.now(),
            )

    async def sequence() -> int:
        numbered = 0
        while not recording.is_set() or await database.fetch_value("SELECT 1 FROM events WHERE seq IS NULL"):
            numbered += await number_events(nowhere, limit=7)
            await asyncio.sleep(0)
        return numbered

    sequencers = [asyncio.create_task(sequence()) for _ in range(2)]
    await asyncio.gather(*(record(number) for number in range(50)))
    recording.set()
    assert sum(await asyncio.gather(*sequencers)) == 300
    for merchant_id in merchants:
        for mode in ("live", "test"):
            listed = await repository.list_after(merchant_id, mode, after_seq=0, limit=1000)
            assert [event.seq for event in listed] == list(range(1, len(listed) + 1))
            assert len(listed) >= 72
            for event in listed:
                body = json.loads(event.body)
                assert (body["seq"], body["event_id"]) == (event.seq, str(event.event_id))
                assert (body["merchant_id"], body["mode"]) == (merchant_id, mode)


async def test_a_rolled_back_numbering_leaves_no_gap(db: str) -> None:
    merchant_id = await merchant()

    async def refuse(_: Sequence[NumberedEvent]) -> None:
        raise ConnectionError

    await record_event(merchant_id=merchant_id, mode="live", type="invoice.paid", now=clock.now())
    with pytest.raises(ConnectionError):
        await number_events(refuse)
    await number_events(nowhere)
    assert [event.seq for event in await repository.list_newest(merchant_id, "live", limit=5)] == [1]


async def test_the_body_contains_the_recorded_data_unchanged(db: str) -> None:
    merchant_id = await merchant()
    await record_event(
        merchant_id=merchant_id,
        mode="live",
        type="invoice.paid",
        now=clock.now(),
        data={"amount_raw": "100000000000000000000", "metadata": {"name": 'Zoë "Z" \\ 漢'}},
    )
    await number_events(nowhere)
    (event,) = await repository.list_newest(merchant_id, "live", limit=5)
    body = json.loads(event.body)
    assert list(body) == ["event_id", "seq", "type", "created_at", "merchant_id", "mode", "data"]
    assert await database.fetch_value("SELECT data FROM events") == "", "the body has it, and is kept for long"
    assert body["data"] == {"amount_raw": "100000000000000000000", "metadata": {"name": 'Zoë "Z" \\ 漢'}}
    assert body["created_at"] == clock.rfc3339(event.created_at)
    assert 'Zoë \\"Z\\"'.encode() in event.body


async def test_lists_page_by_number_and_are_of_one_merchant(db: str) -> None:
    merchant_id, other = [await merchant() for _ in range(2)]
    for _ in range(5):
        await record_event(merchant_id=merchant_id, mode="live", type="invoice.paid", now=clock.now())
    await record_event(merchant_id=merchant_id, mode="test", type="invoice.paid", now=clock.now())
    await record_event(merchant_id=other, mode="live", type="invoice.paid", now=clock.now())
    await number_events(nowhere)
    first = await repository.list_newest(merchant_id, "live", limit=2)
    second = await repository.list_newest(merchant_id, "live", limit=2, place=first.following)
    assert [event.seq for event in [*first, *second]] == [5, 4, 3, 2]
    assert [event.seq for event in await repository.list_after(merchant_id, "live", after_seq=3, limit=9)] == [4, 5]
    assert len(await repository.list_newest(other, "live", limit=9)) == 1
