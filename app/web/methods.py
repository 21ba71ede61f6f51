"""HEAD, OPTIONS and `Allow`, the same for every route: pages, API, static files and health checks.

Litestar answers HEAD with 405 unless a route declares it. Here a HEAD request runs the route's GET; its status and
headers go out as they are, and its body does not (RFC 9110, section 9.3.2). So a route declares only GET.

No route declares OPTIONS either, so Litestar answers 405 with the methods that there are. For the API that is all:
nobody calls it from a browser. Of any other path it is what OPTIONS asks for, and is sent as 204 (section 9.3.7).
"""

from typing import Any

from app.web.headers import is_api

STATUSES_WITH_ALLOW = (204, 405)
"""Of answers to OPTIONS, and to methods that a route does not have."""

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
        elif scope["type"] == "http" and scope["method"] == "OPTIONS" and not is_api(scope["path"]):
            await self._answer_options(scope, receive, send)
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

    async def _answer_options(self, scope: Any, receive: Any, send: Any) -> None:
        """Say which methods the path has. What is no path of ours is answered as for any other method."""
        has_methods = False

        async def send_allow(message: Any) -> None:
            nonlocal has_methods
            if message["type"] == "http.response.start" and message["status"] == 405:
                has_methods = True
                allow = [header for header in message["headers"] if header[0].lower() == b"allow"]
                await send({"type": "http.response.start", "status": 204, "headers": allow})
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            elif not has_methods:
                await send(message)

        await self._app(scope, receive, send_allow)


def is_head(scope: Any) -> bool:
    """Whether a GET that runs now answers a HEAD: its body is not sent, so nothing that is shown once is used up."""
    return bool(scope.get(HEAD_ONLY)) or scope["method"] == "HEAD"


def with_all_allowed(path: str, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The headers of an answer with one of STATUSES_WITH_ALLOW, with the methods that no route declares."""
    undeclared = set() if is_api(path) else {b"OPTIONS"}
    return [(name, _allow(value, undeclared) if name.lower() == b"allow" else value) for name, value in headers]


def _allow(value: bytes, undeclared: set[bytes]) -> bytes:
    methods = {method.strip() for method in value.split(b",") if method.strip()} | undeclared
    return b", ".join(sorted(methods | ({b"HEAD"} if b"GET" in methods else set())))
