"""Alerts as operators read them, and their acknowledgement with a note."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from app.accounts.operators import Operator
from app.alerts import service
from app.audit import service as audit
from app.core import database
from app.core.database import Row
from app.core.keyset import Page, Place, direction, page_of

Which = Literal["open", "acknowledged"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedAlert:
    """An alert with its history. `acknowledged_by` is an actor."""

    id: int
    severity: str
    kind: str
    message: str
    details: dict[str, Any]
    occurrences: int
    raised_at: datetime
    last_at: datetime
    told_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    note: str | None


async def acknowledge(alert_id: int, note: str, by: Operator, now: datetime) -> None:
    """Close an open alert with a note on what was done. Raises NOT_FOUND, INVALID_INPUT."""
    async with database.transaction():
        await service.acknowledge(alert_id, by=by.actor, note=note, now=now)
        await audit.record(
            actor=by.actor,
            action="alert.acknowledged",
            subject=f"alert {alert_id}",
            merchant_id=None,
            address=by.address,
            details={"note": note.strip()},
            now=now,
        )


async def page(which: Which, severity: str | None, place: Place | None, limit: int) -> Page[ListedAlert]:
    """A page by id, newest first."""
    comparison, order = direction(place)
    rows: Sequence[Row] = await database.fetch_all(
        f"""
        {_SELECT} WHERE (acknowledged_at IS NULL) = $1 AND ($2::text IS NULL OR severity = $2)
            AND ($3::bigint IS NULL OR id {comparison} $3)
        ORDER BY id {order} LIMIT $4
        """,
        which == "open",
        severity,
        place.key[0] if place else None,
        limit + 1,
    )
    return page_of(rows, limit, place, key=("id",), made=_alert)


async def one(alert_id: int) -> ListedAlert | None:
    """One alert."""
    row = await database.fetch_one(f"{_SELECT} WHERE id = $1", alert_id)
    return None if row is None else _alert(row)


async def earlier(alert: ListedAlert, limit: int = 5) -> list[ListedAlert]:
    """Alerts about the same matter before this one, newest first: what was done about it then."""
    rows = await database.fetch_all(
        f"""
        {_SELECT} WHERE id < $1 AND dedupe_key = (SELECT dedupe_key FROM alerts WHERE id = $1)
        ORDER BY id DESC LIMIT $2
        """,
        alert.id,
        limit,
    )
    return [_alert(row) for row in rows]


_SELECT = """
    SELECT id, severity, kind, message, details, occurrences, raised_at, last_at, told_at, acknowledged_at,
        acknowledged_by, note
    FROM alerts"""


def _alert(row: Row) -> ListedAlert:
    return ListedAlert(**{**dict(row), "details": json.loads(row["details"])})
