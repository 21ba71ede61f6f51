"""Writing the audit log."""

import json
from collections.abc import Mapping
from datetime import datetime

from app.core import database


async def record(
    *,
    actor: str,
    action: str,
    subject: str,
    merchant_id: str | None,
    address: str | None,
    details: Mapping[str, object],
    now: datetime,
) -> None:
    """Write down a deed, in the caller's transaction where there is one.

    `actor` is `account:ACC-…`, `api_key:…`, `cli` or `system`; `address` is the client's. `details` must hold
    nothing secret.
    """
    await database.execute(
        """
        INSERT INTO audit_entries (at, actor, action, subject, merchant_id, address, details)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        """,
        now,
        actor,
        action,
        subject,
        merchant_id,
        address,
        json.dumps(details, ensure_ascii=False, sort_keys=True),
    )
