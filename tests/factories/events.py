"""Events for tests, recorded as services record them."""

import json
import uuid
from datetime import datetime

from app.core import database, ids
from app.events import service
from app.events.service import Mode


async def record_event(
    *,
    merchant_id: str,
    mode: Mode,
    type: str,
    now: datetime,
    override_url: str | None = None,
    data: dict[str, object] | None = None,
) -> uuid.UUID:
    """One committed event, not yet numbered; its id."""
    invoice_id = ids.new_id(ids.INVOICE)
    async with database.transaction():
        return await service.record(
            merchant_id=merchant_id,
            mode=mode,
            type=type,
            subject_id=invoice_id,
            data=json.dumps(data or {"invoice_id": invoice_id, "note": "grüße 💶"}, ensure_ascii=False).encode(),
            override_url=override_url,
            now=now,
        )
