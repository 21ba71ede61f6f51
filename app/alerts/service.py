"""Raising alerts: written with the fact that calls for them, told to people after the commit (alerts/routing.py)."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from app.core import database
from app.core.errors import ApiError, Code, invalid
from app.core.logging import get_logger

log = get_logger(__name__)

Severity = Literal["info", "warning", "critical"]

MAX_NOTE_LENGTH = 2_000


async def raise_alert(
    *,
    severity: Severity,
    kind: str,
    dedupe_key: str,
    message: str,
    details: Mapping[str, object],
    now: datetime,
) -> None:
    """Write an alert, in the caller's transaction where there is one, and log it.

    While one with the same `dedupe_key` is open it is counted there instead. `details` must hold nothing secret.
    """
    log.log({"info": 20, "warning": 30, "critical": 50}[severity], "alert", kind=kind, message=message, **details)
    await database.execute(
        """
        INSERT INTO alerts (severity, kind, dedupe_key, message, details, occurrences, raised_at, last_at)
        VALUES ($1, $2, $3, $4, $5, 1, $6, $6)
        ON CONFLICT (dedupe_key) WHERE acknowledged_at IS NULL
        DO UPDATE SET occurrences = alerts.occurrences + 1, last_at = excluded.last_at
        """,
        severity,
        kind,
        dedupe_key,
        message,
        json.dumps(details, ensure_ascii=False, sort_keys=True, default=str),
        now,
    )


async def acknowledge(alert_id: int, *, by: str, note: str, now: datetime) -> None:
    """Close an open alert with a note on what was done, in the caller's transaction where there is one.

    `by` is `account:ACC-…` or `cli`. If the matter is not mended, the next look at it raises a new alert. Raises
    NOT_FOUND if there is no such open alert, INVALID_INPUT for a note that says nothing.
    """
    note = note.strip()
    if not note or len(note) > MAX_NOTE_LENGTH:
        raise invalid("note", f"must be 1 to {MAX_NOTE_LENGTH} characters that say what was done")
    closed = await database.execute(
        """
        UPDATE alerts SET acknowledged_at = $2, acknowledged_by = $3, note = $4
        WHERE id = $1 AND acknowledged_at IS NULL
        """,
        alert_id,
        now,
        by,
        note,
    )
    if not closed:
        raise ApiError(Code.NOT_FOUND, "alert: there is no such open alert")
