"""One line for each request. It is written without structlog, whose events cost more than many of the requests.

Lines are collected for a moment and written together. A payment link gives access, so outside the API only the
route's template is logged. A query string is never logged, since it may hold a customer's email.
"""

import asyncio
import sys
from typing import Any

import msgspec

from app.core import clock, tracing
from app.core.logging import get_logger
from app.web.client_address import Address
from app.web.headers import is_api

log = get_logger("app.access")

FLUSH_S = 0.1
"""The time for which a kill -9 can lose lines of the access log; nothing else is written this way."""

MAX_LINES = 500
"""Lines that are collected before they are written without waiting."""

_encode = msgspec.json.Encoder().encode


class AccessLog:
    """Writes access lines in the form of the other logs. `level` and `log_format` as in the settings."""

    def __init__(self, *, level: str, json: bool) -> None:
        self._enabled = level in ("DEBUG", "INFO")
        self._json = json
        self._lines: list[bytes] = []

    def write(self, scope: Any, request_id: str, address: Address, template: str, status: int, took_s: float) -> None:
        """Record one answered request. `template` is the route's, such as `/pay/{link}`."""
        if not self._enabled:
            return
        line = {
            "request_id": request_id,
            "method": scope["method"],
            "route": template,
            "status": status,
            "took_ms": round(took_s * 1000, 2),
            "address": str(address),
        }
        if is_api(scope["path"]):
            line["path"] = scope["path"]
        if (trace_id := tracing.trace_id()) is not None:
            line["trace_id"] = trace_id
        if not self._json:
            log.info("request", **line)
            return
        line |= {
            "event": "request",
            "level": "info",
            "logger": "app.access",
            "timestamp": clock.rfc3339(clock.now()),
        }
        self._lines.append(_encode(line))
        if len(self._lines) == 1:
            asyncio.get_running_loop().call_later(FLUSH_S, self.flush)
        elif len(self._lines) >= MAX_LINES:
            self.flush()

    def flush(self) -> None:
        """Write the collected lines."""
        if self._lines:
            lines, self._lines = self._lines, []
            sys.stderr.write(b"\n".join((*lines, b"")).decode())
            sys.stderr.flush()
