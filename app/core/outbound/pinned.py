"""The sockets of the client: dialled to checked addresses only, with TLS, as a stream that httpcore reads and writes.

httpcore's own connecting is not used: it would take a name or a literal. Here only addresses are dialled, so no second
look-up can happen; TLS still gets the name, for SNI and the certificate.
The streams are thin ones over an asyncio protocol: one deadline set by the client replaces a timer per
read, a request is sent in one piece, and no more than the limit is ever read.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Sequence
from ipaddress import IPv6Address
from typing import Any, cast

import httpcore

from app.core.outbound.outcome import ErrorClass, ExchangeFailed
from app.core.outbound.targets import Address, Network, address_refusal

# RFC 8305 section 5: how long an address is tried before the next one is tried beside it.
STAGGER_S = 0.25
# A name with hundreds of addresses must not make us connect to hundreds of hosts.
MAX_ADDRESSES_DIALLED = 8
# Head and body of one response (contract, section 6).
MAX_READ_BYTES = 65_536
# Received but not yet read; reading from the socket pauses above it.
RECEIVE_BUFFER_BYTES = 65_536


class ReadLimitReached(Exception):
    """The response is longer than we read."""


async def dial(
    addresses: Sequence[Address], port: int, *, allow_networks: Sequence[Network], timeout_s: float
) -> tuple[socket.socket, Address]:
    """A socket that is connected to one of `addresses`, the first that answers, and which one that is. The limit is
    over all addresses. Raises `ExchangeFailed`."""
    addresses = addresses[:MAX_ADDRESSES_DIALLED]
    for address in addresses:
        note = address_refusal(address, allow_networks)
        if note is not None:
            raise AssertionError(f"about to dial an unchecked address: {note}")
    try:
        async with asyncio.timeout(timeout_s):
            return await _dial_first(addresses, port)
    except TimeoutError:
        raise ExchangeFailed(ErrorClass.CONNECT_TIMEOUT, f"no connection within {timeout_s:g} seconds") from None
    except ConnectionRefusedError:
        raise ExchangeFailed(ErrorClass.CONNECT, "connection refused") from None
    except OSError as fault:
        raise ExchangeFailed(ErrorClass.CONNECT, "could not connect", operator_note=str(fault)) from fault


async def start_tls(sock: socket.socket, ssl_context: ssl.SSLContext, server_hostname: str) -> "Wire":
    """Do the TLS handshake with `server_hostname` on a connected socket, which is closed if that fails.

    Raises `ExchangeFailed`.
    """
    try:
        _, wire = await asyncio.get_running_loop().create_connection(
            Wire, sock=sock, ssl=ssl_context, server_hostname=server_hostname
        )
    except BaseException as fault:
        sock.close()
        match fault:
            case ssl.SSLCertVerificationError():
                detail = f"certificate not accepted: {fault.verify_message}"
            case ssl.SSLError():
                detail = f"TLS handshake failed: {(fault.reason or 'unknown').replace('_', ' ').lower()}"
            case OSError():
                detail = "connection closed during the TLS handshake"
            case _:
                raise
        raise ExchangeFailed(ErrorClass.TLS, detail) from fault
    return wire


class TLSStream(httpcore.AsyncNetworkStream):
    """What httpcore reads from and writes to."""

    def __init__(self, wire: "Wire") -> None:
        self._wire = wire

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """The bytes received, at most `max_bytes`; empty at the end. Raises `ReadLimitReached`."""
        return await self._wire.read(max_bytes)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Keep `buffer` until the response is read: head and body of a request are sent together."""
        self._wire.outgoing += buffer

    async def aclose(self) -> None:
        """Drop the connection at once, without waiting for the peer."""
        self._wire.abort()

    def get_extra_info(self, info: str) -> Any:
        """The socket's facts for httpcore. An idle connection that `is_readable` can't be used again."""
        if info == "is_readable":
            return self._wire.is_readable
        return self._wire.transport_info(info)


class Wire(asyncio.Protocol):
    """Bytes of one connection, received and to be sent, with a limit on the size of one response."""

    def __init__(self) -> None:
        self.outgoing = bytearray()
        self.response_bytes = 0
        self.ended = False
        self._received = bytearray()
        self._fault: Exception | None = None
        self._arrival: asyncio.Future[None] | None = None
        self._transport: asyncio.Transport | None = None
        self._is_paused = False

    def begin_response(self) -> None:
        """Reset the count of received bytes, for the next response."""
        self.response_bytes = 0

    @property
    def is_readable(self) -> bool:
        """Whether there is something to read: bytes, or the end."""
        return self.ended or len(self._received) > 0

    async def read(self, max_bytes: int) -> bytes:
        """Send what is waiting to be sent, then wait for bytes and return them."""
        if self.outgoing and self._transport is not None and not self.ended:
            self._transport.write(bytes(self.outgoing))
        self.outgoing.clear()
        take = min(max_bytes, MAX_READ_BYTES - self.response_bytes)
        if take <= 0:
            raise ReadLimitReached
        if not self.is_readable:
            self._arrival = asyncio.get_running_loop().create_future()
            await self._arrival
        if not self._received:
            if self._fault is not None:
                raise httpcore.ReadError(str(self._fault)) from self._fault
            return b""
        data = bytes(self._received[:take])
        del self._received[:take]
        self.response_bytes += len(data)
        if self._is_paused and self._transport is not None and len(self._received) < RECEIVE_BUFFER_BYTES:
            self._is_paused = False
            self._transport.resume_reading()
        return data

    def abort(self) -> None:
        """Close now, without waiting for the peer."""
        if self._transport is not None:
            self._transport.abort()

    def transport_info(self, info: str) -> Any:
        """The transport's own facts (`ssl_object`, `peername`, …)."""
        return None if self._transport is None else self._transport.get_extra_info(info)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop after the TLS handshake."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are not of that class

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        self._received += data
        if len(self._received) >= RECEIVE_BUFFER_BYTES and not self._is_paused and self._transport is not None:
            self._is_paused = True
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        """Called by the loop; the transport then closes itself."""
        self.ended = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop, with the fault if it did not end in order."""
        self.ended = True
        self._fault = exc
        self._wake()

    def _wake(self) -> None:
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)
        self._arrival = None


async def _dial_first(addresses: Sequence[Address], port: int) -> tuple[socket.socket, Address]:
    """The first of `addresses` to answer, each given a head start over the next (RFC 8305)."""
    if len(addresses) == 1:
        return await _dial(addresses[0], port)
    waiting = list(addresses)
    dialling: set[asyncio.Task[tuple[socket.socket, Address]]] = set()
    fault: OSError = OSError("no addresses")
    try:
        while waiting or dialling:
            if waiting:
                dialling.add(asyncio.create_task(_dial(waiting.pop(0), port)))
            done, _ = await asyncio.wait(
                dialling, timeout=STAGGER_S if waiting else None, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                try:
                    sock, address = task.result()
                except OSError as failed:
                    dialling.discard(task)
                    fault = failed
                else:
                    dialling.discard(task)
                    return sock, address
        raise fault
    finally:
        for task in dialling:
            task.add_done_callback(_close_late_comer)
            task.cancel()


async def _dial(address: Address, port: int) -> tuple[socket.socket, Address]:
    family = socket.AF_INET6 if isinstance(address, IPv6Address) else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(sock, (str(address), port))
    except BaseException:
        sock.close()
        raise
    return sock, address


def _close_late_comer(task: "asyncio.Task[tuple[socket.socket, Address]]") -> None:
    if task.cancelled():
        return
    with contextlib.suppress(OSError):
        sock, _ = task.result()
        sock.close()
