"""A dispatcher in a process of its own, to be killed. Its clock is ahead by the seconds given."""

import asyncio
import os
from datetime import timedelta
from pathlib import Path

from app.core import clock, database, redis
from app.core.outbound import OutboundClient, build_ssl_context
from app.core.settings import load
from app.mail import sealing
from app.webhooks.delivery import Dispatcher


async def main(ahead_s: float) -> None:
    settings = load(os.environ)
    clock.shift(timedelta(seconds=ahead_s))
    await database.open_pool(settings.database_url, max_size=5)
    redis.open_client(settings.redis_url)
    sealing.use_keys(settings.data_keys)
    client = OutboundClient(
        ssl_context=build_ssl_context(Path(os.environ["TEST_CA_FILE"])),
        allow_networks=settings.webhook_allow_networks,
    )
    print("ready", flush=True)
    await Dispatcher(sender=client, keys=settings.data_keys, concurrency=64).run(asyncio.Event())


def run(ahead_s: float) -> None:
    """Deliver until killed; says `ready` once it starts to."""
    asyncio.run(main(ahead_s))
