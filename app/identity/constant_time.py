"""Answers that take the same time whatever the database contains."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.core import clock

AT_LEAST_S = 0.5
"""Longer than the work of any of these answers on a quiet machine: a hash and a few statements."""


@asynccontextmanager
async def minimum_duration() -> AsyncIterator[None]:
    """Let the block take at least AT_LEAST_S, also when it raises. Its work should be shorter than that."""
    started_s = clock.monotonic_s()
    try:
        yield
    finally:
        await asyncio.sleep(max(0.0, started_s + AT_LEAST_S - clock.monotonic_s()))
