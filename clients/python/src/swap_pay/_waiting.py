"""The two ways to wait."""

from __future__ import annotations

import asyncio
import time


def sleep(pause_s: float) -> None:
    """Wait, in a thread."""
    time.sleep(pause_s)


async def sleep_async(pause_s: float) -> None:
    """Wait, in an event loop."""
    await asyncio.sleep(pause_s)
