"""The implicit endpoints of invoices' own `webhook_url`: created when needed, with the same counters as any other."""

from datetime import datetime

from app.core import crypto, ids
from app.core.logging import get_logger
from app.core.outbound import OutboundClient
from app.core.settings import DataKeys
from app.webhooks import endpoints_repository, secrets, signing
from app.webhooks.service import check_url

log = get_logger(__name__)


class WebhookOverrides:
    """Checks the webhook URL of an invoice and creates its endpoint."""

    def __init__(self, outbound: OutboundClient, keys: DataKeys) -> None:
        self._outbound = outbound
        self._keys = keys

    async def admit(self, merchant_id: str, mode: str, url: str, now: datetime) -> str:
        """Check a URL like that of any endpoint, create its implicit endpoint, and return the URL in canonical form.

        Raises INVALID_INPUT about `webhook_url`. Resolves the name: not to be called in a transaction.
        """
        checked = await check_url(url, self._outbound, field="webhook_url")
        await ensure_implicit_endpoint(merchant_id=merchant_id, mode=mode, url=checked, keys=self._keys, now=now)
        return checked


DESCRIPTION = "From an invoice's webhook_url"


async def ensure_implicit_endpoint(*, merchant_id: str, mode: str, url: str, keys: DataKeys, now: datetime) -> None:
    """Make sure that the merchant has an implicit endpoint for `url`. Needs no transaction.

    It gets the secret of the merchant's oldest explicit endpoint of the mode, so that one secret verifies both.
    Where there is none it gets a new secret, which the merchant gets by a rotation.
    """
    if await endpoints_repository.has_implicit(merchant_id, mode, url):
        return
    endpoint_id = ids.new_id(ids.WEBHOOK)
    secret = await _secret_of_oldest(merchant_id, mode, keys) or signing.new_secret()
    await endpoints_repository.add_implicit(
        endpoint_id=endpoint_id,
        merchant_id=merchant_id,
        mode=mode,
        url=url,
        description=DESCRIPTION,
        secret_sealed=secrets.seal(keys, endpoint_id, secret),
        now=now,
    )


async def _secret_of_oldest(merchant_id: str, mode: str, keys: DataKeys) -> str | None:
    oldest = await endpoints_repository.oldest_secret(merchant_id, mode)
    if oldest is None:
        return None
    try:
        return secrets.open_sealed(keys, oldest.id, oldest.secret_sealed)
    except crypto.Undecryptable:
        log.error("webhook_secret_unreadable", endpoint=oldest.id)
        return None
