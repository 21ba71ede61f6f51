"""A Redis that hangs costs one short wait; notices of that time are sent when it answers again."""

import asyncio
import time

import pytest
from redis.asyncio import Redis

from app.core import redis
from app.core.redis import RedisAway
from app.sandbox.valkey import Valkey


@pytest.mark.usefixtures("valkey", "as_patient_as_production")
async def test_one_call_waits_and_the_others_do_not(valkey_server: Valkey) -> None:
    assert await redis.ask(lambda client: client.ping())
    with valkey_server.process.paused():
        began_s = time.monotonic()
        for _ in range(20):
            with pytest.raises(RedisAway):
                await redis.ask(lambda client: client.ping())
        assert time.monotonic() - began_s < 1


@pytest.mark.usefixtures("valkey")
async def test_what_became_of_a_resting_connection_is_no_fault_of_its_next_user(valkey_server: Valkey) -> None:
    async def used() -> int:
        return int(await redis.ask(lambda client: client.client_id()))

    first = await used()
    assert await used() == first, "it is kept"
    (resting,) = redis.client().connection_pool._available_connections
    async with Redis.from_url(valkey_server.url) as operator:
        await operator.client_kill_filter(_id=first)
    async with asyncio.timeout(30):
        while not (resting._reader and resting._reader.at_eof()):
            await asyncio.sleep(0.01)
    second = await used()
    assert second != first
    assert resting._reader is not None
    resting._reader.feed_data(b":1\r\n")  # an answer that nobody asked for
    third = await used()
    assert third not in (1, second)
    assert await used() == third


@pytest.mark.usefixtures("valkey", "as_patient_as_production")
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
