"""Two of every process of a running sandbox, so that each can be replaced while the other works."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from app.sandbox import ports, processes
from app.sandbox.home import ROOT
from app.sandbox.integrator import wait_for
from app.sandbox.stack import APP
from tests import commands
from tests.resilience.balancer import Balancer
from tests.resilience.world import Running

START_S, STOP_S = 90, 60
"""Long, for a busy machine. A process may take 30 s to finish its work."""

DRAIN_S = 4
"""Many times as long as the balancer takes to notice, for a busy machine."""


@dataclass
class Member:
    """One process of the fleet, such as `chain` number 2. `code` is the checkout that it runs from."""

    kind: str
    number: int
    code: Path
    port: int = 0
    exits: list[int | None] = field(default_factory=list)
    """How it ended, each time that it was told to stop; None: it did not, and was killed."""
    pid: int = 0
    exit_code: Callable[[], int | None] = lambda: None
    kill: Callable[[], None] = lambda: None


class Fleet:
    """Two of each kind: a sandbox's own workers and further ones, and two web processes behind a balancer.

    `second` is the checkout that the further ones run from. The sandbox's own web process gets no requests.
    """

    def __init__(self, running: Running, folder: Path, second: Path = ROOT) -> None:
        self._stack = running.stack
        self._folder = folder
        self.members = [Member(kind, number, code) for number, code in ((1, ROOT), (2, second)) for kind in APP]
        for member in self.of("web"):
            member.port = ports.free_port()
        self.balancer = Balancer([member.port for member in self.of("web")])

    @property
    def base_url(self) -> str:
        """Where the balancer listens."""
        return f"http://127.0.0.1:{self.balancer.port}"

    def of(self, *kinds: str) -> list[Member]:
        """The members of these kinds."""
        return [member for member in self.members if member.kind in kinds]

    def numbered(self, number: int) -> list[Member]:
        """The first, or the second, of each kind."""
        return [member for member in self.members if member.number == number]

    @contextmanager
    def up(self) -> Iterator[None]:
        """Inside, the fleet works. Afterwards only the sandbox's own processes do."""
        try:
            with self.balancer.running():
                at_once(self.start, [member for member in self.members if not self._is_own(member)])
                for member in filter(self._is_own, self.members):
                    self._watch_own(member)
                yield
        finally:
            for member in self.members:
                if not self._is_own(member):
                    member.kill()
            self._stack.revive()

    def start(self, member: Member) -> None:
        """Start a member, and wait until it works."""
        if self._is_own(member):
            self._stack.start_app(member.kind)
            self._watch_own(member)
        elif member.code == ROOT:
            self._fork(member)
        else:
            self._start_elsewhere(member)

    def replace(self, member: Member) -> None:
        """Tell a member to stop, as a supervisor does; once it has ended, start it again."""
        os.kill(member.pid, signal.SIGTERM)
        deadline_s = time.monotonic() + STOP_S
        while member.exit_code() is None and time.monotonic() < deadline_s:
            time.sleep(0.02)
        member.exits.append(member.exit_code())
        member.kill()
        self.start(member)

    def _is_own(self, member: Member) -> bool:
        return member.number == 1 and member.kind != "web"

    def _watch_own(self, member: Member) -> None:
        process = self._stack.app[member.kind]
        self._watch(member, process.pid, lambda: process.returncode, process.kill)
        until(f"the start of {member}", lambda: "worker_started" in process.log_tail())

    def _fork(self, member: Member) -> None:
        log = self._log(member)
        log.write_bytes(b"")
        process = commands.start(*APP[member.kind], env=self._environment(member), log=log)
        assert process.pid is not None
        self._watch(member, process.pid, lambda: process.exitcode, lambda: commands.stop(process, 0))
        until(f"the start of {member}", lambda: self._works(member, log.read_text()))

    def _start_elsewhere(self, member: Member) -> None:
        process = processes.start(
            f"{member.kind}-{member.number}",
            [sys.executable, "-m", "app.cli", *APP[member.kind]],
            var_dir=self._folder,
            cwd=member.code,
            env=self._environment(member),
            ready=lambda process: self._works(member, process.log_tail()),
            ready_timeout_s=START_S,
        )
        self._watch(member, process.pid, lambda: process.returncode, process.kill)

    def _watch(self, member: Member, pid: int, exit_code: Callable[[], int | None], kill: Callable[[], None]) -> None:
        member.pid, member.exit_code, member.kill = pid, exit_code, kill

    def _environment(self, member: Member) -> dict[str, str]:
        web = {"WEB_PORT": str(member.port), "WEB_WORKERS": "1", "WEB_DRAIN_S": str(DRAIN_S)}
        own = {"web": web, "signer": self._stack._signer_environment}
        return self._stack.environment | own.get(member.kind, {})

    def _works(self, member: Member, log: str) -> bool:
        return member.port in self.balancer.ready if member.kind == "web" else "worker_started" in log

    def _log(self, member: Member) -> Path:
        return self._folder / f"{member.kind}-{member.number}.log"


def at_once(act: Callable[[Member], object], members: Sequence[Member]) -> None:
    """Do something to several members at the same time."""
    with ThreadPoolExecutor(len(members)) as threads:
        list(threads.map(act, members))


def until(what: str, holds: Callable[[], bool], timeout_s: float = START_S) -> None:
    """Wait until a condition holds. Raises IntegratorError after the time limit."""
    wait_for(what, lambda: holds() or None, timeout_s)
