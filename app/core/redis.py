"""Redis carries hints only: wake-ups, rate-limit windows, live-page notices. Postgres holds the truth.

Every helper here survives an absent Redis, and one that hangs: a question gets a quarter of a second, and after one
that failed this process asks nothing for a while, so that requests do not wait one after another. Under Sentinel every
client follows the primary by itself (sentinel.py). Jobs and messages are msgspec-encoded JSON: with arq's default
pickle, anybody who can write to Redis could run code in our workers.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple, TypeVar

import msgspec
from arq.connections import ArqRedis
from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from app.core import clock
from app.core.connecting import KEEPALIVE
from app.core.logging import get_logger
from app.core.redis_address import sentinel_address
from app.core.redis_connection import lean
from app.core.sentinel import Sentinels
from app.core.time_limits import ending_in

log = get_logger(__name__)

T = TypeVar("T")

ANSWER_S = 0.25
"""Redis answers in well under a millisecond, or counts as away; a request must not wait long for a hint."""

TRUST_AGAIN_S = 1.0
"""How long this process asks nothing after a question that failed."""

SOCKET_TIMEOUT_S = 1.0
"""For connecting, and for a read that has no limit of its own."""

MAX_MISSED = 10_000
"""Messages that are sent when Redis is back; further ones are lost, and polling finds the facts."""

RETRIES = 3
"""Attempts of an arq worker at one command before it reports, with backoff between."""


def _plain(value: object) -> str:
    """An exception as text: arq records the one with which a job failed. Raises NotImplementedError for anything else,
    which is how a hook of msgspec says that a value can't be encoded."""
    if isinstance(value, BaseException):
        return repr(value)
    raise NotImplementedError(f"a job can't carry a {type(value).__name__}")


serialize: Callable[[Any], bytes] = msgspec.json.Encoder(enc_hook=_plain).encode
deserialize: Callable[[bytes], Any] = msgspec.json.decode

KEEPALIVE_OPTIONS = {name: value for level, name, value in KEEPALIVE if level == socket.IPPROTO_TCP}

_client: Redis | None = None
_url = ""
_sentinels: Sentinels | None = None
_trusted_after_s = 0.0
_missed: set[tuple[str, str]] = set()
_sending_missed: asyncio.Task[None] | None = None


class RedisAway(Exception):
    """Redis did not answer in time, or failed a moment ago and was not asked."""


class Standing(NamedTuple):
    """The primary's replicas; how many sentinels there are, and how many name this primary: 0 without Sentinel."""

    replicas: int
    sentinels: int
    agreeing: int

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing: a replica to change over to, and the word of every sentinel."""
        return self.sentinels == 0 or (self.replicas > 0 and self.agreeing == self.sentinels)


def open_client(url: str) -> None:
    """Make this process's client. Connects on first use, so it can't fail. `url` is one that the settings accept."""
    global _client, _sentinels, _trusted_after_s, _url
    address = sentinel_address(url)
    _url, _sentinels = url, None if address is None else Sentinels(address, _limits(url))
    _client = Redis.from_pool(_pool(health_check_interval=30, max_connections=200))
    _trusted_after_s = 0.0


async def close_client() -> None:
    """Close the client's connections."""
    global _client, _sending_missed, _sentinels
    if _sending_missed is not None:
        _sending_missed.cancel()
        _sending_missed = None
    _missed.clear()
    if _client is not None:
        await _client.aclose()
        _client = None
    if _sentinels is not None:
        await _sentinels.aclose()
        _sentinels = None


def client() -> Redis:
    """The open client. Its calls may raise RedisError: the caller decides what a missing hint means."""
    if _client is None:
        raise RuntimeError("the Redis client is not open")
    return _client


def sentinels() -> Sentinels | None:
    """Who says which server the client uses; None where the settings name the server."""
    return _sentinels


async def standing() -> Standing:
    """How safe Redis stands now. Raises RedisError or OSError while it is away."""
    replicas = int((await client().info("replication")).get("connected_slaves", 0))
    if _sentinels is None:
        return Standing(replicas, 0, 0)
    return Standing(replicas, _sentinels.count, _sentinels.agreeing)


def is_trusted() -> bool:
    """Whether Redis would be asked now: not for a while after it has failed."""
    return clock.monotonic_s() >= _trusted_after_s


async def ask(question: Callable[[Redis], Awaitable[T]]) -> T:
    """What Redis answers. Raises RedisAway within `ANSWER_S`, and at once while it is not trusted."""
    global _trusted_after_s
    if not is_trusted():
        raise RedisAway
    try:
        with ending_in(ANSWER_S):
            return await question(client())
    except (RedisError, OSError) as error:
        _trusted_after_s = clock.monotonic_s() + TRUST_AGAIN_S
        log.warning("redis_away", error=str(error) or type(error).__name__)
        raise RedisAway from error


async def publish(*channels: str) -> None:
    """Notify the listeners of these channels. While Redis is away the notice waits; polling finds the fact in
    Postgres meanwhile."""
    await publish_messages(*((channel, "") for channel in channels))


async def publish_messages(*messages: tuple[str, str]) -> None:
    """Publish messages, each a channel and a text, in one round trip. Never raises; see `publish`."""
    global _sending_missed
    if _client is None or not messages:
        return
    try:
        await ask(partial(_send, messages=messages))
    except RedisAway:
        _missed.update(messages[: MAX_MISSED - len(_missed)])
        if _sending_missed is None or _sending_missed.done():
            _sending_missed = asyncio.create_task(_send_missed())


async def _send(client: Redis, messages: Sequence[tuple[str, str]]) -> None:
    if len(messages) == 1:
        await client.publish(*messages[0])
        return
    async with client.pipeline(transaction=False) as pipeline:
        for channel, text in messages:
            pipeline.publish(channel, text)
        await pipeline.execute()


async def _send_missed() -> None:
    while _missed:
        await asyncio.sleep(TRUST_AGAIN_S)
        waiting = list(_missed)
        try:
            await ask(partial(_send, messages=waiting))
        except RedisAway:
            continue
        _missed.difference_update(waiting)


async def enqueue(queue_name: str, job: str) -> None:
    """Ask a worker of this queue to run a job now. The request may be lost, so the job must have a cron line too."""
    if _client is not None:
        with suppress(RedisAway):
            await ask(partial(_enqueue, queue_name=queue_name, job=job))


async def _enqueue(client: Redis, queue_name: str, job: str) -> None:
    arq = ArqRedis(client.connection_pool, job_serializer=serialize, job_deserializer=deserialize)
    await arq.enqueue_job(job, _queue_name=queue_name)


def arq_pool(queue_name: str) -> ArqRedis:
    """The client of arq's worker, with the retries without which it dies when Redis restarts. Only while this process's
    client is open."""
    pool = _pool(
        retry_on_timeout=True,
        retry_on_error=[RedisConnectionError, RedisTimeoutError, OSError],
        retry=Retry(ExponentialBackoff(cap=2, base=0.05), RETRIES),
    )
    return ArqRedis(pool, job_serializer=serialize, job_deserializer=deserialize, default_queue_name=queue_name)


def _pool(**options: Any) -> ConnectionPool:
    if _sentinels is not None:
        pool = _sentinels.pool(**options)
    else:
        pool = ConnectionPool.from_url(_url, **_limits(_url), **options)
    pool.connection_class = lean(pool.connection_class)
    return pool


def _limits(url: str) -> dict[str, Any]:
    """Options of every connection: none waits without end, and a dead link is noticed."""
    limits: dict[str, Any] = {"socket_timeout": SOCKET_TIMEOUT_S, "socket_connect_timeout": SOCKET_TIMEOUT_S}
    if not url.startswith("unix:"):
        limits |= {"socket_keepalive": True, "socket_keepalive_options": KEEPALIVE_OPTIONS}
    return limits
