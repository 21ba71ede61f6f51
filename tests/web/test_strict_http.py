"""Which requests the layer passes and refuses, and how it joins cookies.

The same over sockets: tests/api/test_raw_requests.py.
"""

from typing import Any

import pytest

from app.core.errors import ApiError, Code
from app.web.strict_http import StrictHttp

HOST = (b"host", b"pay.example.test")
BODY = (b"content-length", b"2")


async def passed(*headers: tuple[bytes, bytes], version: str = "1.1") -> dict[str, Any]:
    """The scope as the app behind the layer gets it. Raises what the layer raises."""
    scopes: list[dict[str, Any]] = []

    async def app(scope: dict[str, Any], _: object, __: object) -> None:
        scopes.append(scope)

    scope = {"type": "http", "http_version": version, "headers": list(headers), "state": {}}
    await StrictHttp(app)(scope, None, None)
    return scopes[0]


@pytest.mark.parametrize(
    "host",
    [
        b"a",
        b"pay.example.test",
        b"pay.example.test:8000",
        b"127.0.0.1",
        b"[::1]",
        b"[2001:db8::1]:443",
        b"xn--caf-dma.fr",
    ],
)
async def test_accepted_hosts(host: bytes) -> None:
    await passed((b"host", host))


@pytest.mark.parametrize(
    "host",
    [b"", b"a b", b"a/b", b"a@b", b"a,b", b"a:b", b"[::1", b"a\x00", b"\xc3\xa4", b"a?", b"a:65536", b"[:::]", b"[1]"],
)
async def test_refused_hosts(host: bytes) -> None:
    with pytest.raises(ApiError) as refused:
        await passed((b"host", host))
    assert refused.value.code is Code.INVALID_INPUT


async def test_one_host_is_needed_except_by_http_1_0() -> None:
    with pytest.raises(ApiError):
        await passed()
    with pytest.raises(ApiError):
        await passed(HOST, HOST)
    await passed((b"host", b""), version="1")  # Granian's stand-in for a missing one


@pytest.mark.parametrize(
    "coding", [b"gzip, chunked", b"chunked, chunked", b"chunked,", b"identity", b"", b"chunked;a=b", b"\x0bchunked"]
)
async def test_only_chunked_once(coding: bytes) -> None:
    with pytest.raises(ApiError) as refused:
        await passed(HOST, (b"transfer-encoding", coding))
    assert refused.value.code is Code.INVALID_INPUT


async def test_a_chunked_body_is_the_last_of_its_connection() -> None:
    assert (await passed(HOST, (b"transfer-encoding", b"Chunked")))["state"] == {"close_connection": True}
    assert (await passed(HOST, BODY))["state"] == {}
    with pytest.raises(ApiError):
        await passed(HOST, (b"transfer-encoding", b"chunked"), (b"transfer-encoding", b"chunked"))


async def test_an_encoded_body_is_refused() -> None:
    for coding in (b"gzip", b"br", b"identity, gzip", b"x"):
        with pytest.raises(ApiError) as refused:
            await passed(HOST, BODY, (b"content-encoding", coding))
        assert refused.value.code is Code.UNSUPPORTED_MEDIA_TYPE
    await passed(HOST, BODY, (b"content-encoding", b"identity"))
    await passed(HOST, (b"content-encoding", b"gzip"))  # of no body


async def test_cookie_lines_are_joined() -> None:
    scope = await passed(HOST, (b"cookie", b"a=1"), (b"x-a", b"b"), (b"cookie", b"b=2; c=3"))
    assert scope["headers"] == [HOST, (b"x-a", b"b"), (b"cookie", b"a=1; b=2; c=3")]
