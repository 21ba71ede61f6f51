"""Webhook endpoints, inserted as rows without a look-up of their URLs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from app.core import database, ids
from app.core.settings import DataKeys
from app.webhooks import secrets, signing


@dataclass(frozen=True, slots=True)
class MadeEndpoint:
    """An endpoint and the secret that its owner was shown."""

    id: str
    url: str
    secret: str


async def make_endpoint(
    *,
    merchant_id: str,
    mode: str,
    url: str,
    keys: DataKeys,
    now: datetime,
    event_types: Sequence[str] = (),
    status: str = "enabled",
) -> MadeEndpoint:
    """An explicit endpoint that has had no delivery yet."""
    endpoint_id = ids.new_id(ids.WEBHOOK)
    secret = signing.new_secret()
    await database.execute(
        """
        INSERT INTO webhook_endpoints (id, merchant, mode, url, description, event_types, implicit, status,
            status_since, secret_sealed, created_at)
        VALUES ($1, $2, $3, $4, '', $5, false, $6, $7, $8, $7)
        """,
        endpoint_id,
        merchant_id,
        mode,
        url,
        list(event_types),
        status,
        now,
        secrets.seal(keys, endpoint_id, secret),
    )
    await database.execute(
        """
        INSERT INTO webhook_queues (endpoint, last_seq, consecutive_failures, ordered_through_seq)
        VALUES ($1, 0, 0, 0)
        """,
        endpoint_id,
    )
    return MadeEndpoint(endpoint_id, url, secret)
