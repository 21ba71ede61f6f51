"""The id of a request in logs, answers and support mails: the client's own where it is well-formed."""

import re
from collections.abc import Iterable

from app.core import ids

HEADER = b"x-request-id"

_SANE = re.compile(rb"[A-Za-z0-9._-]{1,128}")


def choose(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The client's id where it is well-formed, else a new one. Anything else could forge log lines or headers."""
    for name, value in headers:
        if name == HEADER:
            return value.decode() if _SANE.fullmatch(value) else ids.new_request_id()
    return ids.new_request_id()
