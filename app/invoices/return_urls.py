"""URLs on the merchant's site to which a customer goes after paying, or after an invoice has ended."""

from urllib.parse import SplitResult, urlsplit

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
    may_be_http = mode == "test" and is_at_home(parts)
    if not (parts.scheme == "https" or may_be_http) or not parts.hostname or not port_readable:
        raise invalid(field, "must be an absolute https:// URL")
    if "@" in parts.netloc:
        raise invalid(field, "must not hold user info")
    if not url.isprintable() or any(character in url for character in ' \\"<>'):
        raise invalid(field, "holds characters that must be percent-encoded")


def is_at_home(parts: SplitResult) -> bool:
    """Whether a URL leads to the machine of whoever opens it, by http."""
    return parts.scheme == "http" and parts.hostname in LOOPBACK
