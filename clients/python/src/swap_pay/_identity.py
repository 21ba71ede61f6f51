"""Who calls whom: the gateway's address, the key, and the name of this library."""

from __future__ import annotations

import platform
from urllib.parse import urlsplit

__version__ = "0.1.0"


def checked_url(url: str | None) -> str:
    """The gateway's address without a slash at its end. Raises ValueError."""
    if not url:
        raise ValueError("the gateway's address is missing: give base_url, or set SWAP_PAY_URL")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url!r} is no address such as https://pay.example.com")
    return url.rstrip("/")


def headers(api_key: str | None) -> dict[str, str]:
    """The headers of every request. Raises ValueError."""
    if not api_key:
        raise ValueError("the API key is missing: give api_key, or set SWAP_PAY_KEY")
    if not (api_key.isascii() and api_key.isprintable()) or " " in api_key:
        raise ValueError("the API key has characters that no key has")
    return {
        "Accept": "application/json",
        "Authorization": f"Bearer {api_key}",
        "User-Agent": f"swap-pay-python/{__version__} Python/{platform.python_version()}",
    }
