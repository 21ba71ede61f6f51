"""POST to a server of others: the only way out for webhooks (contract, section 6; security.md).

Built on httpcore's connections rather than on httpx: that adds a URL parser of its own, redirects, cookies,
decompression and the environment's proxies, all of which would have to be switched off again. httpcore's
pool is left out too: it is keyed by name, and its bookkeeping per request grows with its connections. So is its
connecting, which takes names; what is left is its HTTP/1.1 on a connection of ours.

Each attempt resolves the name and checks every address again; `keepalive.py` says when an open connection may serve
it.
"""

import asyncio
import re
import ssl
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache, partial
from ipaddress import ip_address
from pathlib import Path

import httpcore
import msgspec

from app.core import clock
from app.core.outbound.keepalive import IDLE_EXPIRY_S, Connection, IdleConnections
from app.core.outbound.outcome import ErrorClass, ExchangeFailed, Outcome, parse_retry_after
from app.core.outbound.pinned import MAX_READ_BYTES, ReadLimitReached, TLSStream, dial, start_tls
from app.core.outbound.resolver import Resolver, SystemResolver
from app.core.outbound.targets import (
    NOT_PUBLIC,
    Address,
    Network,
    Refusal,
    Target,
    TargetRefused,
    address_refusal,
    localhost_addresses,
    parse_target,
)

RESOLVE_TIMEOUT_S = 3.0
CONNECT_TIMEOUT_S = 3.0  # TCP, over all addresses
TOTAL_TIMEOUT_S = 10.0  # from connecting to the end of the headers; the body has what is left of it
MAX_EXCERPT_BYTES = 4_096
MAX_TARGETS_KEPT = 4_096  # parsed URLs; parsing depends on nothing but the URL

_OWN_HEADERS = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-length",
        "expect",
        "host",
        "te",
        "transfer-encoding",
        "upgrade",
    }
)
# RFC 9110 sections 5.1 and 5.5, ASCII only.
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"(?:[!-~](?:[ -~]*[!-~])?)?")


class _Answer(msgspec.Struct, frozen=True):
    status: int
    detail: str
    excerpt: bytes
    retry_after_s: int | None


class _StaleConnection(Exception):
    """A kept connection was closed by the server before it answered anything."""


class OutboundClient:
    """Sends POST requests to public HTTPS servers. One per event loop; `aclose` it at the end.

    Time limits in seconds: `resolve_timeout_s` for the look-up, then `connect_timeout_s` for TCP and
    `total_timeout_s` for everything, the body included. So a call ends within 13 s by default.
    `allow_networks` (WEBHOOK_ALLOW_NETWORKS) are private networks allowed for tests.
    """

    def __init__(
        self,
        *,
        ssl_context: ssl.SSLContext | None = None,
        allow_networks: Sequence[Network] = (),
        resolver: Resolver | None = None,
        resolve_timeout_s: float = RESOLVE_TIMEOUT_S,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        total_timeout_s: float = TOTAL_TIMEOUT_S,
        idle_expiry_s: float = IDLE_EXPIRY_S,
    ) -> None:
        self._ssl_context = ssl_context or build_ssl_context()
        self._allow_networks = tuple(allow_networks)
        self._system_resolver = SystemResolver()
        self._resolver: Resolver = resolver or self._system_resolver
        self._resolve_timeout_s = resolve_timeout_s
        self._connect_timeout_s = connect_timeout_s
        self._total_timeout_s = total_timeout_s
        self._idle_expiry_s = idle_expiry_s
        self._idle = IdleConnections(idle_expiry_s)
        self._parsed = lru_cache(MAX_TARGETS_KEPT)(partial(parse_target, allow_networks=self._allow_networks))

    async def post(self, target_url: str, *, headers: Mapping[str, str], body: bytes) -> Outcome:
        """Send `body` once and return the outcome. Faults of target and network are outcomes, not raised.

        A kept connection that the server has closed meanwhile is replaced by a fresh one, so the server may
        in rare cases see the request twice. Raises ValueError for headers that are ours to set or malformed.
        Not to be called in a transaction.
        """
        sent_headers = _checked_headers(headers)
        started_s = clock.monotonic_s()
        connection: Connection | None = None
        answer: _Answer | None = None
        failure = ExchangeFailed(ErrorClass.PROTOCOL, "")
        try:
            target = self._parsed(target_url)
            addresses = await self._checked_addresses(target)
            deadline = asyncio.get_running_loop().time() + self._total_timeout_s
            request = _request(target, sent_headers, body)
            connection = self._idle.take(target, addresses) or await self._connect(target, addresses, deadline)
            try:
                answer = await self._exchange(connection, request, deadline)
            except _StaleConnection:
                connection = await self._connect(target, addresses, deadline)
                answer = await self._exchange(connection, request, deadline)
        except TargetRefused as refused:
            # `dns` both for a name without addresses and for a private one: the difference would show our network.
            by_name = refused.message == NOT_PUBLIC
            error = ErrorClass.DNS if by_name else ErrorClass.REFUSED_TARGET
            failure = ExchangeFailed(error, refused.message, operator_note=refused.operator_note)
        except ExchangeFailed as failed:
            failure = failed

        duration_ms = round((clock.monotonic_s() - started_s) * 1000)
        peer = failure.peer or (None if connection is None else connection.peer)
        return Outcome(
            status=None if answer is None else answer.status,
            error=failure.error if answer is None else None,
            detail=failure.detail if answer is None else answer.detail,
            duration_ms=duration_ms,
            response_excerpt=b"" if answer is None else answer.excerpt,
            retry_after_s=None if answer is None else answer.retry_after_s,
            peer=None if peer is None else str(peer),
            operator_note=failure.operator_note if answer is None else "",
        )

    async def check_target(self, target_url: str) -> Target:
        """Parse and resolve a URL as an attempt would, for when an endpoint is created.

        Raises `TargetRefused`, also where the name has no addresses.
        """
        target = parse_target(target_url, self._allow_networks)
        await self._checked_addresses(target)
        return target

    async def aclose(self) -> None:
        """Close the kept connections. Requests under way end by themselves."""
        self._idle.close()
        self._system_resolver.close()

    async def _checked_addresses(self, target: Target) -> tuple[Address, ...]:
        """Every address of the target, all of them allowed. Raises `TargetRefused`."""
        if target.address is not None:
            texts: Sequence[str] = (target.host,)
        elif target.host == "localhost":
            texts = [str(address) for address in localhost_addresses(self._allow_networks)]
        else:
            texts = await self._resolve(target.host)
        try:
            addresses = tuple(dict.fromkeys(ip_address(text) for text in texts))
        except ValueError:
            raise _not_public(f"the resolver returned no address for {target.host}") from None
        if not addresses:
            raise _not_public(f"{target.host} has no addresses")
        for address in addresses:
            note = address_refusal(address, self._allow_networks)
            if note is not None:
                raise _not_public(f"{target.host}: {note}")
        return addresses

    async def _resolve(self, host: str) -> Sequence[str]:
        try:
            async with asyncio.timeout(self._resolve_timeout_s):
                return await self._resolver(host)
        except TimeoutError:
            raise _not_public(f"{host}: no answer from the resolver in time") from None
        except OSError as fault:
            raise _not_public(f"{host}: {fault}") from fault

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

    async def _exchange(self, connection: Connection, request: httpcore.Request, deadline: float) -> _Answer:
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
        return _Answer(response.status, detail + body_note, excerpt, _retry_after_s(response))


@cache
def build_ssl_context(extra_ca_file: Path | None = None) -> ssl.SSLContext:
    """Verify certificates and names by the system's CAs and those in `extra_ca_file` (PEM), read once a process."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if extra_ca_file is not None:
        context.load_verify_locations(cafile=extra_ca_file)
    return context


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


def _request(target: Target, headers: list[tuple[bytes, bytes]], body: bytes) -> httpcore.Request:
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


def _checked_headers(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    for name, value in headers.items():
        if name.lower() in _OWN_HEADERS:
            raise ValueError(f"header {name} is set by the client")
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            raise ValueError(f"header {name!r} is malformed")
    return [(name.encode("ascii"), value.encode("ascii")) for name, value in headers.items()]


def _retry_after_s(response: httpcore.Response) -> int | None:
    for name, value in response.headers:
        if name.lower() == b"retry-after":
            return parse_retry_after(value.decode("latin-1"))
    return None


def _not_public(note: str) -> TargetRefused:
    return TargetRefused(Refusal.ADDRESS_NOT_PUBLIC, NOT_PUBLIC, operator_note=note)
