"""Contexts of traces between processes, in Redis: of an event until it is delivered, of a deposit until it is credited.

A context that is lost, with Redis or after a day, only divides a trace in two. Only traces that are recorded have one,
so without tracing nothing here asks Redis.
"""

from collections.abc import Collection
from typing import Literal

from redis.asyncio import Redis

from app.core import database, redis, tracing

Of = Literal["event", "deposit"]

KEPT_S = 24 * 3600
"""An event's attempts may go on for longer: those that do begin a trace of their own."""


async def keep(of: Of, key: object) -> None:
    """Keep the current span's context for whoever continues it; after the commit of the caller's transaction."""
    context = tracing.context()
    if context is not None:
        await database.after_commit(_store, f"{_name(of, key)} {context}")


async def kept(of: Of, keys: Collection[object]) -> dict[object, str]:
    """The contexts that are kept of these, by key. Not inside a transaction: it asks Redis."""
    if not tracing.is_on() or not keys:
        return {}
    names = [_name(of, key) for key in keys]
    try:
        found = await redis.ask(lambda client: client.mget(names))
    except redis.RedisAway:
        return {}
    return {key: context.decode() for key, context in zip(keys, found, strict=True) if context is not None}


async def _store(items: Collection[str]) -> None:
    async def send(client: Redis) -> None:
        async with client.pipeline(transaction=False) as pipeline:
            for item in items:
                name, _, context = item.partition(" ")
                pipeline.set(name, context, ex=KEPT_S)
            await pipeline.execute()

    try:
        await redis.ask(send)
    except redis.RedisAway:
        return


def _name(of: Of, key: object) -> str:
    return f"trace:{of}:{key}"
