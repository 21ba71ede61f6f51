"""Cancelling tasks that may miss it.

Until Python 3.12 `asyncio.wait_for` drops a cancellation that comes in the moment in which its work ends, and redis-py
sends each command by it: a task that uses Redis then goes on as if nobody had cancelled it.
"""

import asyncio
from typing import Any

AGAIN_S = 1.0
"""Seconds that a cancelled task has to end before it is cancelled again: what it does in its `finally` needs some."""


async def end(*tasks: "asyncio.Task[Any]") -> None:
    """Cancel tasks until each has ended, however it ends."""
    running = {task for task in tasks if not task.done()}
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=AGAIN_S)
