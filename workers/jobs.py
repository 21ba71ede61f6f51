"""Queues: jobs with their times, retries and timeouts, and the loops that each process runs.

A job is a function of arq's context, in which `services` are the process's. It must be safe to run twice, also at the
same time: arq runs it in one process at each time of its schedule, and where arq can't, each process runs it
(schedule.py).
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import msgspec
from arq.cron import CronJob
from arq.worker import Retry
from redis.exceptions import RedisError

from app.core import tracing
from app.core.logging import get_logger
from app.core.waiting import UNAVAILABLE_ERRORS
from app.networks.port import NetworkError
from app.wiring import Services

log = get_logger(__name__)

RETRY_S = 60.0
"""The wait before a job's second try; it doubles for each further try. arq keeps a cron job's key for a minute."""

PASSING_ERRORS = (*UNAVAILABLE_ERRORS, RedisError, NetworkError)
"""Errors of a server or of the connection to it. arq runs a job again only where it raises `Retry`."""

EVERY_SECOND = {"second": set(range(60))}
"""When a job runs, as arq's `cron` takes it; all times are UTC."""

Context = dict[str, Any]
Work = Callable[[Context], Awaitable[object]]

Loop = Callable[[asyncio.Event], Awaitable[None]]
"""Runs until the event is set. One that raises is logged and started again."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A scheduled job: its name is that of `work`, and by that name it can be enqueued at any time.

    `max_tries` counts runs that ended with a passing error, or with the end of their process. A job that runs every
    few seconds needs one try: its next scheduled time is sooner.
    """

    work: Work
    when: Mapping[str, int | set[int]]
    timeout_s: float
    max_tries: int = 1
    at_start: bool = False

    @property
    def name(self) -> str:
        """The job's name in arq."""
        return self.work.__name__

    def cron(self) -> CronJob:
        """Return the job for arq. Each process needs its own, because it records whether the job runs."""
        moments: dict[str, Any] = {
            **dict.fromkeys(("month", "day", "weekday", "hour", "minute")),
            "second": 0,
            "microsecond": 0,
            **self.when,
        }
        return CronJob(
            name=self.name,
            coroutine=_one_at_a_time(self),
            **moments,
            run_at_startup=self.at_start,
            unique=True,
            job_id=None,
            timeout_s=self.timeout_s,
            keep_result_s=0,
            keep_result_forever=False,
            max_tries=self.max_tries,
        )


class Queue(msgspec.Struct, frozen=True, kw_only=True):
    """The work of the processes of `swap-pay worker <name>`; the functions get the process's services.

    `loops` run in every process. `slot_loop` too, but a job of arq starts and watches it (slot.py). `context` gives
    further values of the jobs' context.
    """

    name: str
    jobs: Sequence[Job] = ()
    loops: Callable[[Services], Sequence[Loop]] = msgspec.field(default=lambda _: ())
    slot_loop: Callable[[Services], Loop] | None = None
    context: Callable[[Services], Context] = msgspec.field(default=lambda _: {})

    @property
    def arq_name(self) -> str:
        """The queue's key in Redis."""
        return f"arq:{self.name}"


def _one_at_a_time(job: Job) -> Callable[..., Any]:
    """Do the job's work, unless it already runs in this process: runs must not queue up behind a slow server."""
    is_running = False
    is_rare = not isinstance(job.when.get("second"), set)  # jobs of every few seconds would be most of all traces

    async def run(context: Context) -> object:
        nonlocal is_running
        if is_running:
            return None
        is_running = True
        try:
            with tracing.trace("job", job=job.name) if is_rare else nullcontext():
                return await job.work(context)
        except PASSING_ERRORS as error:
            tries = context["job_try"]
            if tries >= job.max_tries:
                raise
            log.warning("job_will_be_retried", job=job.name, tries=tries, error=str(error) or type(error).__name__)
            raise Retry(defer=RETRY_S * 2 ** (tries - 1)) from error
        finally:
            is_running = False

    return run
