"""docs/proxy.md: its time limits fit the gateway's, and under SOAK each proxy runs with its configuration.

CI has no proxies, so the runs are part of `make soak`, which fails where one is missing:
`apt-get install nginx haproxy caddy`.
"""

import asyncio
import json
import os
import re
import shutil
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.core.settings import Settings, load
from app.invoices.service import announce
from app.sandbox import ports, processes, tls
from app.wiring import Services
from tests.api.serving import Served, served
from tests.factories.api_keys import api_key
from tests.factories.invoices import invoice
from tests.factories.merchants import terms

PAGE = Path(__file__).parents[2] / "docs/proxy.md"
PROXIES = ("nginx", "haproxy", "caddy")
PROXY, CUSTOMER, CROWD = "127.0.0.1", "127.0.0.2", "127.0.0.3"
COUNTS_CONNECTIONS = ("nginx", "haproxy")
"""Caddy has no such limit; use a firewall."""

REQUEST_S = 30.0
LATE_S = 5.0

DRIPPING = (
    b"POST /sign-in HTTP/1.1\r\nhost: localhost\r\nsec-fetch-site: same-origin\r\n"
    b"cookie: __Host-swap_pay_visit=a\r\ncontent-type: application/x-www-form-urlencoded\r\n"
    b"content-length: 1000\r\n\r\n"
)
"""The start of a request whose body is slow."""


def block(language: str) -> str:
    """The one code block of that language on the page."""
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return str(found)


def test_idle_connections_to_the_gateway_are_shorter_than_its_limit(settings: Settings) -> None:
    for language, directive in (
        ("nginx", r"keepalive 64;\n    keepalive_timeout (\d+)s"),
        ("haproxy", r"pool-purge-delay (\d+)s"),
        ("caddyfile", r"\n\t\t\tkeepalive (\d+)s"),
    ):
        (seconds,) = re.findall(directive, block(language))
        assert int(seconds) * 2 <= settings.web_header_timeout_s, language


@dataclass(frozen=True)
class Proxy:
    """A running proxy."""

    name: str
    http_port: int
    https_port: int
    trust: ssl.SSLContext

    async def connect(self, address: str = CUSTOMER) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A TLS connection from an address."""
        return await asyncio.open_connection(
            "127.0.0.1", self.https_port, ssl=self.trust, server_hostname="localhost", local_addr=(address, 0)
        )

    async def send_request(self, raw: str, body: bytes = b"", address: str = CUSTOMER) -> tuple[int, bytes]:
        """Status, and head and body, of one request on a connection of its own."""
        reader, writer = await self.connect(address)
        length = f"content-length: {len(body)}\r\n" if body else ""
        with suppress(ConnectionError):
            writer.write(f"{raw}\r\nhost: localhost\r\nconnection: close\r\n{length}\r\n".encode() + body)
            await writer.drain()
        answer = b""
        with suppress(ConnectionError, ssl.SSLError):
            answer = await asyncio.wait_for(reader.read(-1), 60)
        writer.close()
        return int(answer.split()[1]) if answer else 0, answer


@contextmanager
def running(name: str, upstream: Served, folder: Path) -> Iterator[Proxy]:
    """Run the proxy with the page's configuration; the test changes only names, ports and paths."""
    assert shutil.which(name), f"{name} is missing: apt-get install {name}"
    certificates = tls.ensure(folder / "tls")
    both = folder / "both.pem"
    both.write_text(certificates.cert_path.read_text() + certificates.key_path.read_text())
    http_port, https_port = ports.free_port(), ports.free_port()
    config = folder / f"{name}.conf"
    text = block({"caddy": "caddyfile"}.get(name, name)).replace("127.0.0.1:8000", f"127.0.0.1:{upstream.port}")
    text = text.replace("/etc/haproxy/pay.example.com.pem", str(both))
    text = text.replace("/etc/ssl/pay.example.com.pem", str(certificates.cert_path))
    text = text.replace("/etc/ssl/pay.example.com.key", str(certificates.key_path))
    text = text.replace("pay.example.com", "localhost")
    if name == "nginx":
        text = text.replace("listen 80;", f"listen 127.0.0.1:{http_port};")
        text = text.replace("listen 443 ", f"listen 127.0.0.1:{https_port} ")
        places = "".join(
            f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        text = f"daemon off; pid {folder}/pid; error_log stderr; events {{ worker_connections 4096; }}\n" + (
            f"http {{ access_log off; {places}\n{text}\n}}"
        )
        command = ["nginx", "-p", str(folder), "-e", "stderr", "-c", str(config)]
    elif name == "haproxy":
        text = text.replace("bind :80\n", f"bind 127.0.0.1:{http_port}\n")
        text = text.replace("bind :443 ", f"bind 127.0.0.1:{https_port} ")
        command = ["haproxy", "-db", "-f", str(config)]
    else:
        text = text.replace("{\n", f"{{\n\tadmin off\n\thttp_port {http_port}\n\thttps_port {https_port}\n", 1)
        command = ["caddy", "run", "--adapter", "caddyfile", "--config", str(config)]
    config.write_text(text)
    trust = ssl.create_default_context(cafile=str(certificates.ca_path))
    process = processes.start(
        name,
        command,
        var_dir=folder / "log",
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        ready=lambda _: ports.answers(https_port),
    )
    try:
        yield Proxy(name, http_port, https_port, trust)
    finally:
        process.stop()


async def pages_and_address(proxy: Proxy, upstream: Served) -> None:
    """TLS, the redirect to it, HTTP/2, hidden metrics, and the client address that the gateway sees."""
    status, answer = await proxy.send_request("GET /sign-in HTTP/1.1\r\nx-forwarded-for: 198.51.100.66")
    assert status == 200
    assert b"set-cookie: __Host-" in answer.replace(b"Set-Cookie", b"set-cookie")
    await asyncio.sleep(0.5)  # the access log buffers lines
    seen = [json.loads(line) for line in upstream.log_path.read_text().splitlines() if '"route":"/sign-in"' in line]
    assert [line["address"] for line in seen][-1:] == [CUSTOMER]
    assert (await proxy.send_request("GET /metrics HTTP/1.1"))[0] == 404

    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.http_port)
    writer.write(b"GET /sign-in?a=b HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
    head = (await reader.read(-1)).decode().lower()
    assert int(head.split()[1]) in (301, 308)
    assert re.search(r"location: https://localhost(:\d+)?/sign-in\?a=b", head)

    proxy.trust.set_alpn_protocols(["h2"])
    _, writer = await proxy.connect()
    assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "h2"
    writer.close()
    proxy.trust.set_alpn_protocols(["http/1.1"])


async def bodies(proxy: Proxy, key: str) -> None:
    """The gateway's own error for a body that is too large, up to the proxy's limit."""
    head = f"POST /api/v1/merchant/invoices HTTP/1.1\r\nauthorization: Bearer {key}\r\nidempotency-key: k"
    typed = f"{head}\r\ncontent-type: application/json"
    for size in (70_000, 300_000, 1_900_000):
        for _ in range(5):
            status, answer = await proxy.send_request(typed, b" " * size)
            assert (status, b"BODY_TOO_LARGE" in answer) == (413, True), (size, answer[:300])
    status, answer = await proxy.send_request(typed, b" " * 3_000_000)
    assert status == 413
    assert b"BODY_TOO_LARGE" not in answer


async def streams(proxy: Proxy, services: Services) -> None:
    """Messages of a stream arrive at once, and an idle stream stays open, longer than the proxy's usual time limits."""
    new = await invoice(services, await terms(service_fee_bps=0))
    reader, writer = await proxy.connect()
    writer.write(f"GET /pay/{services.links.slug(new.id)}/events HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
    async with asyncio.timeout(LATE_S):
        await reader.readuntil(b"retry: ")
    await asyncio.sleep(35)
    await announce(new.id)
    async with asyncio.timeout(LATE_S):
        await reader.readuntil(b"event: changed")
    writer.close()


async def slow_clients(proxy: Proxy) -> None:
    """A silent connection, endless headers and a slow body are all closed."""

    async def ends(raw: bytes, byte: bytes, within_s: float) -> None:
        reader, writer = await proxy.connect()
        writer.write(raw)
        dripping = asyncio.create_task(drip(writer, byte))
        with suppress(ConnectionError, ssl.SSLError):
            async with asyncio.timeout(within_s + LATE_S):
                if raw == DRIPPING:
                    assert b" 408 " in await asyncio.wait_for(reader.readline(), REQUEST_S + LATE_S)
                await reader.read(-1)
        dripping.cancel()
        writer.close()

    async def drip(writer: asyncio.StreamWriter, byte: bytes) -> None:
        while True:
            await asyncio.sleep(1)
            writer.write(byte)

    headers = b"GET / HTTP/1.1\r\nhost: localhost\r\nx-a: "
    await asyncio.gather(ends(b"", b"", 30), ends(headers, b"a", 15), ends(DRIPPING, b"a", REQUEST_S))


async def crowd(proxy: Proxy) -> None:
    """More than 200 connections of one address are refused, and other addresses are served."""
    held = []
    for _ in range(200):
        _, writer = await proxy.connect(CROWD)
        writer.write(DRIPPING)
        held.append(writer)
    await asyncio.sleep(1)
    refused = 0
    for _ in range(20):
        with suppress(ConnectionError, ssl.SSLError):
            refused += (await proxy.send_request("GET /healthz HTTP/1.1", address=CROWD))[0] in (0, 429)
            continue
        refused += 1
    assert refused == 20
    assert (await proxy.send_request("GET /healthz HTTP/1.1"))[0] == 200
    for writer in held:
        writer.close()


if os.environ.get("SOAK"):

    @pytest.mark.timeout(600)
    @pytest.mark.parametrize("name", PROXIES)
    async def test_a_proxy_as_documented(
        name: str,
        services: Services,
        environment: dict[str, str],
        chain_settings: Callable[..., Settings],
        tmp_path: Path,
    ) -> None:
        public = {"PUBLIC_URL": "https://localhost", "TRUSTED_PROXIES": PROXY, "LOG_LEVEL": "INFO", "WEB_WORKERS": "2"}
        key = await api_key(load(environment).api_key_peppers, scopes=["invoices.write"])
        with served(environment | public, tmp_path / "web.log") as upstream, running(name, upstream, tmp_path) as proxy:
            await pages_and_address(proxy, upstream)
            await bodies(proxy, key.full)
            await asyncio.gather(streams(proxy, services), slow_clients(proxy))
            if name in COUNTS_CONNECTIONS:
                await crowd(proxy)
            assert upstream.faults() == []
