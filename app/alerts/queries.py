"""Reading alerts: for the desk's page, the CLI and the metrics."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.core import database
from app.core.database import Row


@dataclass(frozen=True, slots=True)
class OpenAlert:
    """An alert that nobody has acknowledged."""

    id: int
    severity: str
    kind: str
    message: str
    details: dict[str, Any]
    occurrences: int
    raised_at: datetime
    last_at: datetime


async def open_alerts(limit: int = 100) -> list[OpenAlert]:
    """The open alerts, critical ones first, each kind newest first."""
    rows = await database.fetch_all(
        """
        SELECT id, severity, kind, message, details, occurrences, raised_at, last_at FROM alerts
        WHERE acknowledged_at IS NULL
        ORDER BY array_position(ARRAY['critical', 'warning', 'info'], severity::text), raised_at DESC LIMIT $1
        """,
        limit,
    )
    return [_open_alert(row) for row in rows]


async def open_counts() -> list[tuple[str, str, int]]:
    """How many are open, by (severity, kind)."""
    rows = await database.fetch_all(
        """
        SELECT severity, kind, count(*) AS open FROM alerts WHERE acknowledged_at IS NULL
        GROUP BY severity, kind ORDER BY severity, kind
        """
    )
    return [(row["severity"], row["kind"], row["open"]) for row in rows]


def _open_alert(row: Row) -> OpenAlert:
    return OpenAlert(
        row["id"],
        row["severity"],
        row["kind"],
        row["message"],
        json.loads(row["details"]),
        row["occurrences"],
        row["raised_at"],
        row["last_at"],
    )
