"""A worker process: loops that live from Postgres, and beside them arq for what runs by the clock.

The loops (watchers, the dispatcher, the mail) decide from Postgres what is due, so they go on while Redis is
away; arq's worker alone would stop with it. arq comes back by itself when Redis does.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from arq.cron import CronJob
from arq.worker import Worker

from app.core import redis
from app.core.logging import get_logger
from app.wiring import Services

log = get_logger(__name__)

ARQ_RETRY_S = 2.0
"""The pause before arq's worker is started anew after Redis went away."""

LOOP_RETRY_S = 1.0
"""The pause before a loop that failed is started anew."""

MAX_TRIES = 3
"""Of an arq job. Each is safe to run again; the next round of the clock comes anyway."""

Loop = Callable[[asyncio.Event], Awaitable[None]]
"""Runs until the event is set. One that raises is logged and started anew."""


@dataclass(frozen=True, slots=True)
class Queue:
    """What one kind of worker does. `loops` and `context` are made when the gateway is there."""

    name: str
    loops: Callable[[Services], Sequence[Loop]]
    cron_jobs: Sequence[CronJob] = field(default=())


async def run(queue: Queue, services: Services, stop: asyncio.Event | None = None) -> None:
    """Work until SIGTERM or SIGINT (or `stop`): what is under way is finished, nothing new is begun.

    Raises SignerSettingsError where the signer's keys are missing or unsafe.
    """
    stop = stop or asyncio.Event()
    loops = queue.loops(services)
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signal_number, stop.set)
    log.info("worker_started", queue=queue.name)
    async with asyncio.TaskGroup() as tasks:
        for loop in loops:
            tasks.create_task(_keep_running(loop, stop))
        if queue.cron_jobs:
            tasks.create_task(_run_arq(queue, services, stop))
    log.info("worker_stopped", queue=queue.name)


async def _keep_running(loop: Loop, stop: asyncio.Event) -> None:
    while not stop.is_set():
        try:
            await loop(stop)
        except Exception:
            log.exception("loop_failed")
            await _pause(stop, LOOP_RETRY_S)


async def _run_arq(queue: Queue, services: Services, stop: asyncio.Event) -> None:
    while not stop.is_set():
        worker = _arq_worker(queue, services)
        working = asyncio.create_task(worker.async_run())
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        error = working.exception() if working.done() else None
        if error is not None:
            log.warning("arq_lost_redis", queue=queue.name, error=str(error))
        working.cancel()
        with suppress(Exception, asyncio.CancelledError):
            await worker.close()
        await _pause(stop, ARQ_RETRY_S)


def _arq_worker(queue: Queue, services: Services) -> Worker:
    context: dict[str, Any] = {"gateway": services}
    return Worker(
        cron_jobs=queue.cron_jobs,
        queue_name=f"arq:{queue.name}",
        redis_pool=redis.arq_pool(services.settings.redis_url, f"arq:{queue.name}"),
        job_serializer=redis.serialize,
        job_deserializer=redis.deserialize,
        handle_signals=False,
        max_tries=MAX_TRIES,
        ctx=context,
    )


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
