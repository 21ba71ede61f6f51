"""Swap Pay installed as in the image: the wheel and the locked versions in a virtual environment, without sources."""

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import httpx

from app.core import clock, database
from app.merchants import service as merchants
from app.sandbox import processes
from app.sandbox.home import ROOT
from app.sandbox.processes import Process
from tests.deploy import confined
from tests.signer.processes import COMMAND_TIMEOUT_S

START_TIMEOUT_S = 90
"""The first start compiles every module, which is slow on a busy machine."""

PROCFILE = dict(re.findall(r"^([a-z]+): (.+)$", (ROOT / "Procfile").read_text(), re.MULTILINE))


def build(source: Path, target: str, folder: Path) -> Path:
    """A wheel or an sdist of a source tree, built as pip builds it, but by the locked hatchling."""
    run("-m", "hatchling", "build", "--target", target, "--directory", str(folder), cwd=source)
    (made,) = folder.glob("*.whl" if target == "wheel" else "*.tar.gz")
    return made


def run(*arguments: str, cwd: Path) -> None:
    """Run the virtual environment's Python with these arguments."""
    subprocess.run([sys.executable, *arguments], cwd=cwd, check=True, capture_output=True)


class Deployment:
    """An operator's machine: the virtual environment on PATH, settings, and an empty working directory."""

    def __init__(self, venv: Path, folder: Path, settings: Mapping[str, str]) -> None:
        self.directory = folder / "work"
        self.directory.mkdir()
        self.settings = settings
        self._logs = folder / "log"
        self._environment = {"PATH": f"{venv / 'bin'}:/usr/bin:/bin", "HOME": str(folder), **settings}

    def swap_pay(self, *arguments: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
        """Run `swap-pay …` and wait for its end."""
        return subprocess.run(
            ["swap-pay", *arguments],
            cwd=self.directory,
            env=self._environment,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=COMMAND_TIMEOUT_S,
        )

    def make(self, *arguments: str, stdin: str = "") -> dict[str, str]:
        """Run a `swap-pay create-…`. Returns its JSON."""
        done = self.swap_pay(*arguments, "--json", stdin=stdin)
        assert done.returncode == 0, done.stderr
        made: dict[str, str] = json.loads(done.stdout)
        return made

    async def add_member(self, merchant_id: str, email: str) -> None:
        """Make an account the owner of a merchant that was created on the command line."""
        await database.open_pool(self.settings["DATABASE_URL"], max_size=1)
        try:
            account_id = await database.fetch_value("SELECT id FROM accounts WHERE email = $1", email)
            await merchants.add_member(merchant_id, account_id, "owner", clock.now())
        finally:
            await database.close_pool()

    def probe(self, name: str) -> "subprocess.CompletedProcess[str]":
        """Ask as Docker and Kubernetes do whether a started process works."""
        return subprocess.run(
            ["python", "-m", "app.monitoring.probe"],
            cwd=self.directory,
            env=self._environment | self._own(name),
            capture_output=True,
            text=True,
            check=False,
        )

    def _own(self, name: str) -> dict[str, str]:
        """What is another one for each container."""
        return {"HEARTBEAT_FILE": str(self._logs / f"{name}.heartbeat")}

    def start(self, name: str) -> Process:
        """Start the web process or a worker, by its line of the Procfile, confined. Returns once it is ready."""
        port = self._environment["WEB_PORT"]

        def ready(process: Process) -> bool:
            if name != "web":
                return "worker_started" in process.log_tail()
            try:
                return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=2, trust_env=False).is_success
            except httpx.TransportError:
                return False

        return processes.start(
            name,
            [sys.executable, confined.__file__, "/bin/sh", "-c", PROCFILE[name]],
            var_dir=self._logs,
            cwd=self.directory,
            env=self._environment | self._own(name),
            ready=ready,
            ready_timeout_s=START_TIMEOUT_S,
            stop_timeout_s=40,
        )


class TlsProxy(httpx.AsyncHTTPTransport):
    """The reverse proxy of production: https for browsers, http to `web`."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self._port = port

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Forward a request with its Host unchanged."""
        inside = httpx.Request(
            request.method,
            request.url.copy_with(scheme="http", host="127.0.0.1", port=self._port),
            headers=request.headers,
            stream=request.stream,
        )
        return await super().handle_async_request(inside)
