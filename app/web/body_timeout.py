"""A body that doesn't arrive in time ends its request: 408 after WEB_REQUEST_TIMEOUT_S, headers and body together.

Granian limits the time for headers (WEB_HEADER_TIMEOUT_S); the time for the body is limited here.

A body that was not needed for the answer, such as one that is too large, is read to its end after the answer and
discarded. Granian would close the connection instead, and the client or the proxy, which is still sending, would
get a TCP reset in place of the answer (RFC 9112, section 9.6).
"""

import asyncio
from contextlib import suppress
from typing import Any

from app.core.errors import ApiError, Code
from app.core.settings import Settings
from app.core.time_limits import ending_at
from app.web.bodies import MAX_BODY_BYTES
from app.web.strict_http import announces_body

UPLOAD_BYTES_PER_S = 16 * 1024
"""The least speed of a body larger than the API's: slower than any mobile network that can show the page. A logo of
1 MiB, the largest upload, gets 60 s more."""

MAX_DISCARDED_BYTES = 2 * 1024 * 1024
"""The longest body that is read only to be discarded: as much as the proxies of docs/proxy.md let through. The
connection of a longer one is closed after the answer."""

DISCARD_SILENCE_S = 2.0
"""A client that sends nothing for this long after the answer will hardly continue: TCP sends a lost packet again after
about 1 s (RFC 6298, section 2)."""


class BodyTimeout:
    """The ASGI layer. It wraps every layer that answers."""

    def __init__(self, app: Any, settings: Settings) -> None:
        self._app = app
        self._timeout_s = settings.web_request_timeout_s - settings.web_header_timeout_s

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """`receive` raises REQUEST_TIMEOUT for a body that is late, or ends a stream that has begun."""
        if scope["type"] == "http" and announces_body(scope["headers"]):
            body = _TimedBody(receive, send, self._timeout_s)
            await self._app(scope, body.receive, body.send)
            await body.discard_rest()
        else:
            await self._app(scope, receive, send)


class _TimedBody:
    def __init__(self, receive: Any, send: Any, timeout_s: float) -> None:
        self._receive = receive
        self._send = send
        self._ends_at = asyncio.get_running_loop().time() + timeout_s
        self._received_bytes = 0
        self._complete = False
        self._answered = False

    async def receive(self) -> Any:
        if self._complete:
            return await self._receive()
        try:
            with ending_at(self._deadline()):
                message = await self._receive()
        except TimeoutError:
            if self._answered:
                return {"type": "http.disconnect"}
            raise ApiError(Code.REQUEST_TIMEOUT, "the body did not come in time") from None
        self._complete = message["type"] != "http.request" or not message.get("more_body", False)
        self._received_bytes += len(message.get("body", b""))
        return message

    async def send(self, message: Any) -> None:
        self._answered = True
        await self._send(message)

    async def discard_rest(self) -> None:
        """Read what still comes after the answer, within the time that the body has anyway."""
        with suppress(TimeoutError):
            while not self._complete and self._received_bytes < MAX_DISCARDED_BYTES:
                async with asyncio.timeout(DISCARD_SILENCE_S):
                    message = await self.receive()
                if message["type"] != "http.request":
                    return

    def _deadline(self) -> float:
        return self._ends_at + max(0, self._received_bytes - MAX_BODY_BYTES) / UPLOAD_BYTES_PER_S
