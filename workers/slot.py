"""A loop that arq runs and that goes on without Redis: it belongs to the process, a job of arq starts and watches it.

A job that ran the loop itself would end with Redis, and after a crash its key in Redis would keep the next one from
starting. So the job holds the loop for a turn of some seconds, and a keeper goes on with it when no job has held it
for a second. There are more jobs than processes, each process takes one, and the next is offered at a turn's end.
"""

import asyncio

from arq.connections import ArqRedis
from arq.worker import Function, func

from app.core import clock
from app.core.logging import get_logger
from workers.jobs import Context, Loop

log = get_logger(__name__)

JOB = "hold_slot"

SLOTS = 16
"""Processes that can hold one at a time. In a process beyond them the keeper runs the loop, as without Redis."""

TURN_S = 20.0

TIMEOUT_S = TURN_S + 5
"""arq keeps a killed process's job from others for this and ten seconds more."""

ENDLESS_TRIES = 1_000_000_000
"""A job that was cancelled counts as tried, and with the last try it would be gone."""

KEPT_AFTER_S = 1.0
"""How long the loop may be held by no job before the process runs it by itself."""

LOOK_EVERY_S = 0.1

LOOP_RETRY_S = 1.0
"""The pause after a loop that failed."""


class Slot:
    """One process's loop. It ends when `stop` is set, and what it has under way with it."""

    def __init__(self, queue_name: str, loop: Loop, stop: asyncio.Event) -> None:
        self._queue_name = queue_name
        self._loop = loop
        self._stop = stop
        self._task: asyncio.Task[None] | None = None
        self._holders = 0
        self._held_at_s = clock.monotonic_s()

    @property
    def is_held(self) -> bool:
        """Whether a job of arq holds the loop."""
        return self._holders > 0

    def function(self) -> Function:
        """The job for arq's worker."""

        async def hold(context: Context) -> None:
            await self.hold()

        return func(hold, name=JOB, keep_result=0, timeout=TIMEOUT_S, max_tries=ENDLESS_TRIES)  # type: ignore[arg-type] # no *args

    async def offer(self, context: Context) -> None:
        """Enqueue the jobs of all slots that are free: when a worker starts, and after each turn."""
        arq: ArqRedis = context["redis"]
        if not self._stop.is_set():
            for number in range(SLOTS):
                await arq.enqueue_job(JOB, _job_id=f"{self._queue_name}:slot-{number}")

    async def hold(self) -> None:
        """One turn. When it is over or cancelled the loop goes on; a loop that fails, fails the job."""
        self._holders += 1
        try:
            await asyncio.wait({self._running()}, timeout=TURN_S)
            if self._task is not None and self._task.done():
                self._task.result()
        finally:
            self._holders -= 1
            self._held_at_s = clock.monotonic_s()

    async def keep(self) -> None:
        """See to it that the loop runs until `stop` is set, then wait for its end."""
        while not self._stop.is_set():
            if not self.is_held and clock.monotonic_s() - self._held_at_s > KEPT_AFTER_S:
                self._running()
            try:
                await asyncio.wait_for(self._stop.wait(), LOOK_EVERY_S)
            except TimeoutError:
                continue
        if self._task is not None:
            await asyncio.wait({self._task})

    def _running(self) -> "asyncio.Task[None]":
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        return self._task

    async def _run(self) -> None:
        try:
            await self._loop(self._stop)
        except Exception:
            log.exception("loop_failed")
            await asyncio.sleep(LOOP_RETRY_S)
            raise
