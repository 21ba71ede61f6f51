"""Links to pages for customers: an id with a MAC, so that nobody can guess those of others. Each invoice has one to its
page and one to its receipt; a payment link of a merchant (app/payment_links) has one to the page that makes invoices.

A return link belongs to a deposit of an invoice, whose customer names the address that it is sent back to. Each kind
has MACs of its own, so that whoever has a receipt's link can't make the payment link from it.
"""

import base64
from functools import lru_cache

from app.core.crypto import hmac_sha256, same

MAC_BYTES = 16
"""128 bits of HMAC-SHA256: impossible to guess, and short enough to type."""

LINKS_KEPT = 10_000
"""Links that a process caches, some 3 MB. An invoice's link never changes, and each answer with the invoice has it."""

PAYMENT = b"payment-link\0"
RECEIPT = b"receipt-link\0"
RETURN = b"return-link\0"
REUSABLE = b"reusable-link\0"
"""What a MAC is for: the beginning of what it is made of."""


class PaymentLinks:
    """Makes and checks `<public url>/pay/<invoice id>.<mac>`, `/receipt/…` for receipts, and `/l/…` for payment links
    that make invoices. Another deployment's secret makes other MACs."""

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
        """The invoice that its payment link's slug names, or None if it is tampered, truncated or extended."""
        return self._named(slug, PAYMENT)

    def receipt_url(self, invoice_id: str) -> str:
        """The link of the receipt: it opens nothing else, and only once the invoice is paid."""
        return f"{self._public_url}/receipt/{self.receipt_slug(invoice_id)}"

    def receipt_slug(self, invoice_id: str) -> str:
        """The last part of the receipt's link, `<invoice id>.<mac>` with another MAC than the payment link's."""
        return f"{invoice_id}.{self._mac(invoice_id, RECEIPT)}"

    def receipt_invoice_id(self, slug: str) -> str | None:
        """The invoice that a receipt's slug names, or None if it is tampered, or a payment link's."""
        return self._named(slug, RECEIPT)

    def link_url(self, link_id: str) -> str:
        """The page of a payment link, which makes an invoice for everybody who wants to pay."""
        return f"{self._public_url}/l/{self.link_slug(link_id)}"

    def link_slug(self, link_id: str) -> str:
        """That address' last part, `<link id>.<mac>`."""
        return f"{link_id}.{self._mac(link_id, REUSABLE)}"

    def link_id(self, slug: str) -> str | None:
        """The payment link that a slug names, or None if it is tampered, truncated or extended."""
        return self._named(slug, REUSABLE)

    def _named(self, slug: str, purpose: bytes) -> str | None:
        named, _, mac = slug.partition(".")
        return named if same(mac.encode(), self._mac(named, purpose).encode()) else None

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
        return f"{invoice_id}.{self._mac(invoice_id, PAYMENT)}"

    def _return_mac(self, invoice_id: str, deposit_id: str) -> str:
        return self._mac(f"{invoice_id}\0{deposit_id}", RETURN)

    def _mac(self, id: str, purpose: bytes) -> str:
        digest = hmac_sha256(self._secret, purpose + id.encode())
        return base64.urlsafe_b64encode(digest[:MAC_BYTES]).decode().rstrip("=")
