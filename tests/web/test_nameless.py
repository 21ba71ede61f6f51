"""No answer says which software gave it, and over a socket too HEAD is GET without a body."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from app.core.settings import Settings
from tests.checkout.running import METRICS_TOKEN, running_app

FACES = (
    "/healthz",
    "/readyz",
    "/metrics",
    "/sign-in",
    "/account",
    "/pay/INV-0123456789.tampered",
    "/robots.txt",
    "/docs/api",
    "/docs/errors",
    "/docs/nowhere",
    "/nowhere",
    "/%00",
    "/api/v1/openapi.json",
    "/api/v1/merchant/balance",
    "/api/nowhere",
    "/static/nowhere.css",
)
BROKEN = (b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", b"\x00\x01\r\n\r\n")


@pytest.mark.usefixtures("db", "valkey")
async def test_no_answer_names_the_server(
    chain_settings: Callable[..., Settings], environment: dict[str, str], tmp_path: Path
) -> None:
    chain_settings()  # writes the networks file that the environment names
    async with running_app(environment, tmp_path, sandbox=False) as app:
        for path in FACES:
            for method in ("GET", "POST", "OPTIONS", "HEAD"):
                answer = await app.client.request(method, path, headers={"Authorization": f"Bearer {METRICS_TOKEN}"})
                named = [answer.headers.get_list(name) for name in ("server", "x-powered-by", "via")]
                assert named == [["web"], [], []], f"{method} {path}"
                assert "granian" not in str(answer.headers).lower() + answer.text.lower(), f"{method} {path}"
                assert answer.status_code < 500, f"{method} {path}"
                assert answer.headers.get("content-type", "").count("charset") <= 1, f"{method} {path}"
            head, got = await app.client.head(path), await app.client.get(path)
            assert (head.status_code, head.content) == (got.status_code, b""), path
            assert head.headers.keys() == got.headers.keys(), path
        for request in BROKEN:
            assert b"granian" not in (await answer_to(app.port, request)).lower(), request


async def answer_to(port: int, request: bytes) -> bytes:
    """The whole answer to some bytes, until the connection is closed or, once something came, silent for a second."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    await writer.drain()
    received = b""
    try:
        while chunk := await asyncio.wait_for(reader.read(65_536), 1 if received else 30):
            received += chunk
    except (TimeoutError, ConnectionError):
        pass
    writer.close()
    return received
