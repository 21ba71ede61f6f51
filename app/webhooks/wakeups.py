"""Wake-ups by Redis. They are hints only: each listener also polls."""

import asyncio
from collections.abc import Callable, Sequence

from redis.exceptions import RedisError

from app.core.logging import get_logger
from app.core.subscription import subscribed

log = get_logger(__name__)

RECONNECT_AFTER_S = 1.0


async def listen(channels: Sequence[str], on_message: Callable[[str], None]) -> None:
    """Call `on_message` with the channel of each message, until cancelled. Reconnects after an error."""
    while True:
        try:
            async with subscribed(*channels) as subscription:
                for channel in channels:  # messages may have been lost before the subscription
                    on_message(channel)
                while True:
                    message = await subscription.next()
                    if message is not None:
                        on_message(message.channel)
        except (RedisError, OSError, RuntimeError) as error:
            log.warning("redis_listen_failed", error=str(error))
            await asyncio.sleep(RECONNECT_AFTER_S)
