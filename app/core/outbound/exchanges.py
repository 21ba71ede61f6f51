"""Requests over connections to checked addresses, and their responses.

Built on httpcore's connections rather than on httpx: that adds a URL parser of its own, redirects, cookies,
decompression and the environment's proxies, all of which would have to be switched off again. httpcore's
pool is left out too: it is keyed by name, and its bookkeeping per request grows with its connections. So is its
connecting, which takes names; what is left is its HTTP/1.1 on a connection of ours.

`keepalive.py` says when an open connection may be used again.
"""

import asyncio
import ssl
from collections.abc import Sequence

import httpcore
import msgspec

from app.core.outbound.keepalive import Connection, IdleConnections
from app.core.outbound.outcome import ErrorClass, ExchangeFailed, parse_retry_after
from app.core.outbound.pinned import MAX_READ_BYTES, ReadLimitReached, TLSStream, dial, start_tls
from app.core.outbound.targets import Address, Network, Target

MAX_EXCERPT_BYTES = 4_096


class Answer(msgspec.Struct, frozen=True):
    """A response whose headers came in full. `excerpt` is the start of its body, `peer` the address dialled."""

    status: int
    detail: str
    excerpt: bytes
    retry_after_s: int | None
    peer: Address


class _StaleConnection(Exception):
    """A kept connection was closed by the server before it answered anything."""


class Exchanges:
    """One client's connections. Time limits as the client has them (client.py)."""

    def __init__(
        self,
        ssl_context: ssl.SSLContext,
        allow_networks: Sequence[Network],
        connect_timeout_s: float,
        total_timeout_s: float,
        idle_expiry_s: float,
    ) -> None:
        self._ssl_context = ssl_context
        self._allow_networks = allow_networks
        self._connect_timeout_s = connect_timeout_s
        self._total_timeout_s = total_timeout_s
        self._idle_expiry_s = idle_expiry_s
        self._idle = IdleConnections(idle_expiry_s)

    async def post(
        self, target: Target, addresses: Sequence[Address], headers: Sequence[tuple[bytes, bytes]], body: bytes
    ) -> Answer:
        """Send `body` once to one of `addresses`, each of them checked. Raises `ExchangeFailed`.

        A kept connection that the server has closed meanwhile is replaced by a fresh one.
        """
        deadline = asyncio.get_running_loop().time() + self._total_timeout_s
        request = _request(target, headers, body)
        connection = self._idle.take(target, addresses) or await self._connect(target, addresses, deadline)
        try:
            try:
                return await self._exchange(connection, request, deadline)
            except _StaleConnection:
                connection = await self._connect(target, addresses, deadline)
                return await self._exchange(connection, request, deadline)
        except ExchangeFailed as failed:
            failed.peer = failed.peer or connection.peer
            raise

    def close(self) -> None:
        """Close the kept connections. Requests under way end by themselves."""
        self._idle.close()

    async def _connect(self, target: Target, addresses: Sequence[Address], deadline: float) -> Connection:
        """A new connection to one of the checked addresses. Raises `ExchangeFailed`."""
        peer: Address | None = None
        try:
            async with asyncio.timeout_at(deadline):
                sock, peer = await dial(
                    addresses,
                    target.port,
                    allow_networks=self._allow_networks,
                    timeout_s=self._connect_timeout_s,
                )
                wire = await start_tls(sock, self._ssl_context, target.host)
        except TimeoutError:
            raise self._no_headers(peer) from None
        except ExchangeFailed as failed:
            failed.peer = peer
            raise
        http = httpcore.AsyncHTTP11Connection(
            origin=httpcore.Origin(b"https", target.host.encode("ascii"), target.port),
            stream=TLSStream(wire),
            keepalive_expiry=self._idle_expiry_s,
        )
        return Connection(target, peer, wire, http)

    def _no_headers(self, peer: Address | None) -> ExchangeFailed:
        return ExchangeFailed(
            ErrorClass.TIMEOUT, f"no complete response headers within {self._total_timeout_s:g} seconds", peer=peer
        )

    async def _exchange(self, connection: Connection, request: httpcore.Request, deadline: float) -> Answer:
        """One request and its response. The connection is kept if the exchange ended cleanly, otherwise dropped.

        Raises `ExchangeFailed`, and `_StaleConnection` where another connection should be tried.
        """
        try:
            try:
                async with asyncio.timeout_at(deadline):
                    response = await _head(connection, request)
            except TimeoutError:
                raise self._no_headers(connection.peer) from None
            excerpt, body_note = await _excerpt(response, deadline)
        except BaseException:
            connection.drop()
            raise
        connection.used = True
        self._idle.put(connection)
        detail = f"HTTP {response.status}"
        if 300 <= response.status < 400:
            detail += ", redirects are not followed"
        return Answer(response.status, detail + body_note, excerpt, _retry_after_s(response), connection.peer)


def _request(target: Target, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> httpcore.Request:
    return httpcore.Request(
        b"POST",
        httpcore.URL(
            scheme=b"https",
            host=target.host.encode("ascii"),
            port=target.port,
            target=target.path.encode("ascii"),
        ),
        headers=[
            (b"Host", target.authority.encode("ascii")),
            (b"Accept-Encoding", b"identity"),
            (b"Content-Length", str(len(body)).encode("ascii")),
            *headers,
        ],
        content=body,
    )


async def _head(connection: Connection, request: httpcore.Request) -> httpcore.Response:
    """Send the request, read the response's headers."""
    wire = connection.wire
    wire.begin_response()
    try:
        return await connection.http.handle_async_request(request)
    except ReadLimitReached:
        raise ExchangeFailed(ErrorClass.TOO_LARGE, f"response headers are longer than {MAX_READ_BYTES} bytes") from None
    except (httpcore.NetworkError, httpcore.RemoteProtocolError) as fault:
        if not wire.ended:
            raise ExchangeFailed(ErrorClass.PROTOCOL, "response is not valid HTTP/1.1") from fault
        if connection.used and wire.response_bytes == 0:
            raise _StaleConnection from fault
        when = "before a response" if wire.response_bytes == 0 else "in the middle of the response headers"
        raise ExchangeFailed(ErrorClass.RESET, f"connection closed {when}") from fault


async def _excerpt(response: httpcore.Response, deadline: float) -> tuple[bytes, str]:
    """The start of the body, and a note if it did not end cleanly: the status counts in both cases.

    The whole body is read, within the limits, because only then can the connection be used again.
    """
    excerpt = bytearray()
    note = ""
    try:
        async with asyncio.timeout_at(deadline):
            async for chunk in response.aiter_stream():
                excerpt += chunk[: MAX_EXCERPT_BYTES - len(excerpt)]
    except TimeoutError:
        note = ", body did not end in time"
    except ReadLimitReached:
        note = ", body too long to be read in full"
    except (httpcore.NetworkError, httpcore.RemoteProtocolError):
        note = ", body broken off"
    finally:
        await response.aclose()
    return bytes(excerpt), note


def _retry_after_s(response: httpcore.Response) -> int | None:
    for name, value in response.headers:
        if name.lower() == b"retry-after":
            return parse_retry_after(value.decode("latin-1"))
    return None
