"""The whole app on a real Granian, for tests of the server's own parsing."""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import httpx
from granian import Granian
from granian.constants import HTTPModes, Interfaces, Loops
from granian.log import LogLevels

from app.sandbox.ports import free_port
from app.sandbox.tls import Certificates
from tests import commands

START_TIMEOUT_S, STOP_TIMEOUT_S = 90, 15
"""Long, for a busy machine."""


@dataclass(frozen=True)
class Served:
    """A running server; `log_path` is its log."""

    url: str
    port: int
    log_path: Path
    process: ForkServerProcess

    def faults(self) -> list[str]:
        """The lines of its log about faults of the gateway."""
        return [line for line in self.log_path.read_text().splitlines() if "request_failed" in line]


@contextmanager
def served(
    environment: Mapping[str, str], log_path: Path, certificates: Certificates | None = None
) -> Iterator[Served]:
    """One process of `swap-pay web` with these settings, stopped at the end; with `certificates` it speaks TLS."""
    port = free_port()
    settings = {"WEB_WORKERS": "1", "LOG_LEVEL": "WARNING", **environment, "WEB_PORT": str(port)}
    env = {**os.environ, **settings}
    log_path.write_bytes(b"")
    if certificates is None:
        url, process = f"http://127.0.0.1:{port}", commands.start("web", env=env, log=log_path)
    else:  # which `swap-pay web` leaves to a proxy
        url = f"https://localhost:{port}"
        process = commands.forked(_serve_tls, port, certificates, env=env, output=log_path, errors=log_path)
    try:
        _wait_until_ready(process, url, log_path)
        yield Served(url, port, log_path, process)
    finally:
        commands.stop(process, STOP_TIMEOUT_S)


def _serve_tls(port: int, certificates: Certificates) -> None:
    Granian(
        "app.asgi:create_app", factory=True, address="127.0.0.1", port=port, interface=Interfaces.ASGI,
        loop=Loops.uvloop, http=HTTPModes.http1, log_level=LogLevels.warning,
        ssl_cert=certificates.cert_path, ssl_key=certificates.key_path,
    ).serve()  # fmt: skip


def _wait_until_ready(process: ForkServerProcess, url: str, log_path: Path) -> None:
    give_up_s = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < give_up_s and process.exitcode is None:
        try:
            if httpx.get(f"{url}/healthz", trust_env=False, verify=False).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError(f"the server did not start:\n{log_path.read_text()}")
