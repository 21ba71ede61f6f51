"""The page of long work: how far it is, a button that cancels it, what came of it, and its file."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any

import msgspec
from litestar import Response, get
from litestar.response import Stream

from app.cabinet.cabinet import Cabinet
from app.cabinet.context import MemberContext, context_of
from app.cabinet.exports import TABLES, stream
from app.cabinet.guard import needs, require
from app.cabinet.labels import plural
from app.cabinet.webhook_checks import ShownCheck, conclusion, shown_checks
from app.cabinet.works import EVIDENCE, EXPORT, VERIFICATION
from app.core import clock
from app.core.errors import ApiError, Code
from app.core.money import group_digits
from app.core.newer import BEING_UPGRADED, UPGRADE_RETRY_S, Words
from app.identity.form_routes import NoStepUp, form_post
from app.identity.identity import PageRequest
from app.jobs import repository, service
from app.jobs.repository import Job
from app.merchants.roles import Permission
from app.web.csv_text import MEDIA_TYPE
from app.webhooks import checking, replay

STATES: Mapping[str, str] = MappingProxyType(
    Words({"waiting": "Waiting", "running": "Running", "done": "Done", "failed": "Failed", "cancelled": "Cancelled"})
)

CANCELLED: Mapping[str, str] = MappingProxyType(
    {
        VERIFICATION: "It was cancelled before the end, so it says nothing about the ledger.",
        replay.JOB_KIND: "It was cancelled. Events that were queued before that are sent.",
        checking.JOB_KIND: "It was cancelled. What was found before that is below.",
    }
)
"""What remains of cancelled work; of an export nothing does."""

OF_ENDPOINTS = (replay.JOB_KIND, checking.JOB_KIND)
"""Kinds of work for a webhook's endpoint."""

EXPORT_KINDS = tuple(f"{EXPORT}{name}" for name in TABLES)

FILE_KINDS = (*EXPORT_KINDS, EVIDENCE)
"""Work that makes a file."""


class Shown(msgspec.Struct, frozen=True):
    """A job in words. `share` is what is done of it in per cent, None where the total is not known yet."""

    job: Job
    title: str
    state: str
    progress: str
    share: int | None
    result: str
    tone: str
    head_hash: str
    has_file: bool
    back: tuple[str, str]
    kept_until: datetime | None
    checks: Sequence[ShownCheck] = ()


def handlers(cabinet: Cabinet) -> list[Any]:
    """`work/{id}`, `work/{id}/cancel`, `work/{id}/file`."""
    identity = cabinet.identity

    async def found(ctx: MemberContext, job_id: str) -> Job:
        """The job. Raises NOT_FOUND, also for one that has ended too long ago, Forbidden, and UNAVAILABLE for a kind
        that only a newer version knows."""
        job = await repository.find(ctx.merchant_id, ctx.mode, job_id)
        if job is None or is_over(job):
            raise ApiError(Code.NOT_FOUND, "there is no such work, or it ended more than a day ago")
        if job.kind not in (*OF_ENDPOINTS, VERIFICATION, *FILE_KINDS):
            raise ApiError(Code.UNAVAILABLE, BEING_UPGRADED, retry_after_s=UPGRADE_RETRY_S)
        await require(ctx.member, _needed(job), ctx.mode)
        return job

    @get("/work/{job_id:str}", opt=needs(Permission.VIEW))
    async def work(request: PageRequest, job_id: str) -> Response[Any]:
        ctx = context_of(request)
        return await cabinet.page(request, "cabinet/work.html", {"work": shown(ctx, await found(ctx, job_id))})

    @form_post(
        "/work/{job_id:str}/cancel",
        does="Cancel long work",
        step_up=NoStepUp("what it has done stays, and it can be started again"),
        page="/work/{job_id:str}",
        opt=needs(Permission.VIEW),
    )
    async def cancel(request: PageRequest, job_id: str) -> Response[Any]:
        ctx = context_of(request)
        job = await found(ctx, job_id)
        back = ctx.path("work", job.id)
        if job.kind in OF_ENDPOINTS:
            ctx.member.require(Permission.WEBHOOKS_MANAGE)
        if not await service.cancel(ctx.member, ctx.mode, job.id, clock.now()):
            return identity.nothing_done(request, back, "It had ended before you cancelled it.")
        return identity.redirect(request, back, flash="It is cancelled.", tone="neutral")

    @get("/work/{job_id:str}/file", opt=needs(Permission.VIEW))
    async def file(request: PageRequest, job_id: str) -> Stream:
        job = await found(context_of(request), job_id)
        if job.kind not in FILE_KINDS or job.state != "done":
            raise ApiError(Code.NOT_FOUND, "there is no file")
        if job.kind == EVIDENCE:
            name = msgspec.json.decode(job.outcome or "{}")["file_name"]
            return stream(service.file_of(job), name, "application/zip")
        return stream(service.file_of(job), msgspec.json.decode(job.request)["file_name"], MEDIA_TYPE)

    return [work, cancel, file]


def shown(ctx: MemberContext, job: Job) -> Shown:
    """A job as pages show it."""
    request = msgspec.json.decode(job.request)
    outcome = msgspec.json.decode(job.outcome) if job.outcome else {}
    title, one, many, back = _named(ctx, job.kind, request)
    total = job.total
    counted = (
        f"{group_digits(job.done)} of {plural(total, one, many)}" if total is not None else plural(job.done, one, many)
    )
    result, tone = _result(job, outcome)
    return Shown(
        job=job,
        title=title,
        state=STATES[job.state],
        progress="" if job.state == "waiting" and not job.done else counted,
        share=None if total is None else 100 if not total else min(100, job.done * 100 // total),
        result=result,
        tone=tone,
        head_hash=outcome.get("hash", ""),
        has_file=job.kind in FILE_KINDS and job.state == "done",
        back=back,
        kept_until=None if job.ended_at is None else job.ended_at + service.KEPT,
        checks=shown_checks(job) if job.kind == checking.JOB_KIND else (),
    )


def _named(ctx: MemberContext, kind: str, request: Mapping[str, Any]) -> tuple[str, str, str, tuple[str, str]]:
    """The title of a kind of work, its unit (one, many), and the page that it belongs to."""
    if kind == VERIFICATION:
        name = request["name"]
        return f"Verification of the ledger {name}", "entry", "entries", (ctx.path("ledger", name), "Ledger")
    if kind == replay.JOB_KIND:
        back = (ctx.path("webhooks", request["endpoint"]), "Endpoint")
        return "Sending events again", "event", "events", back
    if kind == EVIDENCE:
        month = request["month"]
        return f"Evidence of {month}", "part", "parts", (ctx.path("statements", month), "Statement")
    if kind == checking.JOB_KIND:
        back = (ctx.path("webhooks", request["endpoint"]), "Endpoint")
        return "Check of an endpoint", "check", "checks", back
    table = TABLES[kind.removeprefix(EXPORT)]
    return f"Export of {table.many}", table.one, table.many, (ctx.path("exports"), "Exports")


def _result(job: Job, outcome: Mapping[str, Any]) -> tuple[str, str]:
    """What came of a job, as a sentence, and its tone; nothing while it is open."""
    if job.is_open:
        return "", "neutral"
    if job.state == "failed":
        return outcome["problem"], "critical"
    if job.state == "cancelled":
        return CANCELLED.get(job.kind, "It was cancelled, and what was prepared is deleted."), "neutral"
    if job.state != "done":  # a newer version's
        return "", "neutral"
    if job.kind == replay.JOB_KIND:
        return f"{plural(outcome['events'], 'event goes', 'events go')} out again, oldest first.", "positive"
    if job.kind == EVIDENCE:
        return "The archive is signed. Anybody can verify it without the gateway.", "positive"
    if job.kind == checking.JOB_KIND:
        return conclusion(job)
    if job.kind != VERIFICATION:
        return f"The file has {plural(outcome['rows'], 'row')}.", "positive"
    fault = outcome["fault"]
    if fault is not None:
        return f"The chain breaks at entry {fault['seq']}: {fault['problem']}. Tell the operator at once.", "critical"
    return f"The chain holds: {plural(outcome['entries'], 'entry', 'entries')} re-computed.", "positive"


def is_over(job: Job) -> bool:
    """Whether a job ended too long ago to be shown; it will be deleted soon."""
    return job.ended_at is not None and job.ended_at + service.KEPT < clock.now()


def may_see(ctx: MemberContext, job: Job) -> bool:
    """Whether the member may see what the work is about."""
    return all(map(ctx.may, _needed(job)))


def _needed(job: Job) -> Sequence[Permission]:
    """What a member must be allowed to see: that of which the work is about."""
    if job.kind in OF_ENDPOINTS:
        return (Permission.WEBHOOKS_VIEW,)
    if job.kind == VERIFICATION:
        return (Permission.BOOKS_VIEW,)
    if job.kind == EVIDENCE:
        return (Permission.EXPORTS_VIEW, Permission.BOOKS_VIEW)
    return TABLES[job.kind.removeprefix(EXPORT)].needed
