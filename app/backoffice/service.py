"""Operators' actions that no other service has."""

from datetime import datetime

from app.accounts.operators import Operator
from app.alerts import service as alerts
from app.audit import service as audit
from app.core import database


async def acknowledge_alert(alert_id: int, note: str, by: Operator, now: datetime) -> None:
    """Close an open alert with a note on what was done, and record it. Raises NOT_FOUND, INVALID_INPUT."""
    async with database.transaction():
        await alerts.acknowledge(alert_id, by=by.actor, note=note, now=now)
        await audit.record(
            actor=by.actor,
            action="alert.acknowledged",
            subject=f"alert {alert_id}",
            merchant_id=None,
            address=by.address,
            details={"note": note.strip()},
            now=now,
        )
