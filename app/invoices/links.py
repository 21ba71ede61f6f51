"""Payment links: an invoice's id with a MAC, so that nobody can guess the links of other invoices."""

import base64
from functools import lru_cache

from app.core.crypto import hmac_sha256, same

MAC_BYTES = 16
"""128 bits of HMAC-SHA256: impossible to guess, and short enough to type."""

LINKS_KEPT = 10_000
"""Links that a process caches, some 3 MB. An invoice's link never changes, and each answer with the invoice has it."""


class PaymentLinks:
    """Makes and checks `<public url>/pay/<invoice id>.<mac>`. Another deployment's secret makes other MACs."""

    def __init__(self, public_url: str, secret: bytes) -> None:
        self._public_url = public_url
        self._secret = secret
        self._shown = lru_cache(maxsize=LINKS_KEPT)(self._slug)

    def url(self, invoice_id: str) -> str:
        """The link to send to the customer."""
        return f"{self._public_url}/pay/{self.slug(invoice_id)}"

    def slug(self, invoice_id: str) -> str:
        """The link's last part, `<invoice id>.<mac>`."""
        return self._shown(invoice_id)

    def invoice_id(self, slug: str) -> str | None:
        """The invoice that a slug names, or None if it is tampered, truncated or extended."""
        invoice_id, _, mac = slug.partition(".")
        return invoice_id if same(mac.encode(), self._mac(invoice_id).encode()) else None

    def _slug(self, invoice_id: str) -> str:
        return f"{invoice_id}.{self._mac(invoice_id)}"

    def _mac(self, invoice_id: str) -> str:
        digest = hmac_sha256(self._secret, b"payment-link\0" + invoice_id.encode())
        return base64.urlsafe_b64encode(digest[:MAC_BYTES]).decode().rstrip("=")
