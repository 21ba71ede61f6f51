"""What the streams of open checkout pages bring after a change, and how often it is read."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from functools import partial

import pytest

from app.checkout import layout
from app.checkout.following import Following, Shown
from app.checkout.viewing import Viewing
from app.core import clock
from app.invoices.reader import InvoiceReader, PublicInvoice
from app.live import contents, stream, topics
from app.live.hub import LiveHub
from app.live.notices import changed
from app.live.stream import HEARTBEAT, EventStream
from app.web import languages
from app.web.languages import ENGLISH
from app.web.pages import Pages
from app.wiring import Services
from tests.factories.invoices import invoice
from tests.factories.merchants import terms

GERMAN = languages.choose("de", "")


class CountingReader:
    """The reader, which counts its statements."""

    def __init__(self, reader: InvoiceReader) -> None:
        self._reader = reader
        self.statements = 0

    async def get_public_of(self, invoice_ids: Sequence[str]) -> list[PublicInvoice | None]:
        """Passed on."""
        self.statements += 1
        return await self._reader.get_public_of(invoice_ids)


@pytest.fixture
async def hub(valkey: str) -> AsyncIterator[LiveHub]:
    """One that hears Redis."""
    made = LiveHub()
    made.open()
    async with asyncio.timeout(30):
        while made.version("any") is None:
            await asyncio.sleep(0.01)
    yield made
    await made.close()


def following(hub: LiveHub, services: Services, reader: CountingReader) -> Following:
    """The streams of the checkout."""
    pages = Pages()
    viewing = Viewing(services, with_wallet=False)
    render = partial(layout.live_part, pages)
    return Following(hub, reader, services.links, viewing, render)  # type: ignore[arg-type]


async def begun(events: EventStream) -> EventStream:
    """A stream that has begun."""
    first = await anext(events)
    assert first.startswith(b"retry: ")
    assert first.endswith(b"event: following\ndata:\n\n")
    return events


async def brought(events: EventStream) -> str:
    """The next event that is none of the heartbeats, as a browser puts its lines together."""
    async with asyncio.timeout(30):
        while (event := await anext(events)) == HEARTBEAT:
            pass
    kind, *lines = event.decode().removesuffix("\n\n").split("\n")
    assert all(line.startswith("data:") for line in lines), "nothing begins a field of its own"
    return "\n".join([kind, *(line.removeprefix("data:").removeprefix(" ") for line in lines)])


async def test_a_block_is_read_once_and_each_page_is_brought_its_own_part(
    services: Services, hub: LiveHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    merchant, reader = await terms(service_fee_bps=0), CountingReader(services.invoice_reader)
    first, second, other = [await invoice(services, merchant) for _ in range(3)]
    follows, now = following(hub, services, reader), clock.now()
    read = now + timedelta(seconds=5)  # after all that the hub may have missed or heard until now
    asked = [Shown(each.id, language, framed=False) for each in (first, second) for language in (ENGLISH, GERMAN)]
    pages = [await begun(follows.stream(shown, read)) for shown in [*asked, asked[0]]]
    untouched = await begun(follows.stream(Shown(other.id, ENGLISH, framed=False), read))
    lost = await begun(follows.stream(Shown("INV-0000000000", ENGLISH, framed=False), read))
    for each in (first, second):
        await services.invoices.cancel(merchant.merchant_id, "test", each.id, clock.now())
    for page in pages:
        await brought(page)

    read_before = reader.statements
    await changed(*(topics.of_thing("invoice", name) for name in (first.id, second.id, "INV-0000000000")))
    parts = [await brought(page) for page in pages]
    assert await brought(lost) == "event: changed\n", "what can't be shown, the page asks for, and gets the error"
    assert reader.statements == read_before + 1
    assert all(part.startswith("event: part\n") and 'data-status="cancelled"' in part for part in parts)
    for shown, part in zip([*asked, asked[0]], parts, strict=True):
        assert shown.invoice_id in part
        assert ("This payment was cancelled" in part) == (shown.language is ENGLISH)
    assert parts[0] == parts[-1]

    # A page that was read before the change is brought it when its stream begins; a later one is not.
    late = await begun(follows.stream(asked[0], now))
    assert 'data-status="cancelled"' in await brought(late)
    assert untouched._given is None

    # What is not read waits in memory, so a stream brings no more than some.
    monkeypatch.setattr(stream, "MAX_CONTENT_BYTES", 1)
    await changed(topics.of_thing("invoice", first.id))
    async with asyncio.timeout(30):
        assert all([event == HEARTBEAT async for event in late])
    newest = await begun(follows.stream(asked[0], clock.now() + timedelta(seconds=5)))
    assert newest._given is None
    for page in (*pages, untouched, lost, late, newest):
        page.close()
    assert not hub._streams


async def test_a_page_that_waits_is_made_once_for_all_notices(hub: LiveHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "MOST_TOGETHER", 2)
    calls: list[list[int]] = []
    may_be_made = asyncio.Event()

    async def make(wanted: Sequence[int]) -> AsyncIterator[tuple[int, bytes]]:
        calls.append(list(wanted))
        number = len(calls)
        await may_be_made.wait()
        for shown in wanted:
            yield shown, f"page {shown}, made by call {number}".encode()

    made = contents.Contents(make)
    pages = [await begun(hub.stream({f"page:{each}": "page"}, contents=made, shows=each)) for each in range(5)]
    async with asyncio.timeout(30):
        await changed(*(f"page:{each}" for each in range(5)))
        while not calls:
            await asyncio.sleep(0.01)
        await changed(*(f"page:{each}" for each in range(5)))
        while hub.version("page:4") != 2:
            await asyncio.sleep(0.01)
        may_be_made.set()
        assert made._task is not None
        await made._task
    assert calls == [[0, 1], [2, 3], [4, 0], [1]], "only what was being made is made again"
    brought_last = [(await brought(page)).removeprefix("event: part\n") for page in pages]
    assert brought_last == [f"page {each}, made by call {call}" for each, call in enumerate([3, 4, 2, 2, 3])]
    for page in pages:
        page.close()


def test_no_text_of_a_page_begins_a_field_of_its_stream() -> None:
    sent = contents.event(b"a\rid: 1\r\nevent: ended\n\ndata: b")
    assert sent == b"event: part\ndata: a\ndata: id: 1\ndata: event: ended\ndata: \ndata: data: b\n\n"
