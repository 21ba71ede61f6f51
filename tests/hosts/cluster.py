"""Three database hosts with Patroni, etcd and PostgreSQL, and a proxy before them: docs/ha.md on one machine.

Each host has an address of its own on loopback, and its processes can be killed together. The figures are Patroni's
smallest: it takes no `ttl` below 20 s.
"""

import json
import os
import secrets
import shutil
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from app.sandbox import ports, processes
from app.sandbox.home import ROOT
from app.sandbox.processes import Process
from tests.hosts import programs

NAMES = ("db1", "db2", "db3")

READY_S = 120.0
"""Three servers are initialised and copied, perhaps on one slow core."""

STOP_S = 10.0
POLL_S = 0.1

SETTINGS = {
    "ttl": 20,
    "loop_wait": 1,
    "retry_timeout": 6,
    "primary_start_timeout": 0,
    "maximum_lag_on_failover": 1_048_576,
    "synchronous_mode": True,
    "synchronous_mode_strict": True,
}
PARAMETERS = {
    "wal_level": "replica",
    "hot_standby": "on",
    "max_connections": 100,
    "max_wal_senders": 8,
    "max_replication_slots": 8,
    "wal_log_hints": "on",
    "wal_keep_size": "64MB",
    "shared_buffers": "32MB",
    "synchronous_commit": "on",
    "wal_sender_timeout": "10s",
    "wal_receiver_timeout": "10s",
    "wal_receiver_status_interval": "1s",
    "wal_retrieve_retry_interval": "500ms",
    "jit": "off",
    "dynamic_shared_memory_type": "mmap",  # in the data: a server that is killed leaves nothing elsewhere
}


class Host:
    """A database host: etcd, Patroni, and the PostgreSQL that Patroni runs."""

    def __init__(self, name: str, number: int, folder: Path) -> None:
        self.name = name
        self.folder = folder / name
        self.data = self.folder / "data"
        self.address = f"127.0.77.{number}"
        free: set[int] = set()
        while len(free) < 4:
            free.add(ports.free_port())
        self.postgres_port, self.patroni_port, self.etcd_port, self.peer_port = free
        self.processes: dict[str, Process] = {}

    def start(self, cluster: "Cluster") -> None:
        """Start what does not run, etcd and Patroni."""
        self.folder.mkdir(exist_ok=True)
        if not self._runs("etcd"):
            self.processes["etcd"] = processes.start(
                "etcd", self._etcd(cluster.hosts), var_dir=self.folder, ready=lambda _: True
            )
        self.start_patroni(cluster)

    def start_patroni(self, cluster: "Cluster") -> None:
        """Start Patroni, which takes over a PostgreSQL that still runs."""
        if self._runs("patroni"):
            return
        configuration = self.folder / "patroni.json"
        configuration.write_text(json.dumps(self._patroni(cluster)))
        self.processes["patroni"] = processes.start(
            "patroni",
            [*programs.not_as_root(), str(programs.python()), "-m", "patroni", str(configuration)],
            var_dir=self.folder,
            env={"PATH": os.defpath, "HOME": str(self.folder), "LC_ALL": "C"},
            ready=lambda _: True,
            stop_timeout_s=20,
        )

    def kill(self) -> None:
        """SIGKILL everything on the host, as when its power fails."""
        for process in self.processes.values():
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        self.kill_postgres()
        for process in self.processes.values():
            process.kill()

    def stop(self) -> None:
        """End everything at once, but let the server give back its shared memory."""
        for process in self.processes.values():
            process.kill()
        servers = self.postgres_processes()
        with suppress(IndexError, psutil.Error):
            servers[0].send_signal(signal.SIGQUIT)
        processes.wait_until_ended(servers, STOP_S)
        self.kill_postgres()

    def kill_postgres(self) -> None:
        """SIGKILL the database server alone. Its Patroni goes on."""
        for process in self.postgres_processes():
            with suppress(psutil.Error):
                process.kill()

    @contextmanager
    def frozen(self, *, postgres: bool = True) -> Iterator[None]:
        """Inside, everything on the host is stopped (SIGSTOP), as on a virtual machine that is paused: connections stay
        open, and nothing answers. Without `postgres` the database server goes on alone, as on a host that is cut off
        from its peers but not from its clients."""
        stopped = [psutil.Process(process.pid) for process in self.processes.values()]
        for process in stopped:
            process.suspend()
        servers = self.postgres_processes() if postgres else []
        for process in servers:
            process.suspend()
        try:
            yield
        finally:
            for process in [*servers, *stopped]:
                with suppress(psutil.Error):
                    process.resume()

    def postgres_processes(self) -> list[psutil.Process]:
        """The database server's processes, the first first."""
        with suppress(OSError, ValueError, IndexError, psutil.Error):
            first = psutil.Process(int((self.data / "postmaster.pid").read_text().splitlines()[0]))
            if first.name() == "postgres":
                return [first, *first.children(recursive=True)]
        return []

    def says(self, path: str) -> Any:
        """What Patroni answers, where it is 200; else None."""
        url = f"http://{self.address}:{self.patroni_port}/{path}"
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return json.load(answer) if path in ("patroni", "cluster") else True
        except (urllib.error.URLError, OSError, ValueError):
            return None

    def _runs(self, name: str) -> bool:
        return name in self.processes and self.processes[name].returncode is None

    def _etcd(self, hosts: Sequence["Host"]) -> list[str]:
        peers = ",".join(f"{host.name}=http://{host.address}:{host.peer_port}" for host in hosts)
        clients, own_peer = f"http://{self.address}:{self.etcd_port}", f"http://{self.address}:{self.peer_port}"
        return [
            *(str(programs.etcd()), "--name", self.name, "--data-dir", str(self.folder / "etcd")),
            *("--listen-client-urls", clients, "--advertise-client-urls", clients),
            *("--listen-peer-urls", own_peer, "--initial-advertise-peer-urls", own_peer),
            *("--initial-cluster", peers, "--initial-cluster-state", "new", "--initial-cluster-token", "tests"),
            *("--heartbeat-interval", "200", "--election-timeout", "2000"),
            *("--unsafe-no-fsync", "--log-level", "warn"),
        ]

    def _patroni(self, cluster: "Cluster") -> dict[str, Any]:
        def account(name: str) -> dict[str, str]:
            return {"username": name, "password": cluster.password}

        return {
            "scope": "tests",
            "name": self.name,
            "restapi": {
                "listen": f"{self.address}:{self.patroni_port}",
                "connect_address": f"{self.address}:{self.patroni_port}",
            },
            "etcd3": {"hosts": ",".join(f"{host.address}:{host.etcd_port}" for host in cluster.hosts)},
            "bootstrap": {
                "dcs": {
                    **SETTINGS,
                    "postgresql": {"use_pg_rewind": True, "use_slots": True, "parameters": PARAMETERS},
                },
                "initdb": [{"encoding": "UTF8"}, {"locale": "C"}, "data-checksums", "no-sync"],
            },
            "postgresql": {
                "listen": f"{self.address}:{self.postgres_port}",
                "connect_address": f"{self.address}:{self.postgres_port}",
                "data_dir": str(self.data),
                "bin_dir": str(programs.postgres_folder()),
                "pgpass": str(self.folder / "pgpass"),
                "authentication": {
                    **{"superuser": account("postgres"), "replication": account("replicator")},
                    "rewind": account("rewinder"),
                },
                "parameters": {"unix_socket_directories": ""},
                "basebackup": [{"checkpoint": "fast"}],
                "pg_hba": [
                    "host replication replicator 127.0.0.0/8 scram-sha-256",
                    "host all all 127.0.0.0/8 scram-sha-256",
                ],
            },
            "watchdog": {"mode": "off"},
        }


class Cluster:
    """The three hosts and the proxy."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.password = secrets.token_hex(16)
        self.hosts = [Host(name, number, folder) for number, name in enumerate(NAMES, 1)]
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
def cluster(folder: Path) -> Iterator[Cluster]:
    """Three database hosts in `folder`, deleted at the end."""
    made = Cluster(folder)
    try:
        made.start()
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder, ignore_errors=True)
