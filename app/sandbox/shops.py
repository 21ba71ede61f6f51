"""The example shops of the checkout, run beside the gateway as shops of the demo merchant.

A shop is a program in a folder of `examples/`. Everything that it needs is in its environment:

    SWAP_PAY_URL, SWAP_PAY_KEY     the gateway, and a key of the merchant
    SWAP_PAY_WEBHOOK_SECRET        of the shop's own endpoint, `<an https address>/webhooks/swap-pay`
    SHOP_PORT, SHOP_URL            where it listens on 127.0.0.1, and how a browser gets there
    SHOP_DATA                      a folder for what it stores

Without a checkout there are none, and the sandbox does without them.
"""

import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from app.core import resources
from app.sandbox import deployment, ports, processes
from app.sandbox.home import ROOT, Home, ShopEndpoint, ShopInterface
from app.sandbox.processes import Process, ProcessError
from app.sandbox.tls import Certificates
from app.sandbox.tls_front import TlsFront

EXAMPLES = ROOT / "examples"
PYTHON_CLIENT = ROOT / "clients" / "python" / "src"
TYPESCRIPT_CLIENT = ROOT / "clients" / "typescript"
WEBHOOK_PATH = "/webhooks/swap-pay"

RESTART_PAUSE_S = 5.0
"""A shop that dies is started again, but not at once: somebody may be changing its code."""


class Kind(NamedTuple):
    """An example shop. `command` gives what to run in its folder, or None where something that it needs is missing."""

    name: str
    usual_port: int
    command: Callable[[Path], list[str] | None]


def _on_node(folder: Path) -> list[str] | None:
    """The shop on Express. Its packages and the TypeScript client are made by `make run`."""
    node = shutil.which("node")
    needed = (folder / "node_modules" / "express" / "package.json", TYPESCRIPT_CLIENT / "dist" / "index.js")
    return [node, "shop.js"] if node is not None and all(path.is_file() for path in needed) else None


KINDS = (
    Kind("shop", 8010, lambda folder: [sys.executable, "shop.py"]),
    Kind("shop-express", 8011, _on_node),
)


def present(say: Callable[[str], None] = lambda line: None) -> list[Kind]:
    """The shops that can be run here: none without a checkout, whatever the working directory has. `say` hears of one
    whose packages are missing."""
    if resources.CHECKOUT is None:
        return []
    here = [kind for kind in KINDS if (EXAMPLES / kind.name).is_dir()]
    ready = [kind for kind in here if kind.command(EXAMPLES / kind.name)]
    for kind in here:
        if kind not in ready:
            say(f"Without the example {kind.name}: what it needs is not installed. `make run` installs it.")
    return ready


class Shop:
    """One shop: its ports are taken when this is made, its process starts with `start`."""

    def __init__(self, kind: Kind, home: Home, certificates: Certificates) -> None:
        self.kind = kind
        self._home = home
        self._port = ports.HeldPort(kind.usual_port)
        self._front = TlsFront(certificates, self._port.number)
        self._environment: dict[str, str] = {}
        self._process: Process | None = None
        self._died_at_s: float | None = None

    @property
    def url(self) -> str:
        """Its address for browsers."""
        return f"http://127.0.0.1:{self._port.number}"

    @property
    def webhook_url(self) -> str:
        """Its address for webhooks."""
        return f"https://localhost:{self._front.port}{WEBHOOK_PATH}"

    @property
    def log(self) -> Path:
        """The log of its process."""
        return self._home.logs / f"{self.kind.name}.log"

    def interface(self, endpoint: ShopEndpoint) -> ShopInterface:
        """Its part of `sandbox.json`."""
        return ShopInterface(
            name=self.kind.name, url=self.url, webhook_url=self.webhook_url, endpoint_id=endpoint.endpoint_id
        )

    def start(self, base_url: str, api_key: str, endpoint: ShopEndpoint) -> None:
        """Start its process, without waiting until it answers. Raises ProcessError."""
        data = self._home.shops / self.kind.name
        data.mkdir(parents=True, exist_ok=True)
        self._environment = deployment.process_environment(
            {
                "PYTHONPATH": str(PYTHON_CLIENT),
                "SWAP_PAY_URL": base_url,
                "SWAP_PAY_KEY": api_key,
                "SWAP_PAY_WEBHOOK_SECRET": endpoint.secret,
                "SHOP_PORT": str(self._port.number),
                "SHOP_URL": self.url,
                "SHOP_DATA": str(data),
            }
        )
        self._port.hand_over()
        self._run()

    def revive(self) -> bool:
        """Start it again some seconds after it has died. Returns whether it has died since the last call."""
        if self._process is None or self._process.returncode is None:
            return False
        if self._died_at_s is None:
            self._died_at_s = time.monotonic()
            return True
        if time.monotonic() - self._died_at_s >= RESTART_PAUSE_S:
            self._died_at_s = None
            self._process.kill()
            self._run()
        return False

    def stop(self) -> None:
        """Stop it. What it has stored is kept."""
        if self._process is not None:
            self._process.stop()
        self._front.stop()
        self._port.release()

    def _run(self) -> None:
        folder = EXAMPLES / self.kind.name
        argv = self.kind.command(folder)
        if argv is None:
            raise ProcessError(f"{self.kind.name}: what it needs was there a moment ago, and is gone")
        self._process = processes.start(
            self.kind.name, argv, var_dir=self._home.logs, cwd=folder, env=self._environment, ready=lambda process: True
        )
