"""HEAD and `Allow`, the same for every route: pages, API, static files and health checks.

Litestar answers HEAD with 405 unless a route declares it. Here a HEAD request runs the route's GET; its status and
headers go out as they are, and its body does not (RFC 9110, section 9.3.2). So a route declares only GET.
"""

from typing import Any

STATUSES_WITH_ALLOW = (204, 405)
"""Of Litestar's answers to OPTIONS, and of methods that a route does not have."""

HEAD_ONLY = "swap_pay.head_only"
"""Set in the scope of a GET that answers a HEAD."""


class Methods:
    """Wraps the Litestar app, inside the edge."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """One connection. `scope["method"]` is unchanged afterwards."""
        if scope["type"] == "http" and scope["method"] == "HEAD":
            await self._answer_head(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _answer_head(self, scope: Any, receive: Any, send: Any) -> None:
        """Run GET and end the answer after its headers. A stream is then ended as if its client had disconnected."""
        answered = False

        async def send_headers(message: Any) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = True
                await send(message)
                await send({"type": "http.response.body", "body": b"", "more_body": False})

        async def receive_until_answered() -> Any:
            return {"type": "http.disconnect"} if answered else await receive()

        scope["method"] = "GET"
        scope[HEAD_ONLY] = True
        try:
            await self._app(scope, receive_until_answered, send_headers)
        finally:
            scope["method"] = "HEAD"


def is_head(scope: Any) -> bool:
    """Whether a GET that runs now answers a HEAD: its body is not sent, so nothing that is shown once is used up."""
    return bool(scope.get(HEAD_ONLY)) or scope["method"] == "HEAD"


def allowing_head(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The headers of an answer with one of STATUSES_WITH_ALLOW: whoever may GET may HEAD."""
    return [_with_head(header) for header in headers]


def _with_head(header: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    name, value = header
    if name.lower() != b"allow":
        return header
    methods = {method.strip() for method in value.split(b",") if method.strip()}
    return name, b", ".join(sorted(methods | ({b"HEAD"} if b"GET" in methods else set())))
