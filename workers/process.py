"""A worker process: its loops, its schedule and arq's worker, until SIGTERM.

All work is stored in Postgres, so everything continues while Redis is unavailable: loops need no Redis, `Slot.keep`
runs a slot's loop, and the schedule runs the jobs. arq's worker is restarted until Redis is back.
"""

import asyncio
import signal
from contextlib import suppress
from datetime import UTC
from typing import Any

from arq.worker import Worker

from app.core import cancelling, clock, redis
from app.core.logging import get_logger
from app.wiring import Services
from workers import heartbeat
from workers.jobs import Context, Loop, Queue
from workers.schedule import GRACE_S, Schedule
from workers.slot import Slot

log = get_logger(__name__)

POLL_S = 0.1
"""Seconds between arq's polls: the longest wait of an enqueued job."""

ARQ_RETRY_S = 0.5
"""Seconds before arq's worker is restarted after it lost Redis."""

LOOP_RETRY_S = 1.0
"""Seconds before a loop that failed is restarted."""


async def run(queue: Queue, services: Services, stop: asyncio.Event | None = None) -> None:
    """Work until SIGTERM or SIGINT (or `stop`): then running work is finished, and nothing new starts.

    Raises SignerSettingsError where the signer's keys are missing or unsafe.
    """
    stop = stop or asyncio.Event()
    loops = queue.loops(services)
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signal_number, stop.set)
    log.info("worker_started", queue=queue.name)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(heartbeat.beat(services.settings.heartbeat_file, stop))
        for loop in loops:
            tasks.create_task(_keep_running(loop, stop))
        if queue.jobs or queue.slot_loop is not None:
            arq = _Arq(queue, services, stop)
            tasks.create_task(arq.schedule.run(stop))
            if arq.slot is not None:
                tasks.create_task(arq.slot.keep())
            tasks.create_task(arq.run())
    log.info("worker_stopped", queue=queue.name)


async def _keep_running(loop: Loop, stop: asyncio.Event) -> None:
    while not stop.is_set():
        try:
            await loop(stop)
        except Exception:
            log.exception("loop_failed")
            await _pause(stop, LOOP_RETRY_S)


class _Arq:
    """arq's worker of one queue in this process, restarted whenever it ends."""

    def __init__(self, queue: Queue, services: Services, stop: asyncio.Event) -> None:
        self._queue = queue
        self._stop = stop
        self._context: Context = {"services": services, **queue.context(services)}
        self.schedule = Schedule([job.cron() for job in queue.jobs], self._context)
        self.slot = None if queue.slot_loop is None else Slot(queue.name, queue.slot_loop(services), stop)
        self._ending: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Run workers, one after another, until the process stops and their jobs have ended."""
        stopping = asyncio.create_task(self._stop.wait())
        while not self._stop.is_set():
            worker = self._worker()
            working = asyncio.create_task(worker.async_run())
            await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if working.done() and not working.cancelled() and (error := working.exception()) is not None:
                log.warning("arq_lost_redis", queue=self._queue.name, error=str(error) or type(error).__name__)
            ending = asyncio.create_task(_end(worker, working))
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)
            await _pause(self._stop, ARQ_RETRY_S)
        await stopping
        if self._ending:
            await asyncio.wait(self._ending)

    def _worker(self) -> Worker:
        slot = self.slot
        return _Worker(
            self.schedule,
            functions=[] if slot is None else [slot.function()],
            on_startup=None if slot is None else slot.offer,
            after_job_end=None if slot is None else slot.offer,
            cron_jobs=self.schedule.for_arq(),
            # A process holds one slot. Jobs run at most once each at a time, so that none waits for another.
            max_jobs=1 if slot is not None else 2 * len(self._queue.jobs),
            queue_name=self._queue.arq_name,
            redis_pool=redis.arq_pool(self._queue.arq_name),
            job_serializer=redis.serialize,
            job_deserializer=redis.deserialize,
            poll_delay=POLL_S,
            keep_result=0,
            handle_signals=False,
            timezone=UTC,
            ctx=dict(self._context),
        )


class _Worker(Worker):
    """arq's worker that reports until which time it has enqueued the scheduled jobs."""

    def __init__(self, schedule: Schedule, **options: Any) -> None:
        super().__init__(**options)
        self._schedule = schedule

    async def heart_beat(self) -> None:
        """arq calls this at each poll and enqueues scheduled jobs here."""
        until = clock.unshifted_now()
        await super().heart_beat()
        self._schedule.arq_enqueued(until)


async def _end(worker: Worker, working: "asyncio.Task[None]") -> None:
    """Start no more jobs, wait for running ones, and close the connections.

    Works without Redis: a job can't report its end then, but has done its work.
    """
    worker.allow_pick_jobs = False
    await cancelling.end(working)
    jobs = set(worker.tasks.values())
    if jobs:
        await asyncio.wait(jobs, timeout=GRACE_S)
    await cancelling.end(*jobs)
    with suppress(Exception):
        await worker.pool.aclose(close_connection_pool=True)


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
