"""Reading the records of runs: for the desk's page, the CLI, the metrics and the dead man's switch."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.core import database
from app.core.database import Row
from app.core.keyset import Page, Place, direction, page_of


@dataclass(frozen=True, slots=True)
class Run:
    """One run. `blocks` is height and hash by network, `figures` what each check counted.

    `progress` is what it is at while it is running; `requested_by` the operator who asked for it, if one did.
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
        """Whether nothing more will come of it."""
        return self.status not in ("requested", "running")


@dataclass(frozen=True, slots=True)
class RecordedFinding:
    """One finding of a run."""

    check: str
    is_drift: bool
    subject: str
    message: str
    figures: dict[str, Any]


async def run(run_id: int) -> Run | None:
    """One run."""
    row = await database.fetch_one(f"{_SELECT} WHERE id = $1", run_id)
    return None if row is None else _run(row)


async def runs(place: Place | None, limit: int) -> Page[Run]:
    """A page of runs by id, newest first."""
    comparison, order = direction(place)
    rows = await database.fetch_all(
        f"{_SELECT} WHERE $1::bigint IS NULL OR id {comparison} $1 ORDER BY id {order} LIMIT $2",
        place.key[0] if place else None,
        limit + 1,
    )
    return page_of(rows, limit, place, key=("id",), made=_run)


async def findings(run_id: int) -> list[RecordedFinding]:
    """Everything that a run found, drift first."""
    found = await database.fetch_all(
        """
        SELECT check_name, is_drift, subject, message, figures FROM reconciliation_findings
        WHERE run = $1 ORDER BY is_drift DESC, id
        """,
        run_id,
    )
    return [RecordedFinding(row[0], row[1], row[2], row[3], json.loads(row[4])) for row in found]


async def last_whole_run(*, full: bool = False) -> Run | None:
    """The newest run that came to an end with nothing to complain of; with `full`, the newest such full one."""
    row = await database.fetch_one(
        f"""{_SELECT} WHERE finished_at IS NOT NULL AND status = 'clean' AND ("full" OR NOT $1)
            ORDER BY id DESC LIMIT 1""",
        full,
    )
    return None if row is None else _run(row)


async def last_finished_at() -> datetime | None:
    """When a run last came to an end, whatever it found: `failed` ones don't count."""
    at: datetime | None = await database.fetch_value(
        "SELECT max(finished_at) FROM reconciliation_runs WHERE finished_at IS NOT NULL AND status <> 'failed'"
    )
    return at


_SELECT = """
    SELECT id, cause, "full", status, started_at, finished_at, blocks, figures, requested_by, progress
    FROM reconciliation_runs"""


def _run(row: Row) -> Run:
    return Run(
        row["id"],
        row["cause"],
        row["full"],
        row["status"],
        row["started_at"],
        row["finished_at"],
        json.loads(row["blocks"]),
        json.loads(row["figures"]),
        row["requested_by"],
        row["progress"],
    )
