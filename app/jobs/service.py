"""Long work that a person asks for on a page: started, carried out step by step by a worker, cancelled, kept a day.

Each step of a job commits what it did together with how far it is. So a worker that dies costs the work since the last
step: another one goes on from there when the lease has run out. A job can make a file, a part with each step; it is
kept in the database, for a day, so that any host can go on with it and any host can send it.
"""

import json
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import Any

import msgspec

from app.core import clock, database, ids
from app.core.errors import invalid
from app.core.logging import get_logger
from app.core.waiting import DatabaseUnavailable
from app.jobs import repository
from app.jobs.repository import Job
from app.live import notices, topics
from app.merchants.members import Member
from app.merchants.terms import Mode

log = get_logger(__name__)

KEPT = timedelta(hours=24)
"""How long an ended job and its file can be seen: a file holds what customers gave."""

LEASE = timedelta(seconds=60)
"""How long a worker may take for one step before another may go on."""

SLICE_S = 20
"""After this long a worker turns to the next job that waits, so that a short one does not wait for a long one."""

MOST_TRIES = 5
"""Claims without one step, such as of a worker that dies each time: then the job has failed."""

MOST_OPEN = 5
"""Jobs of one merchant that wait or run at once."""

PURGED_AT_ONCE = 20

FAULT = "It stopped because of a fault on our side. Nothing is lost: start it again."


class JobStopped(Exception):
    """The work can't go on; the message is a sentence for the person who asked for it."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """What a step did: `done` units so far, where the next one goes on, and a part of the file. With `outcome` it is
    the last. `place` and `outcome` must be JSON's."""

    done: int
    total: int | None = None
    place: Any = None
    part: bytes | None = None
    outcome: Mapping[str, Any] | None = None


Work = Callable[[Job], AsyncIterator[Step]]
"""Carries out jobs of one kind, from the job's place to the end. It may run in no transaction of the caller's; each
step must be safe to do again, since what was done after the last recorded step is done twice."""


async def start(
    by: Member,
    mode: Mode,
    kind: str,
    request: Mapping[str, Any],
    now: datetime,
    beside: Callable[[], Awaitable[None]] | None = None,
) -> str:
    """Start a job and return its id. `beside` runs in the same transaction, for instance to write the audit log.

    Raises INVALID_INPUT where too many of the merchant's jobs are open.
    """
    job_id = ids.new_id(ids.JOB)
    async with database.transaction():
        await repository.lock_starting(by.merchant_id)
        if await repository.count_open(by.merchant_id) >= MOST_OPEN:
            raise invalid("job", f"{MOST_OPEN} are at work already: wait for one to end, or cancel one")
        await repository.add(
            job_id=job_id,
            merchant_id=by.merchant_id,
            mode=mode,
            kind=kind,
            request=json.dumps(request),
            requested_by=by.actor,
            now=now,
        )
        if beside is not None:
            await beside()
        await _tell_pages(by.merchant_id, mode, job_id)
    return job_id


async def cancel(by: Member, mode: Mode, job_id: str, now: datetime) -> bool:
    """End a job and delete its file. What it did stays done. False where it has ended already."""
    async with database.transaction():
        cancelled = await repository.cancel(by.merchant_id, mode, job_id, now)
        if cancelled:
            await repository.delete_parts(job_id)
            await _tell_pages(by.merchant_id, mode, job_id)
    return cancelled


async def some_wait() -> bool:
    """Whether a job is open. It may be another worker's."""
    return await repository.any_open()


async def run_next(works: Mapping[str, Work]) -> bool:
    """Carry out a slice of the job whose turn it is; False where none waits. Not inside a transaction.

    Raises DatabaseUnavailable; the job goes on when the lease has run out.
    """
    job = await repository.claim(list(works), clock.now(), LEASE)
    if job is None:
        return False
    if job.tries > MOST_TRIES:
        await _fail(job, FAULT)
        return True
    await _run_slice(job, works[job.kind])
    return True


async def file_of(job: Job) -> AsyncIterator[bytes]:
    """The file of a job that is done, part by part. It ends early where the file is deleted meanwhile."""
    for number in range(job.parts):
        body = await repository.part(job.id, number)
        if body is None:
            return
        yield zlib.decompress(body)


async def purge(now: datetime) -> int:
    """Delete jobs that ended longer ago than KEPT, with their files. Returns how many."""
    purged = 0
    while True:
        count = await repository.purge(now - KEPT, PURGED_AT_ONCE)
        purged += count
        if count < PURGED_AT_ONCE:
            return purged


async def _run_slice(job: Job, work: Work) -> None:
    began_s = clock.monotonic_s()
    try:
        async with aclosing(work(job)) as steps:  # type: ignore[type-var]  # it is a generator
            async for step in steps:
                held = await _record(job, step)
                if held is None or step.outcome is not None:
                    return
                job = held
                if clock.monotonic_s() - began_s > SLICE_S:
                    await repository.give_back(job, clock.now())
                    return
        raise RuntimeError(f"{job.kind} ended without an outcome")
    except JobStopped as stopped:
        await _fail(job, str(stopped))
    except DatabaseUnavailable:
        raise
    except Exception:
        log.exception("background_job_failed", job=job.id, kind=job.kind)
        await _fail(job, FAULT)


async def _record(job: Job, step: Step) -> Job | None:
    """Commit a step. Returns the job with its new lease; None where it was cancelled or another worker took it."""
    now = clock.now()
    held = msgspec.structs.replace(
        job,
        done=step.done,
        total=job.total if step.total is None else step.total,
        place=None if step.place is None else json.dumps(step.place),
        parts=job.parts + (step.part is not None),
        claimed_until=now + LEASE,
    )
    async with database.transaction():
        if not await repository.record_step(held, held_until=job.claimed_until):
            return None
        if step.part is not None:
            await repository.add_part(job.id, job.parts, zlib.compress(step.part))
        if step.outcome is not None:
            await repository.end(held, "done", json.dumps(step.outcome), now)
        await _tell_pages(job.merchant, job.mode, job.id)
    return held


async def _fail(job: Job, problem: str) -> None:
    async with database.transaction():
        if await repository.end(job, "failed", json.dumps({"problem": problem}), clock.now()):
            await repository.delete_parts(job.id)
            await _tell_pages(job.merchant, job.mode, job.id)


async def _tell_pages(merchant_id: str, mode: str, job_id: str) -> None:
    """Tell open pages that a job moved, once the caller's transaction has committed."""
    await notices.changed(*topics.of_merchant(merchant_id, mode, "exports", f"export:{job_id}"))
