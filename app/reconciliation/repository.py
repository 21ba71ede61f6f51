"""Every statement on `reconciliation_runs` and `reconciliation_findings`, and the watchdog's reads of cursors.

A run's reads of other nouns' tables are in snapshot.py and checks/.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from piccolo.columns.combination import WhereRaw
from piccolo.query.functions import Max

from app.core import database
from app.core.advisory_lock import Lock
from app.core.keyset import Page, Place, Total
from app.core.statement import Command, Listing, Param, Statement, insert, select
from app.deposits.tables import NetworkCursor
from app.reconciliation.findings import Figure, Finding
from app.reconciliation.snapshot import NamedBlock
from app.reconciliation.tables import ReconciliationFinding, ReconciliationRun

MAX_SUBJECT_CHARS = 200
MAX_PROGRESS_CHARS = 100
"""The lengths of the columns."""


class Run(msgspec.Struct, frozen=True):
    """One run. `blocks` is height and hash by network, `figures` the figures of each check.

    `progress` is the present step of a running one; `requested_by` the operator who requested it, if one did.
    """

    id: int
    cause: str
    full: bool
    status: str
    started_at: datetime
    finished_at: datetime | None
    blocks: dict[str, dict[str, Any]]
    figures: dict[str, dict[str, Any]]
    requested_by: str | None = None
    progress: str | None = None

    @property
    def is_over(self) -> bool:
        """Whether the run has ended."""
        return self.status not in ("requested", "running")


class RecordedFinding(msgspec.Struct, frozen=True):
    """One finding of a run."""

    check: str
    is_drift: bool
    subject: str
    message: str
    figures: dict[str, Any]


class RequestedRun(msgspec.Struct, frozen=True):
    """A run that an operator requested and that has not started."""

    id: int
    full: bool


class Watched(msgspec.Struct, frozen=True):
    """A network's cursor: the height scanned, when its node last answered, and why the watcher halted, if it did."""

    network: str
    scanned_height: int
    checked_at: datetime
    halted_reason: str | None


class _RunRow(msgspec.Struct, frozen=True):
    """A run as it is stored. `blocks` and `figures` are JSON."""

    id: int
    cause: str
    full: bool
    status: str
    started_at: datetime
    finished_at: datetime | None
    blocks: str
    figures: str
    requested_by: str | None
    progress: str | None

    def run(self) -> Run:
        return Run(
            id=self.id,
            cause=self.cause,
            full=self.full,
            status=self.status,
            started_at=self.started_at,
            finished_at=self.finished_at,
            blocks=json.loads(self.blocks),
            figures=json.loads(self.figures),
            requested_by=self.requested_by,
            progress=self.progress,
        )


class _FindingRow(msgspec.Struct, frozen=True):
    check_name: str
    is_drift: bool
    subject: str
    message: str
    figures: str


async def run(run_id: int) -> Run | None:
    """One run."""
    row = await _RUN.first(id=run_id)
    return None if row is None else row.run()


_RUN = Statement(select(ReconciliationRun, _RunRow).where(ReconciliationRun.id == Param("id")), _RunRow)


async def runs(place: Place | None, limit: int) -> Page[Run]:
    """A page of runs by id, newest first."""
    rows = await _RUNS.page(place, limit)
    return rows.of(row.run() for row in rows)


async def total_runs() -> Total:
    """How many runs there were."""
    return await _RUNS.total()


_RUNS = Listing(lambda: select(ReconciliationRun, _RunRow), _RunRow, key=(ReconciliationRun.id,))


async def findings(run_id: int) -> list[RecordedFinding]:
    """All findings of a run, drift first."""
    return [
        RecordedFinding(row.check_name, row.is_drift, row.subject, row.message, json.loads(row.figures))
        for row in await _FINDINGS.all(run=run_id)
    ]


_FINDINGS = Statement(
    select(ReconciliationFinding, _FindingRow)
    .where(ReconciliationFinding.run == Param("run"))
    .order_by(ReconciliationFinding.is_drift, ascending=False)
    .order_by(ReconciliationFinding.id),
    _FindingRow,
)


async def last_whole_run(*, full: bool = False) -> Run | None:
    """The newest run that ended without a finding; with `full`, the newest such full run."""
    row = await _LAST_WHOLE.first(full=full)
    return None if row is None else row.run()


_LAST_WHOLE = Statement(
    select(ReconciliationRun, _RunRow)
    .where(
        ReconciliationRun.finished_at.is_not_null(),
        ReconciliationRun.status == "clean",
        WhereRaw("({} OR NOT {})", ReconciliationRun.full, Param("full")),
    )
    .order_by(ReconciliationRun.id, ascending=False)
    .limit(1),
    _RunRow,
)


async def last_finished_at() -> datetime | None:
    """When the last run finished, with or without findings; `failed` runs don't count. None if there is none."""
    return await _LAST_FINISHED_AT.first()


_LAST_FINISHED_AT = Statement(
    ReconciliationRun.select(Max(ReconciliationRun.finished_at)).where(
        ReconciliationRun.finished_at.is_not_null(), ReconciliationRun.status != "failed"
    ),
    datetime,
)


async def add_running(*, cause: str, full: bool, now: datetime) -> int:
    """Add the record of a run that starts now. Returns its id."""
    return await _ADD_RUNNING.one(cause=cause, full=full, status="running", started_at=now, blocks="{}", figures="{}")


_ADD_RUNNING = Statement(
    insert(
        ReconciliationRun,
        ReconciliationRun.cause,
        ReconciliationRun.full,
        ReconciliationRun.status,
        ReconciliationRun.started_at,
        ReconciliationRun.blocks,
        ReconciliationRun.figures,
    ).returning(ReconciliationRun.id),
    int,
)


async def add_request(*, full: bool, by: str, now: datetime) -> int:
    """Add a requested run. Returns its id: if one is waiting already, that one's, made full if `full`."""
    # SQL, since the builder knows no ON CONFLICT of a partial index.
    run_id: int = await database.fetch_value(
        """
        INSERT INTO reconciliation_runs (cause, "full", status, started_at, blocks, figures, requested_by)
        VALUES ('operator', $1, 'requested', $2, '{}', '{}', $3)
        ON CONFLICT (status) WHERE status = 'requested' DO UPDATE SET "full" =
            reconciliation_runs."full" OR excluded."full"
        RETURNING id
        """,
        full,
        now,
        by,
    )
    return run_id


async def requested() -> RequestedRun | None:
    """The requested run that has not started; None if there is none."""
    return await _REQUESTED.first()


_REQUESTED = Statement(
    select(ReconciliationRun, RequestedRun).where(ReconciliationRun.status == "requested"), RequestedRun
)


async def begin(run_id: int, now: datetime) -> None:
    """Record that a requested run starts."""
    await _BEGIN.run(id=run_id, now=now)


_BEGIN = Command(
    ReconciliationRun.update({ReconciliationRun.status: "running", ReconciliationRun.started_at: Param("now")}).where(
        ReconciliationRun.id == Param("id")
    )
)


async def set_progress(lock: Lock, run_id: int, progress: str) -> None:
    """Record the present step of a run, on the lock's connection: others can't see the snapshot's transaction."""
    # SQL, since the builder runs on the pool and on the current transaction only.
    await lock.execute(
        "UPDATE reconciliation_runs SET progress = $2 WHERE id = $1", run_id, progress[:MAX_PROGRESS_CHARS]
    )


async def fail_abandoned(lock: Lock, now: datetime) -> None:
    """Mark runs failed that are still `running` after a crash. The caller holds the lock of runs."""
    # SQL, since the builder runs on the pool and on the current transaction only.
    await lock.execute(
        "UPDATE reconciliation_runs SET status = 'failed', finished_at = $1 WHERE status = 'running'", now
    )


async def fail(run_id: int, now: datetime) -> None:
    """Record that a run failed before its end."""
    await _FAIL.run(id=run_id, now=now)


_FAIL = Command(
    ReconciliationRun.update({ReconciliationRun.status: "failed", ReconciliationRun.finished_at: Param("now")}).where(
        ReconciliationRun.id == Param("id")
    )
)


async def finish(
    run_id: int,
    status: str,
    blocks: Mapping[str, NamedBlock],
    figures: Mapping[str, Mapping[str, Figure]],
    now: datetime,
) -> None:
    """Record the result of a run."""
    await _FINISH.run(
        id=run_id,
        status=status,
        now=now,
        blocks=json.dumps({key: {"height": b.height, "hash": b.hash} for key, b in blocks.items()}, sort_keys=True),
        figures=json.dumps(figures, sort_keys=True),
    )


_FINISH = Command(
    ReconciliationRun.update(
        {
            ReconciliationRun.status: Param("status"),
            ReconciliationRun.finished_at: Param("now"),
            ReconciliationRun.blocks: Param("blocks"),
            ReconciliationRun.figures: Param("figures"),
        }
    ).where(ReconciliationRun.id == Param("id"))
)


async def add_findings(run_id: int, found: Sequence[Finding]) -> None:
    """Add the findings of a run, in the given order."""
    for finding in found:
        await _ADD_FINDING.run(
            run=run_id,
            check_name=finding.check,
            is_drift=finding.is_drift,
            subject=finding.subject[:MAX_SUBJECT_CHARS],
            message=finding.message,
            figures=json.dumps(finding.figures, sort_keys=True),
        )


_ADD_FINDING = Command(insert(ReconciliationFinding))


async def watched_networks() -> list[Watched]:
    """The cursor of every network that a watcher has started on."""
    return await _WATCHED.all()


_WATCHED = Statement(select(NetworkCursor, Watched), Watched)


async def watched_network(network: str) -> Watched | None:
    """The cursor of a network; None if no watcher has started on it."""
    return await _WATCHED_ONE.first(network=network)


_WATCHED_ONE = Statement(select(NetworkCursor, Watched).where(NetworkCursor.network == Param("network")), Watched)
