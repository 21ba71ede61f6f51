"""TLS servers on loopback with scripted answers, and certificates of a temporary CA."""

import asyncio
import datetime
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Script = Callable[["Exchange"], Awaitable[None]]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class TestCA:
    """A certificate authority and the certificates that it signs, as PEM files in `folder`."""

    __test__ = False

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Loopback test CA")])
        self._certificate = (
            _validity(x509.CertificateBuilder(), days=30)
            .subject_name(self._name)
            .issuer_name(self._name)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(ca=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        self.ca_file = folder / "ca.pem"
        self.ca_file.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def server_context(self, *hosts: str, days: int = 30, self_signed: bool = False) -> ssl.SSLContext:
        """The server's TLS context with a certificate for `hosts`; `days` below zero is expired."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0])])
        certificate = (
            _validity(x509.CertificateBuilder(), days=days)
            .subject_name(subject)
            .issuer_name(subject if self_signed else self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .add_extension(x509.SubjectAlternativeName([_alternative(host) for host in hosts]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(
                    key.public_key() if self_signed else self._key.public_key()
                ),
                critical=False,
            )
            .sign(key if self_signed else self._key, hashes.SHA256())
        )
        pem = self._folder / f"{certificate.serial_number}.pem"
        pem.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        return context


@dataclass
class Exchange:
    """One request that the server received, with methods to answer it."""

    head: bytes
    body: bytes
    connection_number: int
    sni: str | None
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @property
    def request_line(self) -> str:
        """`POST /h HTTP/1.1`."""
        return self.head.split(b"\r\n")[0].decode()

    @property
    def headers(self) -> dict[str, str]:
        """The headers by lower-case name. Fails if a name occurs twice."""
        pairs = [line.decode().split(": ", 1) for line in self.head.split(b"\r\n")[1:] if line]
        assert len({name.lower() for name, _ in pairs}) == len(pairs)
        return {name.lower(): value for name, value in pairs}

    async def send(self, data: bytes) -> None:
        """Send `data`."""
        self.writer.write(data)
        await self.writer.drain()

    def reset(self) -> None:
        """Close the connection with a TCP RST."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        self.writer.transport.abort()


@dataclass
class LoopbackServer:
    """A running server: its address, and the requests that it received."""

    port: int
    exchanges: list[Exchange] = field(default_factory=list)
    connections: int = 0

    def url(self, host: str, path: str = "/h") -> str:
        """An https URL of this server, if `host` resolves to it."""
        return f"https://{host}:{self.port}{path}"


@asynccontextmanager
async def https_server(
    context: ssl.SSLContext, script: Script, address: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[LoopbackServer]:
    """Each request is read in full and handed to `script`; connections live on until it closes them."""
    running: set[asyncio.Task[None]] = set()
    names: dict[ssl.SSLObject, str | None] = {}

    def note_sni(tls: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        names[tls] = name

    context.sni_callback = note_sni

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        server.connections += 1
        number = server.connections
        try:
            while not writer.is_closing():
                head = await reader.readuntil(b"\r\n\r\n")
                exchange = Exchange(head, b"", number, names.get(writer.get_extra_info("ssl_object")), reader, writer)
                exchange.body = await reader.readexactly(int(exchange.headers["content-length"]))
                server.exchanges.append(exchange)
                await script(exchange)
        except (asyncio.IncompleteReadError, OSError, asyncio.CancelledError):
            pass  # the client has disconnected, or the test has ended
        finally:
            running.discard(task)
            writer.transport.abort()

    listener = await asyncio.start_server(serve, address, port, ssl=context)
    server = LoopbackServer(listener.sockets[0].getsockname()[1])
    try:
        yield server
    finally:
        listener.close()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


@asynccontextmanager
async def plain_listener(
    address: str, port: int = 0, on_connect: Callable[[asyncio.StreamWriter], None] | None = None
) -> AsyncIterator[LoopbackServer]:
    """Count connections; no TLS is spoken here. `on_connect` may send something or close the connection."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        writers.append(writer)
        if on_connect is not None:
            on_connect(writer)

    writers: list[asyncio.StreamWriter] = []
    listener = await asyncio.start_server(accept, address, port)
    server = LoopbackServer(listener.sockets[0].getsockname()[1])
    try:
        yield server
    finally:
        listener.close()
        for writer in writers:
            writer.transport.abort()


def _validity(builder: x509.CertificateBuilder, *, days: int) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return builder.not_valid_before(now - datetime.timedelta(days=60)).not_valid_after(
        now + datetime.timedelta(days=days)
    )


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _key_usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        key_cert_sign=ca,
        crl_sign=ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
