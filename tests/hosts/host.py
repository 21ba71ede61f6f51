"""A database host of the tests: etcd, Patroni, and the PostgreSQL that Patroni runs.

Its processes can be killed and paused together. The figures are Patroni's smallest: it takes no `ttl` below 20 s.
"""

import json
import os
import signal
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from app.sandbox import ports, processes
from app.sandbox.processes import Process
from tests.hosts import programs
from tests.hosts.network import Network

if TYPE_CHECKING:
    from tests.hosts.cluster import Cluster

STOP_S = 10.0

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
    """A host with an address of its own: on loopback, or in its own namespace of a network. What it stores for the
    database is on `disk`."""

    def __init__(self, name: str, number: int, folder: Path, network: Network | None) -> None:
        self.name = name
        self.folder = folder / name
        self.disk = self.folder / "disk"
        self.data = self.disk / "data"
        self.address = f"127.0.77.{number}" if network is None else network.address(name)
        self._inside = [] if network is None else network.inside(name)
        free: set[int] = set()
        while len(free) < 4:
            free.add(ports.free_port())
        self.postgres_port, self.patroni_port, self.etcd_port, self.peer_port = free
        self.processes: dict[str, Process] = {}

    def start(self, cluster: "Cluster") -> None:
        """Start what does not run, etcd and Patroni."""
        self.disk.mkdir(parents=True, exist_ok=True)
        if self._is_to_start("etcd"):
            self.processes["etcd"] = processes.start(
                "etcd", [*self._inside, *self._etcd(cluster.hosts)], var_dir=self.folder, ready=lambda _: True
            )
        self.start_patroni(cluster)

    def start_patroni(self, cluster: "Cluster", own: Mapping[str, str] | None = None) -> None:
        """Start Patroni, which takes over a PostgreSQL that still runs. `own` are variables of its environment, and of
        the servers that it starts."""
        if not self._is_to_start("patroni"):
            return
        configuration = self.folder / "patroni.json"
        configuration.write_text(json.dumps(self._patroni(cluster)))
        self.processes["patroni"] = processes.start(
            "patroni",
            [*self._inside, *programs.not_as_root(), str(programs.python()), "-m", "patroni", str(configuration)],
            var_dir=self.folder,
            env={"PATH": os.defpath, "HOME": str(self.folder), "LC_ALL": "C", **(own or {})},
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

    def restart(self, cluster: "Cluster", own: Mapping[str, str]) -> None:
        """Start Patroni and then, by it, the database server again, with these variables in their environment. A
        primary stays one."""
        self.processes["patroni"].kill()
        self.start_patroni(cluster, own)
        cluster.wait_until_whole()
        url = f"http://{self.address}:{self.patroni_port}/restart"
        urllib.request.urlopen(urllib.request.Request(url, data=b"{}"), timeout=60).close()

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

    def _is_to_start(self, name: str) -> bool:
        process = self.processes.get(name)
        if process is not None and process.returncode is None:
            return False
        if process is not None:
            process.kill()  # what has ended by itself still holds its lock
        return True

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
                    f"host replication replicator {cluster.subnet} scram-sha-256",
                    f"host all all {cluster.subnet} scram-sha-256",
                ],
            },
            "watchdog": {"mode": "off"},
        }
