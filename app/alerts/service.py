"""Raising alerts: written in the transaction of their cause, sent after the commit (alerts/routing.py)."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from app.alerts import repository
from app.core.errors import ApiError, Code, invalid
from app.core.logging import get_logger
from app.live import notices, topics

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

    If one with the same `dedupe_key` is open, its occurrences are counted instead. `details` must hold nothing secret.
    """
    log.log({"info": 20, "warning": 30, "critical": 50}[severity], "alert", kind=kind, message=message, **details)
    await repository.count_or_add(
        severity=severity,
        kind=kind,
        dedupe_key=dedupe_key,
        message=message,
        details=json.dumps(details, ensure_ascii=False, sort_keys=True, default=str),
        now=now,
    )
    await notices.changed(*topics.of_alert())


async def acknowledge(alert_id: int, *, by: str, note: str, now: datetime) -> None:
    """Close an open alert with a note on what was done, in the caller's transaction where there is one.

    `by` is `account:ACC-…` or `cli`. If the cause is not fixed, the next check raises a new alert. Raises
    NOT_FOUND if there is no such open alert, INVALID_INPUT for an empty or too long note.
    """
    if not await repository.acknowledge(alert_id, by=by, note=stated_note(note), now=now):
        raise ApiError(Code.NOT_FOUND, "alert: there is no such open alert")


def stated_note(note: str) -> str:
    """A note as it is stored. Raises INVALID_INPUT for an empty or too long one."""
    note = note.strip()
    if not note or len(note) > MAX_NOTE_LENGTH:
        raise invalid("note", f"must be 1 to {MAX_NOTE_LENGTH} characters that say what was done")
    return note
