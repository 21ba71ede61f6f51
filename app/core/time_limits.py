"""Limits on waiting, for what every request does: one timer for all the waits of an event loop.

`asyncio.timeout` has a timer for each wait, and costs ten times as much. For waits for the database see
core/waiting.py, whose limits are made of these.
"""

import asyncio
import threading
from types import TracebackType

TICK_S = 0.05
"""How often the waits of an event loop are looked at."""


class ending_at:
    """What is awaited inside ends at a time of the loop's clock, at most TICK_S late. Raises TimeoutError then.

    It ends its block as `asyncio.timeout_at` does.
    """

    __slots__ = ("_cancelled_before", "_has_ended", "_task", "_waits", "ends_s")

    def __init__(self, ends_s: float) -> None:
        self.ends_s = ends_s

    def __enter__(self) -> None:
        self._begin(asyncio.get_running_loop())

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        task = asyncio.current_task(loop)
        assert task is not None, "a coroutine runs in a task"
        self._task, self._cancelled_before, self._has_ended = task, task.cancelling(), False
        self._waits = _waits_of(loop)
        self._waits.add(self)
        if self.ends_s <= loop.time():
            loop.call_soon(self.end)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._is_over(kind):
            raise TimeoutError from error

    def _is_over(self, kind: type[BaseException] | None) -> bool:
        """End the wait. Returns whether what was awaited has been cancelled by this limit, and by nobody else."""
        self._waits.under_way.discard(self)
        return self._has_ended and self._task.uncancel() <= self._cancelled_before and kind is asyncio.CancelledError

    def end(self) -> None:
        """Cancel what is awaited, unless it has ended by itself."""
        if self in self._waits.under_way:
            self._has_ended = True
            self._waits.under_way.discard(self)
            self._task.cancel()


def ending_in(seconds: float) -> ending_at:
    """What is awaited inside ends within these seconds from now, see `ending_at`."""
    return ending_at(asyncio.get_running_loop().time() + seconds)


class _Waits:
    """The waits of one event loop. While there are any, those whose time is over are ended by one timer."""

    __slots__ = ("_is_ticking", "loop", "under_way")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.under_way: set[ending_at] = set()
        self._is_ticking = False

    def add(self, wait: ending_at) -> None:
        self.under_way.add(wait)
        if not self._is_ticking:
            self._is_ticking = True
            self.loop.call_later(TICK_S, self._tick)

    def _tick(self) -> None:
        now_s = self.loop.time()
        for wait in [each for each in self.under_way if each.ends_s <= now_s]:
            wait.end()
        self._is_ticking = bool(self.under_way)
        if self._is_ticking:
            self.loop.call_later(TICK_S, self._tick)


_of_thread = threading.local()


def _waits_of(loop: asyncio.AbstractEventLoop) -> _Waits:
    known: _Waits | None = getattr(_of_thread, "waits", None)
    if known is None or known.loop is not loop:
        known = _of_thread.waits = _Waits(loop)
    return known
