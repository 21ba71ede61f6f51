"""The times of a process's jobs. A job that arq does not enqueue at its time is run by the process a second later.

arq's worker ends when Redis does, and hangs while Redis hangs. Mail, alerts and the watchdog must continue.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from arq.cron import CronJob
from arq.worker import Retry

from app.core import clock
from app.core.logging import get_logger
from workers.jobs import Context

log = get_logger(__name__)

MISSED_AFTER = timedelta(seconds=1)
"""If arq has not enqueued a job this long after its time, the process runs it."""

CHECK_EVERY_S = 0.2

GRACE_S = 30.0
"""Seconds that running jobs have to end when the process stops."""


class Schedule:
    """The next time of each job of this process."""

    def __init__(self, jobs: Sequence[CronJob], context: Context) -> None:
        self._jobs = jobs
        self._context = context
        self._enqueued_until = datetime.min.replace(tzinfo=UTC)
        self._running: set[asyncio.Task[None]] = set()
        now = clock.unshifted_now()
        for job in jobs:
            if job.run_at_startup:
                job.next_run = now
            else:
                job.calculate_next(now)

    def for_arq(self) -> list[CronJob]:
        """Copies for a new worker of arq. It starts with the first time of each job that has not been handled yet."""
        return [replace(job) for job in self._jobs]

    def arq_enqueued(self, until: datetime) -> None:
        """Record that arq has enqueued every job that was due by then."""
        self._enqueued_until = until

    async def run(self, stop: asyncio.Event) -> None:
        """Run the jobs that arq misses until `stop` is set; then wait for running ones."""
        while not stop.is_set():
            self._run_missed(clock.unshifted_now())
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), CHECK_EVERY_S)
        if self._running:
            await asyncio.wait(self._running, timeout=GRACE_S)
        for task in self._running:
            task.cancel()

    def _run_missed(self, now: datetime) -> None:
        for job in self._jobs:
            assert job.next_run is not None, "set when the schedule was made"
            if job.next_run > now - MISSED_AFTER:
                continue
            if job.next_run > self._enqueued_until:
                task = asyncio.create_task(self._run(job))
                self._running.add(task)
                task.add_done_callback(self._running.discard)
            # arq adds a second and finds the next time after that. Several times that were missed lead to one run.
            job.calculate_next(max(job.next_run, now - MISSED_AFTER - timedelta(seconds=1)))

    async def _run(self, job: CronJob) -> None:
        tries = 1
        while True:
            try:
                async with asyncio.timeout(job.timeout_s):
                    await job.coroutine({**self._context, "job_try": tries})
                return
            except Retry as retry:
                await asyncio.sleep((retry.defer_score or 0) / 1_000)
                tries += 1
            except Exception:
                log.exception("job_failed", job=job.name)
                return
