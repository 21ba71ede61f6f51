"""A Redis that hangs costs one short wait; notices of that time are sent when it answers again."""

import asyncio
import time

import pytest

from app.core import redis
from app.core.redis import RedisAway
from app.sandbox.valkey import Valkey


@pytest.mark.usefixtures("valkey")
async def test_one_call_waits_and_the_others_do_not(valkey_server: Valkey) -> None:
    assert await redis.ask(lambda client: client.ping())
    with valkey_server.process.paused():
        began_s = time.monotonic()
        for _ in range(20):
            with pytest.raises(RedisAway):
                await redis.ask(lambda client: client.ping())
        assert time.monotonic() - began_s < 1


@pytest.mark.usefixtures("valkey")
async def test_a_notice_that_could_not_be_sent_is_sent_later(
    valkey_server: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis, "TRUST_AGAIN_S", 0.3)
    async with redis.client().pubsub(ignore_subscribe_messages=True) as listener:
        await listener.subscribe("news", "more")
        with valkey_server.process.paused():
            await redis.publish("news")  # it may be read when the server continues
            await redis.publish("more")  # not even called
        received: set[str] = set()
        async with asyncio.timeout(30):
            while received != {"news", "more"}:
                message = await listener.get_message(timeout=0.2)
                if message is not None:
                    received.add(message["channel"].decode())
    assert redis.is_trusted()
