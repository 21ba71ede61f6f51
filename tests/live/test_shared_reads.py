"""What many pages read in the same moment is read once, and never older than the notice that they follow."""

import asyncio

import pytest

from app.live.hub import LiveHub
from app.live.notices import changed
from app.live.shared_reads import SharedReads


@pytest.mark.usefixtures("db", "valkey")
async def test_reads_are_shared_until_the_next_notice_and_only_while_notices_are_heard() -> None:
    hub, made = LiveHub(), 0
    shared = SharedReads(hub)

    async def make() -> int:
        nonlocal made
        made += 1
        number = made
        await asyncio.sleep(0.01)
        return number

    async def both() -> list[int]:
        return list(await asyncio.gather(*(shared.read("M/test/invoices", "all", make) for _ in range(2))))

    assert await both() == [1, 2], "nothing is heard yet"
    hub.open()
    try:
        async with asyncio.timeout(30):
            while hub.version("M/test/invoices") is None:
                await asyncio.sleep(0.01)
        assert await both() == [3, 3]
        assert await shared.read("M/test/invoices", "paid", make) == 4
        assert await shared.read("M/live/invoices", "all", make) == 5
        before = hub.version("M/test/invoices")
        await changed("M/test/invoices")
        async with asyncio.timeout(30):
            while hub.version("M/test/invoices") == before:
                await asyncio.sleep(0.01)
        assert await both() == [6, 6], "what was read before the notice is not given out after it"
    finally:
        await hub.close()
