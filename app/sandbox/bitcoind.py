"""A real Bitcoin node for development: bitcoind in regtest, with blocks on demand and coins that are worth nothing.

It has no peers. Its own wallet plays the customer (`bitcoin_driver.py`), never the gateway.
"""

import json
import os
import secrets
import shutil
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.sandbox import bitcoind_package, ports, processes
from app.sandbox.processes import Process, ProcessError

BITCOIND_VARIABLE = "BITCOIND"
RPC_USER = "sandbox"
OPTIONS = (
    "-regtest",
    "-server",
    "-listen=0",
    "-dbcache=4",
    "-par=1",
    "-maxmempool=50",
    "-keypool=5",
    "-unsafesqlitesync",  # without it, a new wallet takes seconds
    "-fallbackfee=0.0001",  # BTC per kvB; an empty chain has no fees to estimate from
    "-addresstype=bech32",  # Knots' default is legacy
    "-changetype=bech32",
    "-blockmaxweight=3996000",  # Core's default; Knots' is a third of it
    "-maxtipage=2000000000",  # seconds; without it, a chain that stood for a day is "in initial download"
    "-nodebuglogfile",  # the log goes to stdout
)

# Knots alone has this option, and Core would not start with it on the command line. With it, Knots refuses a lock
# time of 21, which its own wallet draws now and then.
_KNOTS_CONFIGURATION = "rejectparasites=0\n"

_READY, _PORT_IN_USE = "init message: Done loading", "Binding RPC on address"
_STOP_TIMEOUT_S, _READY_TIMEOUT_S = 30, 60
_RPC_TIMEOUT_S = 30


def find() -> Path | None:
    """The bitcoind to run: the one that BITCOIND names, else one on PATH, else the fetched one. None if there is none.

    `bitcoind_package.fetch` gets one. Raises ProcessError if BITCOIND names no program.
    """
    if named := os.environ.get(BITCOIND_VARIABLE):
        if (program := shutil.which(named)) is None:
            raise ProcessError(f"{BITCOIND_VARIABLE} is {named}, which is no program")
        return Path(program)
    if (on_path := shutil.which("bitcoind")) is not None:
        return Path(on_path)
    return bitcoind_package.fetched()


def start(
    home_dir: Path, port: int | None = None, *, options: Sequence[str] = (), keep_state: bool = False
) -> "Bitcoind":
    """Start a node whose RPC is on 127.0.0.1, and return once it answers. Without `port` a free one is taken.

    `options` are further arguments of bitcoind, such as `-prune=1`. With `keep_state` the chain, the pool and the
    wallets of `home_dir` are used again; without it they are deleted before the start. `kill` loses blocks that were
    not written yet, all of them on a short chain. Raises ProcessError, also if there is no bitcoind.
    """
    bitcoind = Bitcoind(home_dir, port, options, keep_state)
    bitcoind._start()
    return bitcoind


class Bitcoind:
    """A running node. `start` makes it."""

    def __init__(self, home_dir: Path, port: int | None, options: Sequence[str], keep_state: bool) -> None:
        self.home_dir = home_dir.resolve()
        self.data_dir = self.home_dir / "data"
        self.keeps_state = keep_state
        self.port = port or 0
        self.rpc_password = secrets.token_hex(16)
        self._wanted_port = port
        self._options = tuple(options)
        self.process: Process

    @property
    def rpc_user(self) -> str:
        """The user of the RPC."""
        return RPC_USER

    @property
    def rpc_url(self) -> str:
        """JSON-RPC over HTTP, `http://user:password@127.0.0.1:port`; the same after `restart`."""
        return f"http://{RPC_USER}:{self.rpc_password}@127.0.0.1:{self.port}"

    def rpc(self, method: str, *params: object) -> Any:
        """Call `method` of the node, not of a wallet, and return its result. For set-up; tests use `BitcoinDriver`.

        Raises RuntimeError with the node's message, OSError if the node doesn't answer.
        """
        passwords = urllib.request.HTTPPasswordMgrWithPriorAuth()
        url = f"http://127.0.0.1:{self.port}/"
        passwords.add_password(None, url, RPC_USER, self.rpc_password, is_authenticated=True)
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPBasicAuthHandler(passwords)
        )
        call = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        with opener.open(url, call, timeout=_RPC_TIMEOUT_S) as response:
            answer = json.load(response)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error'].get('message')}")
        return answer["result"]

    def stop(self) -> None:
        """Stop, and write chain, pool and wallets."""
        self.process.stop()

    def kill(self) -> None:
        """SIGKILL: blocks that were not written are lost, and so is the pool."""
        self.process.kill()

    def restart(self) -> None:
        """Stop (if it runs) and start again on the same port; without kept state from an empty chain."""
        self.process.stop()
        self._wanted_port = self.port
        self._start()

    def _start(self) -> None:
        program = find()
        if program is None:
            raise ProcessError(f"there is no bitcoind here: {bitcoind_package.HOW_TO_INSTALL}")
        self.port, self.process = ports.start_on(self._wanted_port, lambda port: self._start_on(port, program))

    def _start_on(self, port: int, program: Path) -> Process:
        try:
            return processes.start(
                "bitcoind",
                [str(program), f"-datadir={self.data_dir}", *OPTIONS, *self._options],
                var_dir=self.home_dir,
                before=lambda: self._prepare(port),
                ready=lambda process: _READY in process.log_tail(),
                ready_timeout_s=_READY_TIMEOUT_S,
                stop_timeout_s=_STOP_TIMEOUT_S,
                env={"PATH": os.environ.get("PATH", os.defpath), "HOME": str(self.home_dir), "MALLOC_ARENA_MAX": "1"},
            )
        except ProcessError as error:
            if _PORT_IN_USE in str(error):
                raise ProcessError(f"port {port} is already in use. {error}") from None
            raise

    def _prepare(self, port: int) -> None:
        if not self.keeps_state:
            shutil.rmtree(self.data_dir, ignore_errors=True)
        self.data_dir.mkdir(parents=True, exist_ok=True)
        # In a file of the owner's alone: every account of the machine can read a command line.
        configuration = self.data_dir / "bitcoin.conf"
        configuration.unlink(missing_ok=True)
        configuration.touch(mode=0o600)
        configuration.write_text(
            f"[regtest]\nrpcbind=127.0.0.1\nrpcallowip=127.0.0.1\nrpcport={port}\n"
            f"rpcuser={RPC_USER}\nrpcpassword={self.rpc_password}\n{_KNOTS_CONFIGURATION}"
        )
