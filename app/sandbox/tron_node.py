"""A double of a Tron node for development: java-tron's HTTP API over a chain of its own (app/sandbox/tron_double/).

    POST, GET  /wallet/…, /walletsolidity/…            the node
    POST, GET  /<name>/wallet/…                        another node of the same chain, with faults of its own
    POST       /double/…                               the control: tron_double/control.py

It is a program of its own, with an anvil as its child. It is no java-tron: see tron_double/ for what it models.
"""

import sys
from pathlib import Path

from app.sandbox import ports, processes
from app.sandbox.home import ROOT
from app.sandbox.processes import Process
from app.sandbox.tron_double.state import GENESIS_ID

SLOT_MS = 3_000
"""Tron's time between blocks."""

_STOP_TIMEOUT_S = 30
_READY_TIMEOUT_S = 60


def start(
    home_dir: Path,
    port: int | None = None,
    *,
    slot_ms: int = SLOT_MS,
    mines: bool = False,
    keep_state: bool = False,
    genesis_id: str = GENESIS_ID,
) -> "TronNode":
    """Start a node on 127.0.0.1 and return once it answers. Without `port` a free one is taken.

    `mines`: it makes a block each `slot_ms`; otherwise only when the control asks for one. With `keep_state` the chain
    is written to `home_dir/chain.json` every 30 s and when it stops (also when this process is killed, because the
    kernel then signals it), and continued by the next start. Raises ProcessError.
    """
    node = TronNode(home_dir, port, slot_ms, mines, keep_state, genesis_id)
    node._start()
    return node


class TronNode:
    """A running node. `start` makes it."""

    def __init__(
        self, home_dir: Path, port: int | None, slot_ms: int, mines: bool, keep_state: bool, genesis_id: str
    ) -> None:
        self.home_dir = home_dir.resolve()
        self.port = port or 0
        self.genesis_id = genesis_id
        self.state_path = self.home_dir / "chain.json"
        self._wanted_port = port
        self._options = ["--home", str(self.home_dir), "--slot-ms", str(slot_ms), "--genesis-id", genesis_id]
        self._options += ["--mines"] if mines else []
        self._options += ["--keep-state"] if keep_state else []
        self.process: Process

    @property
    def api_url(self) -> str:
        """The node's URL, without a path; the same after `restart`."""
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        """Stop, and write the chain if it is kept."""
        self.process.stop()

    def kill(self) -> None:
        """SIGKILL: what is newer than the last written chain is lost."""
        self.process.kill()

    def restart(self) -> None:
        """Stop (if it runs) and start again on the same port; without kept state from a new chain."""
        self.process.stop()
        self._wanted_port = self.port
        self._start()

    def _start(self) -> None:
        self.port, self.process = ports.start_on(self._wanted_port, self._start_on)

    def _start_on(self, port: int) -> Process:
        return processes.start(
            "tron",
            [sys.executable, "-m", "app.sandbox.tron_double.server", *self._options, "--port", str(port)],
            var_dir=self.home_dir,
            cwd=ROOT,
            ready=lambda child: f"listening on http://127.0.0.1:{port}\n" in child.log_tail() + "\n",
            ready_timeout_s=_READY_TIMEOUT_S,
            stop_timeout_s=_STOP_TIMEOUT_S,
        )
