"""Pages that are loaded often: straight from their route to their handler, and from there to the client.

Litestar finds the route, and answers what is raised. What it does besides for each request (extractors, a model of the
handler's signature, a response that is made of a response, a layer for compression) costs as much as making a page of
parts that are kept.
"""

import gzip
from collections.abc import Mapping
from typing import Any

from litestar import Request

from app.web.languages import Language
from app.web.pages import COMPRESSED_FROM_BYTES, GZIP_LEVEL, Part


def straight(app: Any) -> Any:  # not called: the handler is called itself
    """Middleware of a route for GET, the innermost: calls the handler with `request` and the parameters of the path,
    which are texts. It returns an ASGI application, such as `Html`."""

    async def call(scope: Any, receive: Any, send: Any) -> None:
        request: Request[Any, Any, Any] = Request(scope, receive, send)
        answer = await scope["route_handler"].fn(request=request, **scope["path_params"])
        await answer(scope, receive, send)

    return call


class Html:
    """A page, or a part of one, as an answer. It is compressed for clients that take gzip, so it must hold no secret
    beside what a stranger may choose (BREACH)."""

    __slots__ = ("_body", "_headers", "_language")

    def __init__(self, body: Part, language: Language, headers: Mapping[str, str] | None = None) -> None:
        self._body = body
        self._language = language
        self._headers = headers or {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Send it."""
        body: bytes = self._body
        headers = [
            (b"content-type", b"text/html; charset=utf-8"),
            (b"content-language", self._language.code.encode()),
            *[(name.lower().encode(), value.encode()) for name, value in self._headers.items()],
        ]
        if len(body) >= COMPRESSED_FROM_BYTES and _takes_gzip(scope["headers"]):
            body = gzip.compress(body, GZIP_LEVEL, mtime=0)
            headers += [(b"content-encoding", b"gzip"), (b"vary", b"Accept-Encoding")]
        headers.append((b"content-length", b"%d" % len(body)))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})


def _takes_gzip(headers: Any) -> bool:
    return any(name == b"accept-encoding" and b"gzip" in value for name, value in headers)
