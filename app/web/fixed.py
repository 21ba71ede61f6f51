"""A public answer that is the same for everybody until the next start, with an ETag."""

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from litestar import Request, Response

MAX_AGE_S = 300
"""How long clients may cache it: they see an upgrade within minutes."""


class Fixed:
    """The answer. Its content is made at the first request, in a thread, and kept. `headers` are added to it."""

    def __init__(self, media_type: str, make: Callable[[], bytes], headers: Mapping[str, str] | None = None) -> None:
        self._media_type = media_type
        self._make = make
        self._content: bytes | None = None
        self._own = headers or {}
        self._headers: dict[str, str] = {}

    async def answer(self, request: Request[Any, Any, Any]) -> Response[bytes]:
        """The content, or 304 if the client has it already."""
        if self._content is None:
            content = await asyncio.to_thread(self._make)
            etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
            self._headers = {"ETag": etag, "Cache-Control": f"public, max-age={MAX_AGE_S}", **self._own}
            self._content = content
        if self._headers["ETag"] in request.headers.get("If-None-Match", ""):
            return Response(b"", status_code=304, headers=self._headers, media_type=self._media_type)
        return Response(self._content, headers=self._headers, media_type=self._media_type)
