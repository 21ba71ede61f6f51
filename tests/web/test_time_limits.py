"""Every request ends: silent connections, slow headers, bodies that don't come, answers that nobody reads, and more
connections than one address may have. The limits are those of production, made short.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from app.api_keys.scopes import Scope
from app.core.settings import Settings
from app.identity import cookies
from app.invoices.service import announce
from app.web.bodies import MAX_BODY_BYTES
from app.web.body_timeout import MAX_DISCARDED_BYTES, UPLOAD_BYTES_PER_S
from app.wiring import Services
from tests.api.serving import Served, served
from tests.factories.api_keys import api_key
from tests.factories.invoices import invoice
from tests.factories.merchants import terms

HEADER_S, REQUEST_S = 2, 3
CONNECTIONS = 20
STREAMS = 2_000 if os.environ.get("SOAK") else 100
STREAMS_PER_ADDRESS = 4
LATE_S = 6.0
"""How much later than promised something may be on a busy machine."""

STOP_S = 10.0
"""Far less than Granian's own limit for closing connections."""

PROXY, STRANGER = "127.0.0.1", "127.0.0.2"

GET = b"GET /healthz HTTP/1.1\r\nhost: x\r\n"
SIGN_IN = (
    b"POST /sign-in HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\n"
    b"sec-fetch-site: same-origin\r\ncookie: %s=a\r\n" % cookies.VISIT.encode()
)
INVOICE = (
    b"POST /api/v1/merchant/invoices HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nidempotency-key: k\r\n"
)
CHUNK = b"%x\r\n%s\r\n" % (MAX_BODY_BYTES, b" " * MAX_BODY_BYTES)


@pytest.fixture
def server(
    services: Services, chain_settings: Callable[..., Settings], environment: dict[str, str], tmp_path: Path
) -> Iterator[Served]:
    """Two web processes with short limits, behind a trusted proxy."""
    limits = {
        "WEB_WORKERS": "2",
        "WEB_HEADER_TIMEOUT_S": str(HEADER_S),
        "WEB_REQUEST_TIMEOUT_S": str(REQUEST_S),
        "WEB_CONNECTIONS_PER_ADDRESS": str(CONNECTIONS),
        "TRUSTED_PROXIES": PROXY,
    }
    with served(environment | limits, tmp_path / "web.log") as running:
        yield running


class Connection:
    """A client that may be slow."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.opened_s = time.monotonic()

    @classmethod
    async def open(cls, server: Served, address: str = PROXY) -> "Connection":
        return cls(*await asyncio.open_connection("127.0.0.1", server.port, local_addr=(address, 0)))

    def send(self, raw: bytes) -> None:
        self.writer.write(raw)

    async def status(self) -> int:
        """Of the next answer, whose body is read too."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await self.reader.readexactly(length)
        return int(head.split()[1])

    async def ended_s(self) -> float:
        """Seconds from the opening until the other side has closed it."""
        try:
            while await self.reader.read(65_536):
                pass
        except ConnectionError:
            pass
        return time.monotonic() - self.opened_s

    async def drip(self, byte: bytes) -> None:
        """Send a byte repeatedly, with pauses shorter than any limit."""
        while not self.writer.is_closing():
            self.send(byte)
            await asyncio.sleep(0.3)


async def ends(connection: Connection, at_s: float, byte: bytes = b"") -> None:
    """Assert when the server closes a connection, which keeps sending `byte` if one is given."""
    dripping = asyncio.create_task(connection.drip(byte)) if byte else None
    async with asyncio.timeout(at_s + 10):
        ended_s = await connection.ended_s()
    if dripping:
        dripping.cancel()
    connection.writer.close()
    assert at_s - 0.1 <= ended_s <= at_s + LATE_S, f"{ended_s:.1f} s"


async def test_every_connection_ends(server: Served, services: Services) -> None:
    key = await api_key(services.settings.api_key_peppers, scopes=[Scope.INVOICES_WRITE.value])
    async with open_streams(server, services):
        await too_many_connections_are_cut(server)
        await each_in_its_time(server, b"authorization: Bearer " + key.full.encode() + b"\r\n")
    assert server.faults() == []


@asynccontextmanager
async def open_streams(server: Served, services: Services) -> AsyncIterator[None]:
    """Streams of open checkout pages get events during all of this, and end when the server is stopped."""
    new = await invoice(services, await terms(service_fee_bps=0))
    path = f"/pay/{services.links.slug(new.id)}/events"

    async def stream(number: int) -> Connection:
        connection = await Connection.open(server)
        address = f"2001:db8:0:{number // STREAMS_PER_ADDRESS:x}::1"
        connection.send(f"GET {path} HTTP/1.1\r\nhost: x\r\nx-forwarded-for: {address}\r\n\r\n".encode())
        assert b" 200 " in await connection.reader.readuntil(b"\r\n\r\n")
        return connection

    streams: list[Connection] = []
    for start in range(0, STREAMS, 50):
        streams += await asyncio.gather(*(stream(start + place) for place in range(min(50, STREAMS - start))))
    yield
    await announce(new.id)
    async with asyncio.timeout(30):
        for connection in streams:
            await connection.reader.readuntil(b"event: changed")
    server.process.terminate()
    async with asyncio.timeout(STOP_S):
        await asyncio.gather(*(connection.ended_s() for connection in streams))
        await asyncio.to_thread(server.process.join, STOP_S)
    assert server.process.exitcode is not None
    for connection in streams:
        connection.writer.close()


async def each_in_its_time(server: Served, bearer: bytes) -> None:
    """All at once, so that the test takes as long as the slowest."""

    async def silent() -> None:
        await ends(await Connection.open(server), HEADER_S)

    async def headers_without_end() -> None:
        connection = await Connection.open(server)
        connection.send(GET + b"x-a: ")
        await ends(connection, HEADER_S, b"a")

    async def idle_after_an_answer() -> None:
        connection = await Connection.open(server)
        connection.send(GET + b"\r\n")
        assert await connection.status() == 200
        await ends(connection, HEADER_S)

    async def body(head: bytes, rest: bytes, *, byte: bytes = b"", expected: int = 408) -> None:
        """A body has what is left of the request's time when headers have used theirs up."""
        connection = await Connection.open(server)
        connection.send(head + b"\r\n" + rest)
        dripping = asyncio.create_task(connection.drip(byte)) if byte else None
        assert await connection.status() == expected
        if dripping:
            dripping.cancel()
        await ends(connection, REQUEST_S - HEADER_S)

    async def body_after_its_answer(head: bytes, *, expected: int) -> None:
        """What a client still sends after an early answer is read, so that nothing resets the connection."""
        connection = await Connection.open(server)
        connection.send(head + b"content-length: 1000000\r\n\r\n" + b" " * 100_000)
        assert await connection.status() == expected
        connection.send(b" " * 900_000 + GET + b"\r\n")
        assert await connection.status() == 200
        connection.writer.close()

    async def chunks_after_their_answer() -> None:
        """The connection ends with this request, but only after all of it has arrived."""
        connection = await Connection.open(server)
        connection.send(INVOICE + bearer + b"transfer-encoding: chunked\r\n\r\n" + CHUNK * 2)
        assert await connection.status() == 413
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(connection.reader.read(1), 0.3)
        connection.send(CHUNK * 10 + b"0\r\n\r\n")
        assert await connection.reader.read() == b""
        connection.writer.close()

    async def body_that_is_absurd() -> None:
        """Is not read to its end."""
        connection = await Connection.open(server)
        connection.send(INVOICE + bearer + b"content-length: %d\r\n\r\n" % (MAX_DISCARDED_BYTES * 10))
        assert await connection.status() == 413
        with suppress(ConnectionError):
            for _ in range(9):
                connection.send(b" " * MAX_DISCARDED_BYTES)
                await connection.writer.drain()
        await ends(connection, 0)

    async def upload_that_keeps_its_rate() -> None:
        """Half a second more than a small body may take, and so much larger that it may."""
        size = MAX_BODY_BYTES + UPLOAD_BYTES_PER_S
        connection = await Connection.open(server)
        connection.send(SIGN_IN + b"content-length: %d\r\n\r\n" % size + b"a" * (size - 1))
        await asyncio.sleep(REQUEST_S - HEADER_S + 0.5)
        connection.send(b"a")
        assert await connection.status() == 403
        connection.writer.close()

    async def answers_that_nobody_reads() -> None:
        """Request more pages than all buffers hold, and read none; the kernel notices that nothing is read."""
        connection = await Connection.open(server)
        connection.writer.transport.pause_reading()  # type: ignore[attr-defined]
        page = b"GET /api/v1/openapi.json HTTP/1.1\r\nhost: x\r\n\r\n"
        connection.send(page * 200)
        async with asyncio.timeout(REQUEST_S * 4):
            while _is_open(server, connection):
                await asyncio.sleep(0.2)
        assert time.monotonic() - connection.opened_s >= REQUEST_S
        connection.writer.transport.abort()

    cases: list[Coroutine[Any, Any, None]] = [
        silent(),
        headers_without_end(),
        idle_after_an_answer(),
        body(SIGN_IN + b"content-length: 10\r\n", b""),
        body(SIGN_IN + b"content-length: 1000\r\n", b"", byte=b"a"),
        body(SIGN_IN + b"transfer-encoding: chunked\r\n", b"1\r\na\r\n", byte=b"1\r\na\r\n"),
        body(INVOICE + bearer + b"content-length: 10\r\n", b"{"),
        body(INVOICE + bearer + b"content-length: 1000\r\n", b"", byte=b" "),
        body(INVOICE + b"content-length: 10\r\n", b"", expected=401),  # answered without the body
        body(GET + b"content-length: 10\r\n", b"", expected=200),
        body_after_its_answer(INVOICE, expected=401),
        body_after_its_answer(INVOICE + bearer, expected=413),
        body_after_its_answer(INVOICE + b"content-encoding: gzip\r\n", expected=415),
        chunks_after_their_answer(),
        body_that_is_absurd(),
        upload_that_keeps_its_rate(),
        answers_that_nobody_reads(),
    ]
    await asyncio.gather(*cases)


def _is_open(server: Served, connection: Connection) -> bool:
    """Whether the kernel still holds the server's end; the client's own end tells nothing while it does not read."""
    _, port = connection.writer.get_extra_info("sockname")
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    ends = (f"0100007F:{server.port:04X}", f"0100007F:{port:04X}")
    return any((row[1], row[2]) == ends for row in rows)


async def too_many_connections_are_cut(server: Served) -> None:
    early = [await Connection.open(server, STRANGER) for _ in range(CONNECTIONS)]
    await asyncio.sleep(0.1)
    late = [await Connection.open(server, STRANGER) for _ in range(30)]
    lives_s = await asyncio.gather(*(connection.ended_s() for connection in early + late))
    assert sum(life_s < HEADER_S - 0.2 for life_s in lives_s) == len(late), lives_s
    assert sum(life_s >= HEADER_S - 0.2 for life_s in lives_s) == CONNECTIONS, lives_s

    within = await Connection.open(server, STRANGER)
    within.send(GET + b"\r\n")
    assert await within.status() == 200
    for connection in (*early, *late, within):
        connection.writer.close()
