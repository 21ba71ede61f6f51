"""What the gateway says of calls that will go one day, written to the log `swap_pay` once each."""

from __future__ import annotations

import logging
from collections.abc import Mapping

log = logging.getLogger("swap_pay")

MAX_KNOWN = 1_000
"""Of how many calls a process remembers that it has told."""

_told: set[str] = set()


def tell(method: str, path: str, headers: Mapping[str, str]) -> None:
    """Log that an answer has said its request to be deprecated: `Deprecation`, `Sunset` and `Link` (RFC 9745, 8594)."""
    if "Deprecation" not in headers:
        return
    about, end = headers.get("Link", ""), headers.get("Sunset", "a time that is not set yet")
    if (about or path) in _told or len(_told) >= MAX_KNOWN:
        return
    _told.add(about or path)
    log.warning("%s %s uses something that is deprecated and goes at %s: %s", method, path, end, about)
