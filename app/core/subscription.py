"""Subscriptions to Redis channels that notice when Redis is gone.

A subscriber hears nothing when its server hangs, its host vanishes, or messages are published on another server after a
fail-over. So each subscription publishes a heartbeat, by the way that all messages go, and ends when its own heartbeats
stay away.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from redis.asyncio.client import PubSub
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from app.core import clock, redis

BEAT_S = 1.5
"""Seconds between heartbeats."""

BEAT_AGAIN_S = 0.5
"""After this time it is tried again to send a heartbeat that could not be sent."""

SILENT_S = 4.0
"""A subscription is dead if a heartbeat has not arrived after this time, and nothing is left to be read. From the
beginning of the silence it takes `BEAT_S` more at most."""

READ_S = 0.5
"""How long one read waits."""


class Message(NamedTuple):
    """A message of a channel."""

    channel: str
    text: str


class Subscription:
    """An open subscription; `subscribed` makes it."""

    def __init__(self, pubsub: PubSub, own_channel: str) -> None:
        self._pubsub = pubsub
        self._own_channel = own_channel
        self._beat_at_s = clock.monotonic_s()
        self._unanswered_since_s: float | None = None

    async def next(self) -> Message | None:
        """The next message; None if there is none for a moment: ask again. Raises RedisError or OSError at the end of
        the subscription."""
        await self._beat()
        received = await self._pubsub.get_message(timeout=READ_S)
        if received is None:
            # Only now: after a pause of this process, what has arrived meanwhile is read first.
            waits_since_s = self._unanswered_since_s
            if waits_since_s is not None and clock.monotonic_s() - waits_since_s > SILENT_S:
                raise RedisTimeoutError("own heartbeats don't arrive")
            return None
        if received["type"] != "message":
            return None
        channel = received["channel"].decode()
        if channel == self._own_channel:
            self._unanswered_since_s = None
            return None
        return Message(channel, received["data"].decode())

    async def _beat(self) -> None:
        now_s = clock.monotonic_s()
        if now_s < self._beat_at_s:
            return
        if self._unanswered_since_s is None:
            self._unanswered_since_s = now_s
        try:
            # Not by `redis.ask`: whether requests ask Redis must not depend on a heartbeat that was late.
            async with asyncio.timeout(redis.SOCKET_TIMEOUT_S):
                await redis.client().publish(self._own_channel, "")
            self._beat_at_s = now_s + BEAT_S
        except (RedisError, OSError):
            self._beat_at_s = now_s + BEAT_AGAIN_S


@asynccontextmanager
async def subscribed(*channels: str) -> AsyncIterator[Subscription]:
    """Subscribe to these channels; inside, the server has confirmed them all. Messages of before are lost: read what
    they may have told. Raises RedisError or OSError."""
    own_channel = f"beat:{secrets.token_hex(8)}"
    async with redis.client().pubsub() as pubsub:
        await pubsub.subscribe(*channels, own_channel)
        for _ in range(len(channels) + 1):
            if await pubsub.get_message(timeout=redis.SOCKET_TIMEOUT_S) is None:
                raise RedisTimeoutError("a subscription was not confirmed")
        yield Subscription(pubsub, own_channel)
