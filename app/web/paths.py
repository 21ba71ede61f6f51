"""The spelling of API paths. Litestar removes a slash at the end and double slashes: without this check a signature, a
cache or a proxy's rule for one path would not cover other spellings that we serve as the same path."""

import re
from typing import Any

from app.web.headers import is_api

_SLASHES = re.compile("/{2,}")


def has_one_spelling(scope: Any) -> bool:
    """Whether a request's path is spelled in the one way that its route allows.

    An API path has no slash at its end, no two slashes in a row and no encoded slash (`%2F`). Pages always pass.
    """
    path: str = scope["path"]
    if "//" in path:
        return not is_api(_SLASHES.sub("/", path))
    if not is_api(path):
        return True
    encoded: bytes = scope.get("raw_path") or b""
    return not path.endswith("/") and b"%2f" not in encoded.lower()
