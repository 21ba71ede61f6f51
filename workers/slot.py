"""A loop that arq runs and that continues without Redis: the process owns it, and a job of arq starts and watches it.

A job that ran the loop itself would end with Redis, and after a crash its key in Redis would block the next job. So
the job watches the loop for some seconds (a turn), and `Slot.keep` runs the loop when no job has watched it for a
second. There are more jobs than processes; each process runs one job, and enqueues the next at the end of a turn.
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
"""How many processes have a job at most. In further processes `Slot.keep` runs the loop, as without Redis."""

TURN_S = 20.0

TIMEOUT_S = TURN_S + 5
"""arq locks the job of a killed process for this time and ten seconds more."""

ENDLESS_TRIES = 1_000_000_000
"""arq counts a cancelled job as a try, and deletes the job after the last try."""

KEPT_AFTER_S = 1.0
"""Seconds without a job after which the process runs the loop by itself."""

CHECK_EVERY_S = 0.1

LOOP_RETRY_S = 1.0
"""Seconds before a loop that failed is restarted."""


class Slot:
    """One process's loop. It ends when `stop` is set."""

    def __init__(self, queue_name: str, loop: Loop, stop: asyncio.Event) -> None:
        self._queue_name = queue_name
        self._loop = loop
        self._stop = stop
        self._task: asyncio.Task[None] | None = None
        self._holders = 0
        self._held_at_s = clock.monotonic_s()

    @property
    def is_held(self) -> bool:
        """Whether a job of arq watches the loop."""
        return self._holders > 0

    def function(self) -> Function:
        """The job for arq's worker."""

        async def hold(context: Context) -> None:
            await self.hold()

        return func(hold, name=JOB, keep_result=0, timeout=TIMEOUT_S, max_tries=ENDLESS_TRIES)  # type: ignore[arg-type] # no *args

    async def offer(self, context: Context) -> None:
        """Enqueue the jobs of all free slots. Called when a worker starts and after each turn."""
        arq: ArqRedis = context["redis"]
        if not self._stop.is_set():
            for number in range(SLOTS):
                await arq.enqueue_job(JOB, _job_id=f"{self._queue_name}:slot-{number}")

    async def hold(self) -> None:
        """Start the loop unless it runs, and watch it for one turn; then it continues. Raises the loop's error."""
        self._holders += 1
        try:
            await asyncio.wait({self._running()}, timeout=TURN_S)
            if self._task is not None and self._task.done():
                self._task.result()
        finally:
            self._holders -= 1
            self._held_at_s = clock.monotonic_s()

    async def keep(self) -> None:
        """Run the loop whenever no job watches it, until `stop` is set; then wait for its end."""
        while not self._stop.is_set():
            if not self.is_held and clock.monotonic_s() - self._held_at_s > KEPT_AFTER_S:
                self._running()
            try:
                await asyncio.wait_for(self._stop.wait(), CHECK_EVERY_S)
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
