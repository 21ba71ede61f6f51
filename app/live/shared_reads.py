"""What many open pages read in the same moment is read once.

A change of a merchant's list makes every page that shows it read the list again. Their reads differ in who asks, which
is checked for each before, but not in what is read. Only for data that is the same for everybody who may see it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

import msgspec

from app.core import waiting
from app.live.hub import LiveHub

T = TypeVar("T")

KEPT_S = 2.0
"""How long what was read is given to others: pages that follow a change ask within this time."""


class _Read(msgspec.Struct, frozen=True):
    task: "asyncio.Task[Any]"
    version: int
    began_s: float


class SharedReads:
    """Those of one process."""

    def __init__(self, hub: LiveHub) -> None:
        self._hub = hub
        self._reads: dict[tuple[str, str], _Read] = {}

    async def read(self, topic: str, what: str, make: Callable[[], Awaitable[T]]) -> T:
        """The result of `make`, or of one that began for `topic` and `what` after the topic's last change.

        For pages that were told of a change: whoever comes from a form may be here before the notice of what they did,
        and must call `make` themselves. Raises what `make` raises.
        """
        version = self._hub.version(topic)
        if version is None:
            return await make()
        now_s = asyncio.get_running_loop().time()
        found = self._reads.get((topic, what))
        if found is None or found.version != version or now_s - found.began_s > KEPT_S:
            self._forget_old(now_s)
            found = _Read(waiting.run_beside(_run(make)), version, now_s)
            self._reads[topic, what] = found
        return cast(T, await asyncio.shield(found.task))

    def _forget_old(self, now_s: float) -> None:
        for key in [key for key, read in self._reads.items() if now_s - read.began_s > KEPT_S]:
            del self._reads[key]


async def _run(make: Callable[[], Awaitable[T]]) -> T:
    return await make()
