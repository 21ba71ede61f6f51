"""Notices are published once, after the commit, with all topics of a transaction, and never without it."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from app.audit import service as audit
from app.core import clock, database, redis
from app.live import topics
from app.live.hub import LiveHub
from app.live.notices import changed
from app.wiring import Services
from tests.factories.invoices import invoice
from tests.factories.merchants import terms
from tests.factories.withdrawals import STRANGER, fund, payout


class Ear:
    """What is published."""

    def __init__(self) -> None:
        self.messages: asyncio.Queue[set[str]] = asyncio.Queue()

    async def listen(self, ready: asyncio.Event) -> None:
        async with redis.client().pubsub() as subscription:
            await subscription.subscribe("live")
            async for message in subscription.listen():
                if message["type"] == "subscribe":
                    ready.set()
                else:
                    self.messages.put_nowait(set(message["data"].decode().split()))

    async def next(self) -> set[str]:
        async with asyncio.timeout(30):
            return await self.messages.get()


@pytest.fixture
async def ear(valkey: str) -> AsyncIterator[Ear]:
    """Hears every message."""
    ear, ready = Ear(), asyncio.Event()
    task = asyncio.create_task(ear.listen(ready))
    await ready.wait()
    yield ear
    task.cancel()


@pytest.mark.usefixtures("db")
async def test_one_message_after_the_commit_and_none_after_a_rollback(ear: Ear) -> None:
    with pytest.raises(ZeroDivisionError):
        async with database.transaction():
            await changed("lost")
            raise ZeroDivisionError
    async with database.transaction():
        await changed("a", "b")
        await changed("b", "c")
        await asyncio.sleep(0.05)
        assert ear.messages.empty(), "not before the commit"
    assert await ear.next() == {"a", "b", "c"}
    await changed("alone")
    assert await ear.next() == {"alone"}
    assert ear.messages.empty()


async def test_use_cases_name_what_they_change(services: Services, valkey: str, ear: Ear) -> None:
    own = await terms(service_fee_bps=0)
    pages = f"{own.merchant_id}/test"
    new = await invoice(services, own)
    assert await ear.next() == {f"{pages}/invoices"}
    await services.invoices.cancel(own.merchant_id, "test", new.id, clock.now())
    assert await ear.next() == {f"{pages}/invoices", f"invoice:{new.id}"}
    await fund(own.merchant_id, 20_000_000)
    assert await ear.next() == {f"{pages}/balances"}
    asked = await payout(services, own.merchant_id, "10.00", destination=STRANGER)
    heard = await ear.next()
    assert {f"{pages}/payouts", f"{pages}/balances", f"payout:{asked.id}", "desk/approvals", "desk/queue"} <= heard
    await audit.record(
        actor="cli",
        action="team.removed",
        subject="ACC-1",
        merchant_id=own.merchant_id,
        address=None,
        details={},
        now=clock.now(),
    )
    assert {f"{pages}/team", f"{own.merchant_id}/live/team", "account:ACC-1", "desk/audit"} <= await ear.next()


@pytest.mark.usefixtures("db", "valkey")
async def test_a_use_case_does_not_fail_while_redis_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = LiveHub()
    hub.open()
    events = hub.stream({topics.of_thing("export", 7): "export:7"})
    try:
        assert b"retry" in await anext(events)
        assert await anext(events) == b"event: changed\ndata: export:7\n\n"  # its subscription has begun
        asked = redis.ask

        async def away(*_: object) -> None:
            raise redis.RedisAway

        monkeypatch.setattr(redis, "ask", away)
        async with database.transaction():
            await changed("export:7")
        monkeypatch.setattr(redis, "ask", asked)
        async with asyncio.timeout(30):  # it is sent when Redis is back
            assert await anext(events) == b"event: changed\ndata: export:7\n\n"
    finally:
        await hub.close()
