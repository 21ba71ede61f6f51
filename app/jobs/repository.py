"""Every statement on `background_jobs` and `background_job_parts`."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from app.core import database
from app.core.statement import Command, Param, Statement, any_of, insert, select
from app.jobs.tables import BackgroundJob, BackgroundJobPart

State = Literal["waiting", "running", "done", "failed", "cancelled"]

START_LOCK = 7_226_040
"""First key of the advisory lock under which a merchant's open jobs are counted; the second is the merchant's hash."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A job as it stands: the columns of its table."""

    id: str
    merchant: str
    mode: Literal["live", "test"]
    kind: str
    request: str
    requested_by: str
    state: State
    done: int
    total: int | None
    parts: int
    place: str | None
    outcome: str | None
    tries: int
    claimed_until: datetime | None
    created_at: datetime
    ended_at: datetime | None

    @property
    def is_open(self) -> bool:
        """Whether it waits for a worker, or a worker is at it."""
        return self.state in ("waiting", "running")


async def lock_starting(merchant_id: str) -> None:
    """Wait for other transactions that start a job of this merchant; held until the caller's transaction ends."""
    database.in_transaction()
    # SQL, since the builder has no statement without a table.
    await database.execute("SELECT pg_advisory_xact_lock($1, hashtext($2))", START_LOCK, merchant_id)


async def count_open(merchant_id: str) -> int:
    """How many of a merchant's jobs have not ended, in both modes."""
    return await _COUNT_OPEN.one(merchant=merchant_id)


_IS_OPEN = any_of(BackgroundJob.state, ["waiting", "running"])
_COUNT_OPEN = Statement(BackgroundJob.count().where(BackgroundJob.merchant == Param("merchant"), _IS_OPEN), int)


async def any_open() -> bool:
    """Whether a job of anybody has not ended."""
    return await _ONE_OPEN.first() is not None


# The states as constants, so that the index of open jobs answers.
_ONE_OPEN = Statement(
    BackgroundJob.select(BackgroundJob.id)
    .where((BackgroundJob.state == "waiting") | (BackgroundJob.state == "running"))
    .limit(1),
    str,
)


async def count_started(merchant_id: str, kind: str, since: datetime) -> int:
    """How many jobs of a kind a merchant has started since a time, in both modes; ended ones are kept for a day."""
    return await _COUNT_STARTED.one(merchant=merchant_id, kind=kind, since=since)


_COUNT_STARTED = Statement(
    BackgroundJob.count().where(
        BackgroundJob.merchant == Param("merchant"),
        BackgroundJob.kind == Param("kind"),
        BackgroundJob.created_at >= Param("since"),
    ),
    int,
)


async def add(
    *, job_id: str, merchant_id: str, mode: str, kind: str, request: str, requested_by: str, now: datetime
) -> None:
    """Add a job that waits for a worker."""
    await _ADD.run(
        id=job_id,
        merchant=merchant_id,
        mode=mode,
        kind=kind,
        request=request,
        requested_by=requested_by,
        state="waiting",
        done=0,
        parts=0,
        tries=0,
        turn_at=now,
        created_at=now,
    )


_ADD = Command(
    insert(
        BackgroundJob,
        BackgroundJob.id,
        BackgroundJob.merchant,
        BackgroundJob.mode,
        BackgroundJob.kind,
        BackgroundJob.request,
        BackgroundJob.requested_by,
        BackgroundJob.state,
        BackgroundJob.done,
        BackgroundJob.parts,
        BackgroundJob.tries,
        BackgroundJob.turn_at,
        BackgroundJob.created_at,
    )
)


async def find(merchant_id: str, mode: str, job_id: str) -> Job | None:
    """One of a merchant's jobs in a mode."""
    return await _FIND.first(id=job_id, merchant=merchant_id, mode=mode)


_IS_IT = (
    (BackgroundJob.id == Param("id"))
    & (BackgroundJob.merchant == Param("merchant"))
    & (BackgroundJob.mode == Param("mode"))
)
_FIND = Statement(select(BackgroundJob, Job).where(_IS_IT), Job)


async def newest(merchant_id: str, mode: str, kinds: Sequence[str], limit: int) -> list[Job]:
    """A merchant's latest jobs of these kinds, newest first."""
    return await _NEWEST.all(merchant=merchant_id, mode=mode, kinds=list(kinds), limit=limit)


_NEWEST = Statement(
    select(BackgroundJob, Job)
    .where(
        BackgroundJob.merchant == Param("merchant"),
        BackgroundJob.mode == Param("mode"),
        any_of(BackgroundJob.kind, Param("kinds")),
    )
    .order_by(BackgroundJob.created_at, BackgroundJob.id, ascending=False),
    Job,
    limited=True,
)


async def claim(kinds: Sequence[str], now: datetime, lease: timedelta) -> Job | None:
    """Take the open job of these kinds whose turn it is, for `lease`; None where no worker is needed."""
    # SQL: the row that is updated is chosen by a query that skips what other workers hold.
    row = await database.fetch_one(_CLAIM, list(kinds), now, now + lease)
    return None if row is None else Job(**row)


_CLAIM = f"""
    UPDATE background_jobs SET state = 'running', claimed_until = $3, tries = tries + 1
    WHERE id = (
        SELECT id FROM background_jobs
        WHERE state IN ('waiting', 'running') AND kind = ANY($1) AND (claimed_until IS NULL OR claimed_until < $2)
        ORDER BY turn_at LIMIT 1 FOR UPDATE SKIP LOCKED
    )
    RETURNING {", ".join(Job.__struct_fields__)}
"""


async def record_step(job: Job, *, held_until: datetime | None) -> bool:
    """Record a step of a claimed job: `job` as it stands after it, with its new lease. False where the caller, whose
    lease was `held_until`, holds it no more: it was cancelled, or another worker took it."""
    return bool(
        await _RECORD_STEP.run(
            id=job.id,
            held_until=held_until,
            done=job.done,
            total=job.total,
            place=job.place,
            parts=job.parts,
            claimed_until=job.claimed_until,
        )
    )


_IS_HELD = (
    (BackgroundJob.id == Param("id"))
    & (BackgroundJob.state == "running")
    & (BackgroundJob.claimed_until == Param("held_until"))
)
_RECORD_STEP = Command(
    BackgroundJob.update(
        {
            BackgroundJob.done: Param("done"),
            BackgroundJob.total: Param("total"),
            BackgroundJob.place: Param("place"),
            BackgroundJob.parts: Param("parts"),
            BackgroundJob.claimed_until: Param("claimed_until"),
            BackgroundJob.tries: 0,
        }
    ).where(_IS_HELD)
)


async def give_back(job: Job, now: datetime) -> None:
    """Let another worker go on, after the other jobs that wait."""
    await _GIVE_BACK.run(id=job.id, held_until=job.claimed_until, now=now)


_GIVE_BACK = Command(
    BackgroundJob.update({BackgroundJob.claimed_until: None, BackgroundJob.turn_at: Param("now")}).where(_IS_HELD)
)


async def end(job: Job, state: Literal["done", "failed"], outcome: str, now: datetime) -> bool:
    """End a claimed job. False where the caller holds it no more."""
    return bool(await _END.run(id=job.id, held_until=job.claimed_until, state=state, outcome=outcome, now=now))


_END = Command(
    BackgroundJob.update(
        {
            BackgroundJob.state: Param("state"),
            BackgroundJob.outcome: Param("outcome"),
            BackgroundJob.claimed_until: None,
            BackgroundJob.ended_at: Param("now"),
        }
    ).where(_IS_HELD)
)


async def cancel(merchant_id: str, mode: str, job_id: str, now: datetime) -> bool:
    """End an open job; the worker that is at it finds out at its next step. False where it has ended."""
    return bool(await _CANCEL.run(id=job_id, merchant=merchant_id, mode=mode, now=now))


_CANCEL = Command(
    BackgroundJob.update(
        {BackgroundJob.state: "cancelled", BackgroundJob.claimed_until: None, BackgroundJob.ended_at: Param("now")}
    ).where(_IS_IT & _IS_OPEN)
)


async def add_part(job_id: str, number: int, body: bytes) -> None:
    """Add a part of a job's file."""
    await _ADD_PART.run(job=job_id, number=number, body=body)


_ADD_PART = Command(insert(BackgroundJobPart))


async def part(job_id: str, number: int) -> bytes | None:
    """A part of a job's file; None where the file has been deleted."""
    return await _PART.first(job=job_id, number=number)


_PART = Statement(
    BackgroundJobPart.select(BackgroundJobPart.body).where(
        BackgroundJobPart.job == Param("job"), BackgroundJobPart.number == Param("number")
    ),
    bytes,
)


async def delete_parts(job_id: str) -> None:
    """Delete a job's file."""
    await _DELETE_PARTS.run(job=job_id)


_DELETE_PARTS = Command(BackgroundJobPart.delete().where(BackgroundJobPart.job == Param("job")))


async def purge(ended_before: datetime, limit: int) -> int:
    """Delete up to `limit` jobs that ended before a time, with their files. Returns how many."""
    # SQL: a delete of what another delete returns, in one statement.
    return await database.execute(
        """
        WITH ended AS (
            SELECT id FROM background_jobs WHERE ended_at < $1 ORDER BY ended_at LIMIT $2 FOR UPDATE SKIP LOCKED
        ), parts AS (
            DELETE FROM background_job_parts p USING ended WHERE p.job = ended.id RETURNING p.job
        )
        DELETE FROM background_jobs j USING ended WHERE j.id = ended.id AND (SELECT count(*) FROM parts) >= 0
        """,
        ended_before,
        limit,
    )
