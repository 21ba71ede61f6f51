"""What workers do for people of the cabinet: long exports, verification of a long ledger, the evidence of a month,
sending thousands of events again. How such a job runs, ends and is kept: app/jobs/service.py."""

from collections.abc import AsyncIterator, Mapping
from datetime import datetime, tzinfo
from functools import partial
from typing import Any

import msgspec

from app.cabinet.exports import TABLES, Table
from app.core import standby
from app.core.errors import ApiError
from app.core.keyset import Place
from app.core.zones import name_of, zone_of
from app.jobs.repository import Job
from app.jobs.service import JobStopped, Step, Work
from app.ledger import repository as ledger
from app.ledger import verify
from app.ledger.hashchain import ChainId, State
from app.ledger.verify import Verification
from app.statements import evidence
from app.statements import service as statements
from app.statements.archive import Member
from app.statements.months import parse_month
from app.web.csv_text import BOM, line
from app.webhooks import replay
from app.webhooks.replay import Span
from app.wiring import Services

EXPORT = "export_"
"""Kinds of jobs that make a CSV file: this, and the name of the table."""

VERIFICATION = "ledger_verification"

EVIDENCE = "statement_evidence"


def works(services: Services) -> Mapping[str, Work]:
    """The work of each kind of job."""
    exports = {f"{EXPORT}{table.name}": partial(_export, services, table) for table in TABLES.values()}
    return {
        **exports,
        VERIFICATION: _verify,
        EVIDENCE: partial(_make_evidence, services),
        replay.JOB_KIND: _send_again,
    }


def export_request(filters: Any, file_name: str, zone: tzinfo) -> Mapping[str, Any]:
    """What a job needs to know of an export."""
    return {"filters": msgspec.to_builtins(filters), "file_name": file_name, "zone": name_of(zone)}


async def _export(services: Services, table: Table, job: Job) -> AsyncIterator[Step]:
    """A page of rows with each step, until there are no more. Rows that are made meanwhile are not in the file.

    It may be read from a standby that has all that was there when the file was asked for.
    """
    request = _request(job)
    filters, zone = msgspec.convert(request["filters"], table.filters), zone_of(request["zone"])
    total = job.total
    if total is None:
        with standby.may_be_read(job.id, job.created_at):
            total = await table.count(job.merchant, job.mode, filters, None)
    place = None if job.place is None else _place(job.place)
    done = job.done
    while True:
        with standby.may_be_read(job.id, job.created_at):
            rows, following = await table.rows(services, job.merchant, job.mode, filters, place, zone)
        head = BOM + line(table.columns) if place is None else b""
        part = head + b"".join(line(cells) for cells in rows)
        done, place = done + len(rows), following
        if following is None:
            yield Step(done=done, total=done, part=part, outcome={"rows": done})
            return
        moment, key = following.key
        yield Step(done=done, total=max(total, done), place=[moment.isoformat(), key], part=part)


async def _verify(job: Job) -> AsyncIterator[Step]:
    """Re-compute a chain from the last state that was verified."""
    request = _request(job)
    chain = ChainId(owner=job.merchant, network=request["network"], asset=request["asset"])
    head = await ledger.head(chain)
    if head is None:
        raise JobStopped("There is no such ledger.")
    state = None if job.place is None else State(*msgspec.json.decode(job.place))
    async for reached in verify.verify_stepwise(head, state):
        if isinstance(reached, Verification):
            fault = reached.fault and {"seq": reached.fault.seq, "problem": reached.fault.problem}
            outcome = {"entries": reached.seq, "hash": reached.head_hash, "fault": fault}
            yield Step(done=reached.seq, total=head.state.seq, outcome=outcome)
        else:
            place = [reached.seq, reached.available_raw, reached.locked_raw, reached.hash]
            yield Step(done=reached.seq, total=head.state.seq, place=place)


async def _make_evidence(services: Services, job: Job) -> AsyncIterator[Step]:
    """Make the evidence of a closed month, and sign it with the key of checkpoints."""
    keys, month = services.settings.checkpoint_keys, parse_month(_request(job)["month"])
    if keys is None:
        raise JobStopped("The gateway signs no checkpoints now, so there is nothing that evidence could rest on.")
    if month is None:
        raise JobStopped("There is no such month.")
    statement = await statements.of_month(job.merchant, job.mode, month, job.created_at, summed=False)
    if statement is None:
        raise JobStopped("There is no statement of this month.")
    members = () if job.place is None else msgspec.json.decode(job.place, type=tuple[Member, ...])
    try:
        async for part in evidence.parts(statement, keys, job.created_at, members, job.done):
            is_last = part.done == part.total
            outcome = {"file_name": evidence.file_name(statement)} if is_last else None
            place = msgspec.to_builtins(part.members)
            yield Step(done=part.done, total=part.total, place=place, part=part.body, outcome=outcome)
    except evidence.NotFinal as error:
        raise JobStopped(f"{error}.") from None


async def _send_again(job: Job) -> AsyncIterator[Step]:
    """Queue the next events of a span for an endpoint."""
    request = _request(job)
    queued, after_seq = msgspec.json.decode(job.place) if job.place else (0, request["after_seq"])
    whole = Span(datetime.fromisoformat(request["since"]), request["after_seq"], request["last_seq"])
    rest = Span(whole.since, after_seq, whole.last_seq)
    try:
        await replay.check_startable(job.merchant, job.mode, request["endpoint"])
    except ApiError:
        raise JobStopped(
            "The endpoint was disabled or deleted meanwhile. What was queued before that is sent."
        ) from None
    async for batch in replay.queue_span(request["endpoint"], rest, missed_only=request["missed_only"]):
        assert batch.last_seq is not None, "only batches with events are given"
        queued, after_seq = queued + batch.queued, batch.last_seq
        yield Step(done=after_seq - whole.after_seq, total=whole.length, place=[queued, after_seq])
    yield Step(done=whole.length, total=whole.length, outcome={"events": queued})


def _request(job: Job) -> dict[str, Any]:
    request: dict[str, Any] = msgspec.json.decode(job.request)
    return request


def _place(text: str) -> Place:
    moment, key = msgspec.json.decode(text)
    return Place((datetime.fromisoformat(moment), key))
