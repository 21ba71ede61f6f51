"""The endpoints behind an invoice's own `webhook_url`: made on the way, with the same counters as any other."""

from datetime import datetime

from app.core import crypto, database, ids
from app.core.logging import get_logger
from app.core.outbound import OutboundClient
from app.core.settings import DataKeys
from app.webhooks import secrets, signing
from app.webhooks.service import check_url

log = get_logger(__name__)


class WebhookOverrides:
    """Lets invoices bring a webhook of their own."""

    def __init__(self, outbound: OutboundClient, keys: DataKeys) -> None:
        self._outbound = outbound
        self._keys = keys

    async def admit(self, merchant_id: str, mode: str, url: str, now: datetime) -> str:
        """Check a URL as that of any endpoint, and see to its implicit endpoint; the URL in canonical form.

        Raises INVALID_INPUT about `webhook_url`. Looks the name up: not to be called in a transaction.
        """
        checked = await check_url(url, self._outbound, field="webhook_url")
        await ensure_implicit_endpoint(merchant_id=merchant_id, mode=mode, url=checked, keys=self._keys, now=now)
        return checked


DESCRIPTION = "From an invoice's webhook_url"


async def ensure_implicit_endpoint(*, merchant_id: str, mode: str, url: str, keys: DataKeys, now: datetime) -> None:
    """Make sure that the merchant has an implicit endpoint for `url`. Needs no transaction.

    It signs with the secret of the merchant's oldest explicit endpoint of the mode, so that a merchant who
    verifies one verifies the other; without one, with a secret of its own that a rotation reveals.
    """
    known = await database.fetch_value(
        """
        SELECT 1 FROM webhook_endpoints
        WHERE merchant = $1 AND mode = $2 AND url = $3 AND implicit AND status <> 'deleted'
        """,
        merchant_id,
        mode,
        url,
    )
    if known:
        return
    endpoint_id = ids.new_id(ids.WEBHOOK)
    secret = await _secret_of_oldest(merchant_id, mode, keys) or signing.new_secret()
    await database.execute(
        """
        WITH made AS (
            INSERT INTO webhook_endpoints
                (id, merchant, mode, url, description, event_types, implicit, status, status_since,
                 secret_sealed, created_at)
            VALUES ($1, $2, $3, $4, $5, '{}', true, 'enabled', $7, $6, $7)
            ON CONFLICT (merchant, mode, url) WHERE implicit AND status <> 'deleted' DO NOTHING
            RETURNING id
        )
        INSERT INTO webhook_queues (endpoint, last_seq, consecutive_failures, ordered_through_seq)
        SELECT id, 0, 0, 0 FROM made
        """,
        endpoint_id,
        merchant_id,
        mode,
        url,
        DESCRIPTION,
        secrets.seal(keys, endpoint_id, secret),
        now,
    )


async def _secret_of_oldest(merchant_id: str, mode: str, keys: DataKeys) -> str | None:
    oldest = await database.fetch_one(
        """
        SELECT id, secret_sealed FROM webhook_endpoints
        WHERE merchant = $1 AND mode = $2 AND NOT implicit AND status <> 'deleted'
        ORDER BY created_at, id LIMIT 1
        """,
        merchant_id,
        mode,
    )
    if oldest is None:
        return None
    try:
        return secrets.open_sealed(keys, oldest["id"], oldest["secret_sealed"])
    except crypto.Undecryptable:
        log.error("webhook_secret_unreadable", endpoint=oldest["id"])
        return None
