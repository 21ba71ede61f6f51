"""Three database hosts with Patroni, etcd and PostgreSQL, and a proxy before them: docs/ha.md on one machine.

Each host has an address of its own on loopback; as root, it may have a network namespace instead.
"""

import secrets
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from app.sandbox import ports, processes
from app.sandbox.home import ROOT
from app.sandbox.processes import Process
from tests.hosts.host import Host
from tests.hosts.network import Network

NAMES = ("db1", "db2", "db3")

READY_S = 120.0
"""Three servers are initialised and copied, perhaps on one slow core."""

POLL_S = 0.1


class Cluster:
    """The three hosts and the proxy. Without a network of their own the hosts are on loopback."""

    def __init__(self, folder: Path, network: Network | None = None) -> None:
        self.folder = folder
        self.network = network
        self.subnet = "127.0.0.0/8" if network is None else network.subnet
        self.password = secrets.token_hex(16)
        self.hosts = [Host(name, number, folder, network) for number, name in enumerate(NAMES, 1)]
        self.port = 0
        self._proxy: Process | None = None

    def dsn(self, database: str = "postgres") -> str:
        """The URL by which the gateway reaches the primary, whichever it is."""
        return f"postgresql://postgres:{self.password}@127.0.0.1:{self.port}/{database}"

    def dsn_of(self, host: Host, database: str = "postgres") -> str:
        """The URL of one host, not by the proxy."""
        return f"postgresql://postgres:{self.password}@{host.address}:{host.postgres_port}/{database}"

    @contextmanager
    def link(self, database: str) -> Iterator[tuple[str, Process]]:
        """A proxy of a host's own, and the URL of a database by it: while it is paused, that host is cut off."""
        port, process = self._start_proxy("link")
        try:
            yield self.dsn(database).replace(f":{self.port}/", f":{port}/"), process
        finally:
            process.kill()

    def start(self) -> None:
        """Start all, and return when each standby has what the primary has."""
        self.port, self._proxy = self._start_proxy("proxy")
        with ThreadPoolExecutor() as threads:
            list(threads.map(lambda host: host.start(self), self.hosts))
        self.wait_until_whole()

    def stop(self) -> None:
        """End all of it."""
        with ThreadPoolExecutor() as threads:
            list(threads.map(Host.stop, self.hosts))
        if self._proxy is not None:
            self._proxy.kill()

    def primary(self) -> Host | None:
        """The host that says that it is the primary."""
        return next((host for host in self.hosts if host.says("primary")), None)

    def synchronous_standby(self) -> Host | None:
        """The host that each commit waits for."""
        return next((host for host in self.hosts if host.says("synchronous")), None)

    def wait_until_whole(self) -> None:
        """Return when there is a primary, a synchronous standby, and one more that streams."""
        self._wait(self._is_whole, "three hosts at work")

    def wait_for_another_primary(self, than: Host) -> Host:
        """The host that has become the primary in place of `than`."""

        def found() -> Host | None:
            return next((host for host in self.hosts if host is not than and host.says("primary")), None)

        other = self._wait(found, "another primary")
        assert isinstance(other, Host)
        return other

    def logs(self) -> str:
        """The last lines of each Patroni."""
        each = [f"--- {host.name}\n{one.log_tail()}" for host in self.hosts for one in host.processes.values()]
        return "\n".join(each)

    def _is_whole(self) -> bool:
        states = [host.says("patroni") or {} for host in self.hosts]
        return (
            self.primary() is not None
            and self.synchronous_standby() is not None
            and sorted(str(state.get("replication_state")) for state in states) == ["None", "streaming", "streaming"]
        )

    def _wait(self, wanted: Callable[[], object], what: str) -> object:
        deadline_s = time.monotonic() + READY_S
        while not (found := wanted()):
            assert time.monotonic() < deadline_s, f"not within {READY_S:g} s: {what}\n{self.logs()}"
            time.sleep(POLL_S)
        return found

    def _start_proxy(self, name: str) -> tuple[int, Process]:
        hosts = [f"{host.address}:{host.postgres_port}:{host.patroni_port}" for host in self.hosts]

        def start(port: int) -> Process:
            return processes.start(
                name,
                [sys.executable, "-m", "tests.hosts.proxy", str(port), *hosts],
                var_dir=self.folder,
                cwd=ROOT,
                ready=lambda process: "listening" in process.log_tail(),
            )

        return ports.start_on(None, start)


@contextmanager
def cluster(folder: Path, network: Network | None = None) -> Iterator[Cluster]:
    """Three database hosts in `folder`, deleted at the end."""
    made = Cluster(folder, network)
    try:
        made.start()
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder, ignore_errors=True)
