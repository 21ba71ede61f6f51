"""Writing the audit log."""

import json
from collections.abc import Mapping
from datetime import datetime

from app.audit import repository
from app.live import notices, topics


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
    """Record an action in the audit log, in the caller's transaction where there is one.

    `actor` is `account:ACC-…`, `api_key:…`, `cli` or `system`; `address` is the client's. `details` must contain
    no secret.
    """
    await repository.add(
        at=now,
        actor=actor,
        action=action,
        subject=subject,
        merchant_id=merchant_id,
        address=address,
        details=json.dumps(details, ensure_ascii=False, sort_keys=True),
    )
    await notices.changed(*topics.of_deed(action, subject, merchant_id))
