"""A public answer that is the same for everybody until the next start, with an ETag."""

import hashlib
from collections.abc import Callable
from functools import cached_property
from typing import Any

from litestar import Request, Response

MAX_AGE_S = 300
"""How long clients may cache it: they see an upgrade within minutes."""


class Fixed:
    """The answer. Its content is made at the first request."""

    def __init__(self, media_type: str, make: Callable[[], bytes]) -> None:
        self._media_type = media_type
        self._make = make

    def answer(self, request: Request[Any, Any, Any]) -> Response[bytes]:
        """The content, or 304 if the client has it already."""
        known = request.headers.get("If-None-Match", "")
        if self._headers["ETag"] in known:
            return Response(b"", status_code=304, headers=self._headers, media_type=self._media_type)
        return Response(self._content, headers=self._headers, media_type=self._media_type)

    @cached_property
    def _content(self) -> bytes:
        return self._make()

    @cached_property
    def _headers(self) -> dict[str, str]:
        etag = f'"{hashlib.sha256(self._content).hexdigest()[:32]}"'
        return {"ETag": etag, "Cache-Control": f"public, max-age={MAX_AGE_S}"}
