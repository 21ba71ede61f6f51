"""A body that doesn't arrive in time ends its request: 408 after WEB_REQUEST_TIMEOUT_S, headers and body together.

Granian limits the time for headers (WEB_HEADER_TIMEOUT_S) and closes the connection of an answer whose body was not
read to its end. The time for the body is limited here.
"""

import asyncio
from typing import Any

from app.core.errors import ApiError, Code
from app.core.settings import Settings
from app.web.bodies import MAX_BODY_BYTES
from app.web.strict_http import announces_body

UPLOAD_BYTES_PER_S = 16 * 1024
"""The least speed of a body larger than the API's: slower than any mobile network that can show the page. A logo of
1 MiB, the largest upload, gets 60 s more."""


class BodyTimeout:
    """The ASGI layer."""

    def __init__(self, app: Any, settings: Settings) -> None:
        self._app = app
        self._timeout_s = settings.web_request_timeout_s - settings.web_header_timeout_s

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """`receive` raises REQUEST_TIMEOUT for a body that is late, or ends a stream that has begun."""
        if scope["type"] == "http" and announces_body(scope["headers"]):
            body = _TimedBody(receive, send, self._timeout_s)
            receive, send = body.receive, body.send
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
            async with asyncio.timeout_at(self._deadline()):
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

    def _deadline(self) -> float:
        return self._ends_at + max(0, self._received_bytes - MAX_BODY_BYTES) / UPLOAD_BYTES_PER_S
