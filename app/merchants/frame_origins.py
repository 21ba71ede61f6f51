"""Whose pages may show a merchant's checkout pages in a frame: exact origins (RFC 6454), none unless the merchant lists
some.

They go into a header (`frame-ancestors`, CSP level 3), so only characters are taken that mean nothing else there.
"""

import re
from collections.abc import Iterable, Sequence

from app.core.errors import invalid

MAX_ORIGINS = 10

MAX_CHARS = 270
"""`https://`, a name of 253 characters (RFC 1035, section 2.3.4), and a port."""

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_ORIGIN = re.compile(rf"(https?)://({_LABEL}(?:\.{_LABEL})*)(?::([1-9][0-9]{{0,4}}))?", re.ASCII)
_ON_THIS_MACHINE = frozenset({"localhost", "127.0.0.1"})
_DEFAULT_PORTS = {"https": "443", "http": "80"}


def checked(origins: Iterable[str]) -> tuple[str, ...]:
    """The origins as browsers write them, each once. Raises INVALID_INPUT for one that is not exact or not https;
    http is for a developer's own machine alone."""
    found = tuple(dict.fromkeys(_checked(origin) for origin in origins))
    if len(found) > MAX_ORIGINS:
        raise invalid("frame_origins", f"must be at most {MAX_ORIGINS}")
    return found


def allowed(origins: Sequence[str], mode: str) -> tuple[str, ...]:
    """Those that may frame the page of an invoice of this mode: in live mode https alone."""
    return tuple(origin for origin in origins if mode == "test" or origin.startswith("https://"))


def _checked(text: str) -> str:
    origin = text.strip().lower().removesuffix("/")
    parts = _ORIGIN.fullmatch(origin)
    if parts is None or len(origin) > MAX_CHARS:
        raise invalid(
            "frame_origins", f"must be origins such as https://shop.example, which {text.strip()[:100]} is not"
        )
    scheme, host, port = parts.groups()
    if scheme == "http" and host not in _ON_THIS_MACHINE:
        raise invalid("frame_origins", f"must begin with https://, which {origin[:100]} does not")
    if port is not None and int(port) > 65_535:
        raise invalid("frame_origins", f"must have possible ports, which {origin[:100]} has not")
    return f"{scheme}://{host}" if port in (None, _DEFAULT_PORTS[scheme]) else origin
