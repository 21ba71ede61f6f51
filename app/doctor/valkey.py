"""Checks of Redis or Valkey and its sentinels: whether they answer, agree, are secure and set up for a fail-over.

Without Redis the gateway works, but more slowly, so what makes it less available is a warning.
"""

import ipaddress
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.core import redis
from app.core.redis_address import HostPort, sentinel_address
from app.core.sentinel import Opinion, Sentinels
from app.doctor.symptoms import Symptom

TOPIC = "redis"

PICKLE_MARK = b"\x80"
"""The first byte of every pickle since protocol 2; no JSON starts with it."""

JOBS_LOOKED_AT = 1_000

FOR_A_MAJORITY = 3
"""Sentinels, with which one may be lost."""


async def examine(url: str) -> AsyncIterator[Symptom]:
    """Check the Redis that the open client uses. `url` is that of the settings."""
    client, sentinels = redis.client(), redis.sentinels()
    opinions = [] if sentinels is None else await sentinels.opinions()
    try:
        await client.ping()
        memory, replication = await client.info("memory"), await client.info("replication")
    except (RedisError, OSError) as error:
        problem = str(error) or type(error).__name__
        message = f"can't be used ({problem}): limits count per process only"
        yield Symptom("warning", TOPIC, message)
        for symptom in _differing(opinions, None):
            yield symptom
        return
    yield _eviction(memory)
    set_up = await _configuration(client)
    if set_up.get("save") or set_up.get("appendonly") == "yes":
        yield Symptom("advice", TOPIC, "saves its data to disk: nothing that we keep there needs it")
    if sentinels is not None:
        for symptom in _fail_over(sentinels, opinions, int(replication.get("connected_slaves", 0)), set_up):
            yield symptom
    async for symptom in _access(url, sentinels):
        yield symptom
    if await _has_pickle(client):
        message = "holds a pickled job, which we never write: somebody may be trying to run code"
        yield Symptom("unsafe", TOPIC, message)


def _eviction(memory: Mapping[str, Any]) -> Symptom:
    policy = memory.get("maxmemory_policy", "unknown")
    if policy not in ("noeviction", "unknown") and memory.get("maxmemory", 0):
        return Symptom("warning", TOPIC, f"evicts keys ({policy}): rate limits lose their counts; set noeviction")
    return Symptom("ok", TOPIC, "answers and does not evict keys")


async def _configuration(client: Redis) -> Mapping[str, str]:
    """What the server is set to, as far as our user may ask."""
    try:
        found = [await client.config_get(name) for name in ("save", "appendonly", "min-replicas-to-write")]
    except (RedisError, OSError):
        return {}
    return {_plain(name): _plain(value) for each in found for name, value in each.items()}


def _fail_over(
    sentinels: Sentinels, opinions: Sequence[Opinion], replicas: int, set_up: Mapping[str, str]
) -> Iterator[Symptom]:
    """Whether a primary that is lost would be replaced, and one that is cut off would be noticed."""
    primary = sentinels.primary
    agreeing = sum(each.named == primary for each in opinions)
    where = "none" if primary is None else _text(primary)
    yield Symptom(
        "ok", TOPIC, f"primary {where}, replicas: {replicas}, sentinels that agree: {agreeing} of {len(opinions)}"
    )
    yield from _differing(opinions, primary)
    if len(opinions) < FOR_A_MAJORITY:
        yield Symptom("warning", TOPIC, "has fewer than three sentinels: if one is lost, there is no fail-over")
    if not replicas:
        yield Symptom("warning", TOPIC, "the primary has no replica: there is nothing to change over to")
    if set_up.get("min-replicas-to-write") == "0":
        message = "min-replicas-to-write is 0: a primary that is cut off goes on taking what will be lost; set 1"
        yield Symptom("warning", TOPIC, message)


def _differing(opinions: Sequence[Opinion], primary: HostPort | None) -> Iterator[Symptom]:
    """The sentinels that don't answer, or name another primary; all of them where there is none."""
    for each in opinions:
        if each.named is None:
            yield Symptom("warning", TOPIC, f"sentinel {_text(each.sentinel)}: {each.problem}")
        elif each.named != primary:
            yield Symptom("warning", TOPIC, f"sentinel {_text(each.sentinel)} names {_text(each.named)} as the primary")


async def _access(url: str, sentinels: Sentinels | None) -> AsyncIterator[Symptom]:
    """Whether strangers get in: without a password, or by listening on the way."""
    servers, tls = _servers(url, sentinels)
    for what, address in servers:
        if await _lets_anybody_in(address, tls):
            message = f"{what} {_text(address)} asks for no password"
            yield Symptom("advice" if _is_here(address) else "unsafe", TOPIC, message)
    if tls is None and not all(_is_here(address) for _, address in servers):
        scheme = "rediss://" if sentinels is None else "rediss+sentinel://"
        yield Symptom("warning", TOPIC, f"is on another host and the connection is not TLS ({scheme})")


def _servers(url: str, sentinels: Sentinels | None) -> tuple[list[tuple[str, HostPort]], Mapping[str, Any] | None]:
    """What can be reached over the network, and the options of TLS, None without it."""
    address = sentinel_address(url)
    if address is not None and sentinels is not None:
        primary = [] if sentinels.primary is None else [("primary", sentinels.primary)]
        return [*primary, *(("sentinel", each) for each in address.sentinels)], address.tls
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return [], None
    is_tls = parts.scheme == "rediss"
    options = redis.client().connection_pool.connection_kwargs
    tls = {name: value for name, value in options.items() if name.startswith("ssl_")} if is_tls else None
    return [("server", (parts.hostname or "localhost", parts.port or 6379))], tls


async def _lets_anybody_in(address: HostPort, tls: Mapping[str, Any] | None) -> bool:
    host, port = address
    options: dict[str, Any] = {} if tls is None else {"ssl": True, **tls}
    limit_s = redis.SOCKET_TIMEOUT_S
    stranger = Redis(host=host, port=port, socket_timeout=limit_s, socket_connect_timeout=limit_s, **options)
    try:
        return bool(await stranger.ping())
    except (RedisError, OSError):
        return False
    finally:
        await stranger.aclose()


async def _has_pickle(client: Redis) -> bool:
    looked = 0
    async for key in client.scan_iter(match="arq:job:*", count=200):
        looked += 1
        if (await client.get(key) or b"").startswith(PICKLE_MARK):
            return True
        if looked >= JOBS_LOOKED_AT:
            break
    return False


def _is_here(address: HostPort) -> bool:
    """Whether only this host can reach it."""
    host = address[0]
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _plain(text: bytes | str) -> str:
    return text.decode() if isinstance(text, bytes) else text


def _text(address: HostPort) -> str:
    return f"{address[0]}:{address[1]}"
