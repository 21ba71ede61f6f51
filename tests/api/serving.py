"""The whole app on a real Granian, for tests of the server's own parsing."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from app.sandbox.ports import free_port
from app.sandbox.tls import Certificates

START_TIMEOUT_S = 90
"""Most of it is the start of two interpreters on a busy machine."""


@dataclass(frozen=True)
class Served:
    """A running server; `log_path` is its log."""

    url: str
    port: int
    log_path: Path
    process: subprocess.Popen[bytes]

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
    command = [sys.executable, "-m", "app.cli", "web"]
    url = f"http://127.0.0.1:{port}"
    if certificates is not None:  # which `swap-pay web` leaves to a proxy
        url = f"https://localhost:{port}"
        command = [
            *(sys.executable, "-m", "granian", "--interface", "asgi", "--factory", "--loop", "uvloop", "--http", "1"),
            *("--host", "127.0.0.1", "--port", str(port), "--log-level", "warning"),
            *("--ssl-certificate", str(certificates.cert_path), "--ssl-keyfile", str(certificates.key_path)),
            "app.asgi:create_app",
        ]
    with log_path.open("wb") as log:
        process = subprocess.Popen(command, env={**os.environ, **settings}, stdout=log, stderr=log)
    try:
        _wait_until_ready(process, url, log_path)
        yield Served(url, port, log_path, process)
    finally:
        process.terminate()
        process.wait(15)


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, log_path: Path) -> None:
    give_up_s = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < give_up_s and process.poll() is None:
        try:
            if httpx.get(f"{url}/healthz", trust_env=False, verify=False).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError(f"the server did not start:\n{log_path.read_text()}")
