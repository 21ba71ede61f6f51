"""GET from a source: no redirects, no proxies, no compression, a limit on the size, strict JSON."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from functools import cache, lru_cache
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

import httpx
import msgspec

from app.core.connecting import KEEPALIVE
from app.core.outbound import build_ssl_context
from app.core.outbound.outcome import parse_retry_after
from app.rates.sources.port import Answer, Quoted, SourceFailed

CONNECT_TIMEOUT_S = 3
REQUEST_TIMEOUT_S = 4
"""From the first byte sent to the last one read: one market that hangs leaves time for the others."""

MAX_ANSWER_BYTES = 8 * 2**20
"""Lists of all markets have about one megabyte."""

KEPT_OPEN_S = 60
CONNECTIONS = 8
TOO_MANY = frozenset({418, 429})
"""Statuses of a limit that was reached; 418 is what some exchanges answer to who goes on after 429."""

REST_AFTER_LIMIT_S = 60
"""How long a source rests that says there were too many requests, and not for how long."""

Allowed = Callable[[], Awaitable[bool]]
"""Whether one more request may be sent to the source now. Counts it."""

T = TypeVar("T")


class OverOwnLimit(SourceFailed):
    """We have sent as many requests in this minute as we may: the source did not fail."""


class NotThere(SourceFailed):
    """The source does not know what was asked for."""


class NotDecoded(SourceFailed):
    """The answer is not of the form that the source documents."""


class SourceHttp:
    """The HTTP server of one source."""

    def __init__(self, base_url: str, allowed: Allowed) -> None:
        self._base = base_url.rstrip("/")
        self._host = urlsplit(base_url).hostname or ""
        self._allowed = allowed
        self._transport: httpx.AsyncHTTPTransport | None = None

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> bytes:
        """The body of a 200. Raises SourceFailed for anything else, OverOwnLimit where it was not sent."""
        if not await self._allowed():
            raise OverOwnLimit("we have reached our own limit of requests in a minute")
        url = httpx.URL(self._base + path, params=dict(query) if query else None)
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                try:
                    return await self._once(url)
                except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
                    # A kept connection that the server had just closed; a new one shows whether it is down.
                    return await self._once(url)
        except (TimeoutError, httpx.TimeoutException):
            raise SourceFailed(f"{self._host}: no answer in time") from None
        except (httpx.HTTPError, ssl.SSLError, OSError) as error:
            raise SourceFailed(f"{self._host}: {type(error).__name__}") from None

    async def aclose(self) -> None:
        """Close the connections."""
        if self._transport is not None:
            await self._transport.aclose()
            self._transport = None

    async def _once(self, url: "httpx.URL") -> bytes:
        if self._transport is None:
            self._transport = httpx.AsyncHTTPTransport(
                verify=_tls_context(),
                trust_env=False,
                limits=httpx.Limits(max_connections=CONNECTIONS, keepalive_expiry=KEPT_OPEN_S),
                socket_options=KEEPALIVE,
            )
        headers = {"Accept-Encoding": "identity", "User-Agent": "Swap-Pay-Rates/1"}
        timeout = httpx.Timeout(REQUEST_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
        request = httpx.Request("GET", url, headers=headers, extensions={"timeout": timeout.as_dict()})
        response = await self._transport.handle_async_request(request)
        try:
            if response.status_code != 200:
                raise self._refusal(response)
            if response.headers.get("content-encoding", "identity") != "identity":
                raise SourceFailed(f"{self._host}: a compressed answer, which was not asked for")
            body = bytearray()
            async for part in response.aiter_raw():
                body += part
                if len(body) > MAX_ANSWER_BYTES:
                    raise SourceFailed(f"{self._host}: an answer of more than {MAX_ANSWER_BYTES} bytes")
            return bytes(body)
        finally:
            await response.aclose()

    def _refusal(self, response: "httpx.Response") -> SourceFailed:
        status, wanted_s = response.status_code, parse_retry_after(response.headers.get("retry-after", ""))
        if status in TOO_MANY:
            return SourceFailed(f"{self._host}: too many requests (HTTP {status})", wanted_s or REST_AFTER_LIMIT_S)
        if status == 404:
            return NotThere(f"{self._host}: HTTP status 404", wanted_s)
        redirect = ", and redirects are not followed" if 300 <= status < 400 else ""
        return SourceFailed(f"{self._host}: HTTP status {status}{redirect}", wanted_s)


def decoded(body: bytes, kind: type[T], what: str) -> T:
    """JSON as a type. Numbers of JSON become Decimal where the type says so, digit by digit. Raises NotDecoded."""
    try:
        return cast("T", _decoder(cast("Any", kind)).decode(body))
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        if body.lstrip()[:1] == b"<":
            raise NotDecoded(f"{what}: a page of HTML instead of data") from None
        raise NotDecoded(f"{what}: {error}") from None


async def each(
    count: int, ask: Callable[[int], Awaitable[T]], at_once: int = CONNECTIONS
) -> tuple[list[T], list[SourceFailed]]:
    """What `ask` returns for each number below `count`, and what it raised; a few at a time. Once a limit is
    reached the rest is not asked."""
    found: list[T] = []
    failures: list[SourceFailed] = []
    numbers = iter(range(count))

    async def work() -> None:
        for number in numbers:
            if any(_concerns_all(failure) for failure in failures):
                return
            try:
                found.append(await ask(number))
            except SourceFailed as failure:
                failures.append(failure)

    await asyncio.gather(*(work() for _ in range(min(at_once, count))))
    return found, failures


def answer_of(found: list[Quoted], failures: list[SourceFailed]) -> Answer:
    """What an exchange knows, when it was asked for each market. Raises the failure that concerns all of them: a limit
    that was reached, or the only thing that there is to say."""
    limits = [failure for failure in failures if failure.retry_after_s is not None]
    if limits:
        raise limits[0]
    if failures and not found:
        raise failures[0]
    return Answer(tuple(found), tuple(str(failure) for failure in failures if not isinstance(failure, OverOwnLimit)))


def _concerns_all(failure: SourceFailed) -> bool:
    return isinstance(failure, OverOwnLimit) or failure.retry_after_s is not None


@cache
def _tls_context() -> ssl.SSLContext:
    return build_ssl_context()


@lru_cache(maxsize=64)
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)
