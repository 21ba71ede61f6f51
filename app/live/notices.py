"""Telling open pages what has changed: after the commit, in one message, in every process."""

from collections.abc import Collection

from app.core import database, redis

CHANNEL = "live"
"""The Redis channel. A message is the topics that changed, with spaces between them."""


async def changed(*topics: str) -> None:
    """Tell open pages that these topics changed, when the caller's transaction has committed; at once outside of one.

    All topics of a transaction are one message. A page that reads earlier would find the facts of before. Never raises
    for Redis: while it is away, pages read by themselves every few seconds.
    """
    if topics:
        await database.after_commit(_publish, *topics)


def message(topics: Collection[str]) -> tuple[str, str]:
    """The message for `redis.publish_messages`, for callers that publish something else in the same round trip."""
    return CHANNEL, " ".join(topics)


async def _publish(topics: Collection[str]) -> None:
    await redis.publish_messages(message(topics))
