"""Payment links: an invoice's id with a MAC, so that nobody can guess the links of other invoices. Return links: the
same for a deposit of the invoice, whose customer names the address that it is sent back to."""

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

    def return_url(self, invoice_id: str, deposit_id: str) -> str:
        """The link to the page that asks where a deposit of the invoice should be sent back to."""
        return f"{self.url(invoice_id)}/return/{self.return_slug(invoice_id, deposit_id)}"

    def return_slug(self, invoice_id: str, deposit_id: str) -> str:
        """That link's last part, `<deposit id>.<mac>`; it is good together with its invoice's slug only."""
        return f"{deposit_id}.{self._return_mac(invoice_id, deposit_id)}"

    def deposit_id(self, invoice_id: str, slug: str) -> str | None:
        """The deposit that a return link's last part names, or None if it was not made for this invoice."""
        deposit_id, _, mac = slug.partition(".")
        return deposit_id if same(mac.encode(), self._return_mac(invoice_id, deposit_id).encode()) else None

    def _slug(self, invoice_id: str) -> str:
        return f"{invoice_id}.{self._mac(invoice_id)}"

    def _mac(self, invoice_id: str) -> str:
        return self._signed(b"payment-link\0" + invoice_id.encode())

    def _return_mac(self, invoice_id: str, deposit_id: str) -> str:
        return self._signed(b"return-link\0" + invoice_id.encode() + b"\0" + deposit_id.encode())

    def _signed(self, text: bytes) -> str:
        digest = hmac_sha256(self._secret, text)
        return base64.urlsafe_b64encode(digest[:MAC_BYTES]).decode().rstrip("=")
