"""URLs on the merchant's site to which a customer goes after paying, or after an invoice has ended."""

from urllib.parse import urlsplit

from app.core.errors import invalid
from app.merchants.terms import Mode

MAX_URL_LENGTH = 2_048
"""Contract, section 3."""


LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def check_return_url(field: str, url: str | None, *, mode: Mode = "live") -> None:
    """Raise INVALID_INPUT unless it is an absolute https URL that browsers parse as we do.

    In test mode http will do for a shop on the customer's own machine: whoever develops one has no certificate.
    """
    if url is None:
        return
    try:
        parts = urlsplit(url)
        port_readable = parts.port is None or parts.port > 0
    except ValueError:
        raise invalid(field, "is not a URL") from None
    is_at_home = mode == "test" and parts.scheme == "http" and parts.hostname in LOOPBACK
    if not (parts.scheme == "https" or is_at_home) or not parts.hostname or not port_readable:
        raise invalid(field, "must be an absolute https:// URL")
    if "@" in parts.netloc:
        raise invalid(field, "must not hold user info")
    if not url.isprintable() or any(character in url for character in ' \\"<>'):
        raise invalid(field, "holds characters that must be percent-encoded")
