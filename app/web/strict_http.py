"""Refusal of ambiguous requests: what two servers could read differently is refused before anything acts on it.

Behind a proxy a request is parsed twice. Where both parsers disagree about its end or its host, a stranger can hide
one request inside another (request smuggling). Granian's parser answers most of that with a bare 400: folded lines,
NUL, a space before the colon, contradicting or malformed lengths, an encoding that does not end in `chunked`. This
layer refuses what it lets through, and joins `Cookie` lines, which HTTP/2 and proxies may split.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv6Address
from typing import Any

from app.core.errors import ApiError, Code, invalid

HTTP_1_0 = "1"
"""Granian's name for HTTP/1.0, the only version that may lack `Host`."""

_HOST = re.compile(r"(?:[A-Za-z0-9._-]+|\[(?P<ip>[0-9A-Fa-f:.]+)\])(?::(?P<port>[0-9]{0,5}))?")
"""A DNS name, an IPv4 address, or an IPv6 address in brackets, then perhaps a port: of what RFC 3986, section 3.2.2,
allows the part that exists."""

MAX_PORT = 65_535

_WHITE_SPACE = b" \t"
"""Of a header's value (RFC 9110, section 5.6.3); `strip()` alone would take more."""


class StrictHttp:
    """The ASGI layer. It sets `close_connection` in `scope["state"]` if no request may follow."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Raises INVALID_INPUT for an ambiguous request, UNSUPPORTED_MEDIA_TYPE for an encoded body."""
        if scope["type"] == "http":
            _check(scope)
        await self._app(scope, receive, send)


def announces_body(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether a body follows the headers (RFC 9112, section 6)."""
    return any((name == b"content-length" and value != b"0") or name == b"transfer-encoding" for name, value in headers)


def _check(scope: Any) -> None:
    headers = scope["headers"]
    hosts: list[bytes] = []
    transfer_codings: list[bytes] = []
    content_codings: list[bytes] = []
    cookies: list[bytes] = []
    wanted = {
        b"host": hosts,
        b"transfer-encoding": transfer_codings,
        b"content-encoding": content_codings,
        b"cookie": cookies,
    }
    for name, value in headers:
        if name in wanted:
            wanted[name].append(value)
    if transfer_codings:
        # Granian drops a Content-Length beside it; the connection must end then (RFC 9112, section 6.1).
        scope["state"]["close_connection"] = True
        if len(transfer_codings) > 1 or transfer_codings[0].strip(_WHITE_SPACE).lower() != b"chunked":
            raise invalid("Transfer-Encoding", "must be chunked, once")
    if (len(hosts) != 1 or not _is_host(hosts[0])) and not _may_lack_host(scope, hosts):
        scope["state"]["close_connection"] = True
        raise invalid("Host", "must be there once, with a valid name")
    if content_codings and announces_body(headers) and not _is_plain(content_codings):
        raise ApiError(Code.UNSUPPORTED_MEDIA_TYPE, "the body must not have a Content-Encoding")
    if len(cookies) > 1:
        joined = (b"cookie", b"; ".join(cookies))  # RFC 9113, section 8.2.3
        scope["headers"] = [header for header in headers if header[0] != b"cookie"] + [joined]


@lru_cache(maxsize=256)
def _is_host(value: bytes) -> bool:
    match = _HOST.fullmatch(value.decode("latin-1"))
    if match is None or int(match["port"] or 0) > MAX_PORT:
        return False
    try:
        return match["ip"] is None or bool(IPv6Address(match["ip"]))
    except ValueError:
        return False


def _may_lack_host(scope: Any, hosts: list[bytes]) -> bool:
    """Granian puts an empty `Host` where there is none."""
    return scope["http_version"] == HTTP_1_0 and hosts in ([], [b""])


def _is_plain(content_codings: list[bytes]) -> bool:
    return all(coding.strip(_WHITE_SPACE).lower() in (b"", b"identity") for coding in content_codings)
