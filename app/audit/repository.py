"""The statement that writes `audit_entries`. They are read by the activity logs of reports and backoffice."""

from datetime import datetime

from app.audit.tables import AuditEntry
from app.core.statement import Command, insert


async def add(
    *,
    at: datetime,
    actor: str,
    action: str,
    subject: str,
    merchant_id: str | None,
    address: str | None,
    details: str,
) -> None:
    """Add an entry. `details` is JSON."""
    await _ADD.run(
        at=at,
        actor=actor,
        action=action,
        subject=subject,
        merchant_id=merchant_id,
        address=address,
        details=details,
    )


_ADD = Command(insert(AuditEntry))
