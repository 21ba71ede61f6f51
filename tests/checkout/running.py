"""The app as Granian serves it, in a process of its own, for tests that need its sockets."""

import asyncio
import os
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from app.sandbox import ports
from tests import commands

METRICS_TOKEN = "m" * 32
READY_S, STOP_TIMEOUT_S = 50.0, 5.0
"""Long, for a busy machine."""


class RunningApp:
    """A web process on loopback. Addresses in `X-Forwarded-For` count, so that a test may come from anywhere."""

    def __init__(self, port: int, client: httpx.AsyncClient) -> None:
        self.port = port
        self.client = client

    def url(self, slug: str) -> str:
        """The page of a payment link's last part."""
        return f"http://127.0.0.1:{self.port}/pay/{slug}"

    async def open_streams(self) -> int:
        """The number of its event streams, from its metrics."""
        answer = await self.client.get("/metrics", headers={"Authorization": f"Bearer {METRICS_TOKEN}"})
        figures = dict(re.findall(r"^swap_pay_checkout_streams_(opened|closed)_total (\S+)$", answer.text, re.M))
        return int(float(figures["opened"]) - float(figures["closed"]))

    async def until_open(self, wanted: int, timeout_s: float = 30) -> None:
        """Wait until it holds exactly this many streams."""
        async with asyncio.timeout(timeout_s):
            while await self.open_streams() != wanted:
                await asyncio.sleep(0.05)


@asynccontextmanager
async def running_app(
    environment: dict[str, str], var_dir: Path, *, sandbox: bool, host: str = "127.0.0.1"
) -> AsyncIterator[RunningApp]:
    """Serves the deployment that `environment` describes, on any free port, with one worker. `host` is a name of this
    machine's, by which its pages are opened."""
    port = ports.free_port()
    settings = environment | {
        "SWAP_PAY_ENV": "sandbox" if sandbox else "test",
        "PUBLIC_URL": f"http://{host}:{port}",
        "WEB_PORT": str(port),
        "WEB_WORKERS": "1",
        "METRICS_TOKEN": METRICS_TOKEN,
        "TRUSTED_PROXIES": "127.0.0.0/8",
        "LOG_LEVEL": "WARNING",
    }

    var_dir.mkdir(exist_ok=True)
    log = var_dir / "web.log"
    process = commands.start("web", env={"PATH": os.environ["PATH"], **settings}, log=log)
    try:
        async with asyncio.timeout(READY_S):
            while not _answers(port):
                assert process.exitcode is None, log.read_text()[-3000:]
                await asyncio.sleep(0.02)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20, trust_env=False) as client:
            yield RunningApp(port, client)
    finally:
        await asyncio.to_thread(commands.stop, process, STOP_TIMEOUT_S)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
