"""A real EVM node for development: anvil, from npm.

The platform's binary is run directly, not the wrapper in `node_modules/.bin`: that one is a node process
which takes longer to start and which, when killed, leaves the real anvil behind.
"""

import json
import signal
import sys
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from app.sandbox import ports, processes
from app.sandbox.home import ROOT
from app.sandbox.processes import Process, ProcessError

# The mnemonic of Foundry's and Hardhat's documented development accounts; its keys are public and worth
# nothing.
DEVELOPMENT_MNEMONIC = "test test test test test test test test test test test junk"
DEVELOPMENT_CHAIN_ID = 31_337

STOP_SIGNAL = signal.SIGTERM
"""On this signal anvil writes its state, if the state is kept, and ends."""


def start(
    home_dir: Path,
    port: int | None = None,
    *,
    chain_id: int = DEVELOPMENT_CHAIN_ID,
    mnemonic: str = DEVELOPMENT_MNEMONIC,
    block_time_s: float | None = None,
    keep_state: bool = False,
    state_interval_s: int | None = None,
    family: Literal["ethereum", "optimism"] = "ethereum",
    options: Sequence[str] = (),
) -> "Anvil":
    """Start a chain on 127.0.0.1 and return once it listens.

    Without `block_time_s` each transaction is mined at once, in a block of its own. With `keep_state` the
    chain, its blocks, hashes, receipts and logs alike, is written to `home_dir/state.json` when anvil stops
    (also when this process is killed, because the kernel then signals anvil) and loaded by the next start;
    `state_interval_s` also writes it at that interval, in case anvil itself is killed. A chain of the family
    `optimism` charges for transactions' data as a rollup of the OP stack does. `options` are further arguments of
    anvil. Raises ProcessError.

    A loaded chain has no balances or calls as of a block before the load, and `anvil_reorg` can't go back past it:
    only the newest state is written, because all states need 70 MB per thousand blocks and the blocks only 2 MB.
    """
    anvil = Anvil(home_dir, port, chain_id, mnemonic, block_time_s, keep_state, state_interval_s, family, options)
    anvil._start()
    return anvil


class Anvil:
    """A running anvil. `start` makes it."""

    def __init__(
        self,
        home_dir: Path,
        port: int | None,
        chain_id: int,
        mnemonic: str,
        block_time_s: float | None,
        keep_state: bool,
        state_interval_s: int | None,
        family: str,
        options: Sequence[str],
    ) -> None:
        self.home_dir = home_dir.resolve()
        self._wanted_port = port
        self.port = port or 0
        self.chain_id = chain_id
        self.state_path = self.home_dir / "state.json" if keep_state else None
        self._options = ["--chain-id", str(chain_id), "--mnemonic", mnemonic, "--network", family]
        if block_time_s is not None:
            self._options += ["--block-time", f"{block_time_s:g}"]
        if self.state_path is not None:
            self._options += ["--state", str(self.state_path)]
        if state_interval_s is not None:
            self._options += ["--state-interval", str(state_interval_s)]
        self._options += options
        self.process: Process

    @property
    def rpc_url(self) -> str:
        """JSON-RPC over HTTP; the same after `restart`."""
        return f"http://127.0.0.1:{self.port}"

    def rpc(self, method: str, *params: object) -> Any:
        """Call `method` and return its result: for set-up, such as `anvil_mine` or `anvil_reorg`.

        Raises RuntimeError with the node's message, OSError if the node doesn't answer.
        """
        call = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        request = urllib.request.Request(self.rpc_url, call, {"Content-Type": "application/json"})  # noqa: S310
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310 - our own loopback URL
            answer = json.load(response)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error'].get('message')}")
        return answer["result"]

    def stop(self) -> None:
        """Stop, and write the state if it is kept."""
        self.process.stop()

    def kill(self) -> None:
        """SIGKILL: what is newer than the last written state is lost."""
        self.process.kill()

    def restart(self) -> None:
        """Stop (if it runs) and start again on the same port; without kept state from an empty chain."""
        self.process.stop()
        self._wanted_port = self.port
        self._start()

    def _start(self) -> None:
        self.port, self.process = ports.start_on(self._wanted_port, self._start_on)

    def _start_on(self, port: int) -> Process:
        self.home_dir.mkdir(parents=True, exist_ok=True)
        return processes.start(
            "anvil",
            [
                str(binary_path()),
                *("--host", "127.0.0.1", "--port", str(port)),
                *("--cache-path", str(self.home_dir / "cache")),  # not ~/.foundry: that is the developer's
                *self._options,
            ],
            var_dir=self.home_dir,
            ready=lambda process: f"Listening on 127.0.0.1:{port}" in process.log_tail(),
            stop_signal=STOP_SIGNAL,
            # Writing a long chain takes time.
            stop_timeout_s=30,
            ready_timeout_s=60,
        )


def binary_path() -> Path:
    """The anvil binary of this platform that `npm ci` has installed. Raises ProcessError if there is none."""
    system = {"linux": "linux", "darwin": "darwin"}.get(sys.platform, sys.platform)
    node_modules = ROOT / "node_modules"
    found = sorted(node_modules.glob(f"@foundry-rs/anvil-{system}-*/bin/anvil"))
    if not found:
        raise ProcessError(
            f"no anvil for {system} in {node_modules}: run `npm ci` in a checkout, "
            "or `npm install @foundry-rs/anvil` here"
        )
    return found[0]
