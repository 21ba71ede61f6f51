"""Redis carries hints only: wake-ups, rate-limit windows, live-page notices. Postgres holds the truth.

Every helper here survives an absent Redis. Jobs and messages are msgspec-encoded JSON: with arq's default
pickle, whoever can write to Redis could run code in our workers.
"""

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec
from arq.connections import RedisSettings
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from app.core.logging import get_logger

log = get_logger(__name__)

SOCKET_TIMEOUT_S = 1.0
"""Redis answers in well under a millisecond or is gone; a request must not hang on a hint."""

RETRIES = 3
"""Attempts of an arq worker at one command before it reports, with backoff between."""

serialize: Callable[[Any], bytes] = msgspec.json.encode
deserialize: Callable[[bytes], Any] = msgspec.json.decode

_client: Redis | None = None


def open_client(url: str) -> None:
    """Make this process's client. Connects on first use, so it can't fail."""
    global _client
    _client = Redis.from_url(
        url,
        socket_timeout=SOCKET_TIMEOUT_S,
        socket_connect_timeout=SOCKET_TIMEOUT_S,
        health_check_interval=30,
        max_connections=200,
    )


async def close_client() -> None:
    """Close the client's connections."""
    global _client
    if _client is not None:
        await _client.aclose()
        _client = None


def client() -> Redis:
    """The open client. Its calls may raise RedisError: the caller decides what a missing hint means."""
    if _client is None:
        raise RuntimeError("the Redis client is not open")
    return _client


async def publish(channel: str, message: str = "") -> None:
    """Tell whoever listens; if Redis is away nobody hears it, and polling finds the fact in Postgres."""
    if _client is None:
        return
    try:
        await _client.publish(channel, message)
    except (RedisError, OSError) as error:
        log.warning("redis_publish_failed", channel=channel, error=str(error))


async def publish_all(channels: Sequence[str]) -> None:
    """Tell those who listen to any of these channels, in one round trip, as `publish` does for one."""
    if _client is None or not channels:
        return
    try:
        async with _client.pipeline(transaction=False) as pipeline:
            for channel in channels:
                pipeline.publish(channel, "")
            await pipeline.execute()
    except (RedisError, OSError) as error:
        log.warning("redis_publish_failed", channels=len(channels), error=str(error))


def arq_settings(url: str) -> RedisSettings:
    """arq's connection settings, with the retries without which its worker dies when Redis restarts."""
    settings = RedisSettings.from_dsn(url)
    if urlsplit(url).scheme == "rediss":
        settings.ssl = True
    settings.retry_on_timeout = True
    settings.retry_on_error = [RedisConnectionError, RedisTimeoutError, OSError]
    settings.retry = Retry(ExponentialBackoff(cap=2, base=0.05), RETRIES)
    return settings
