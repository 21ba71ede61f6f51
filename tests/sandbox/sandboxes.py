"""A sandbox for tests: it runs the commands of a user, and finds the processes that they start."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import psutil

from app.sandbox.chains import NETWORKS_VARIABLE
from app.sandbox.customer import EvmCustomer
from app.sandbox.home import ROOT, Home, Interface
from app.sandbox.integrator import Integrator
from tests import commands


class Sandbox:
    """`swap-pay sandbox …` with a directory and chains of its own."""

    def __init__(self, directory: Path, *, networks: str = "ethereum") -> None:
        self.home = Home(directory)
        self.networks = networks
        self._running: subprocess.Popen[str] | None = None

    def command(self, *arguments: str, timeout_s: float = 300) -> "subprocess.CompletedProcess[str]":
        """Run a command and wait for its end: one that starts the sandbox as a user does, another as a fork."""
        if arguments[0] not in ("run", "demo"):
            return commands.run("sandbox", *arguments, env=self._env(), timeout_s=timeout_s)
        return subprocess.run(
            self._argv(arguments),
            cwd=ROOT,
            env=self._env(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
        )

    def run(self) -> "subprocess.Popen[str]":
        """Start `sandbox run`. Returns once it prints that it stays up."""
        self._running = subprocess.Popen(
            self._argv(("run",)),
            cwd=ROOT,
            env=self._env(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self._running.stdout is not None
        lines = []
        for line in self._running.stdout:
            lines.append(line)
            if "for scripts" in line:
                return self._running
        raise AssertionError("it ended:\n" + "".join(lines))

    def stop(self, how: signal.Signals = signal.SIGINT) -> int:
        """Send `sandbox run` a signal and wait for its end; its exit status."""
        assert self._running is not None
        self._running.send_signal(how)
        self._running.communicate(timeout=120)
        return self._running.returncode

    def ensure_stopped(self) -> None:
        """Stop it at the end of a test, also of a failed one."""
        if self._running is not None and self._running.poll() is None:
            self.stop(signal.SIGTERM)

    @property
    def interface(self) -> Interface:
        """The content of `sandbox.json`."""
        return msgspec.json.decode(self.home.interface_file.read_bytes(), type=Interface)

    def integrator(self) -> Integrator:
        """A merchant's server with the sandbox's key."""
        return Integrator(self.interface)

    def customer(self) -> EvmCustomer:
        """The sandbox's customer on ethereum."""
        assert self.interface.networks.ethereum is not None
        return EvmCustomer(self.interface.networks.ethereum, self.home.directory / "customer.lock")

    def processes(self) -> list[psutil.Process]:
        """Every running process that `sandbox run` has started, found by its arguments, environment or directory."""
        marks = (str(self.home.directory), str((self.home.postgres / "data").resolve()))
        return [process for process in psutil.process_iter() if _mentions(process, marks)]

    def _argv(self, arguments: tuple[str, ...]) -> list[str]:
        return [sys.executable, "-m", "app.cli", "sandbox", *arguments]

    def _env(self) -> dict[str, str]:
        return {**os.environ, "SWAP_PAY_VAR": str(self.home.directory), NETWORKS_VARIABLE: self.networks}


def _mentions(process: psutil.Process, marks: tuple[str, ...]) -> bool:
    try:
        if process.status() == psutil.STATUS_ZOMBIE or process.pid == os.getpid():
            return False
        words: list[Any] = [*process.cmdline(), *process.environ().values(), process.cwd()]
    except psutil.Error:
        return False
    return any(mark in word for mark in marks for word in words)
