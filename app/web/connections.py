"""A limit on connections of one address (WEB_CONNECTIONS_PER_ADDRESS), over all web processes of the host.

ASGI shows requests and not connections, and Granian has no limit of its own. But the kernel knows every connection
to our port (app/web/sock_diag.py). Twice a second each web process reads that list, and shuts down those of its own
connections that are too many for their address, the newest first. All processes see the same list and so choose the
same connections. Trusted proxies are exempt: they connect for many clients, and the kernel leaves their connections
out, so that behind a proxy the list is nearly empty.

The same thread gives our listening socket TCP_USER_TIMEOUT, which its connections inherit: the kernel then
closes the connection of a peer that reads nothing of an answer or has disappeared.

Only on Linux; elsewhere (development on macOS) nothing is counted.
"""

import os
import socket
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from itertools import chain

from app.core import metrics
from app.core.logging import get_logger
from app.core.settings import Settings
from app.web.client_address import Address, ClientAddresses, site
from app.web.sock_diag import FAMILIES, LISTENING, OPEN, sockets

log = get_logger(__name__)

START_S = 0.05
"""Between checks for our listening socket, which exists only after the app has started."""

SWEEP_S = 0.5
"""Between sweeps: how long a connection above the limit can exist. A sweep costs some 2 ms of CPU (the kernel walks its
table of all connections), and 4 µs for each connection that is not a trusted proxy's."""

RETRY_S = 60.0
"""The pause after a failure to read the list: a kernel or container that forbids it will keep forbidding it."""

CUT = metrics.counter("swap_pay_connections_cut", "Connections closed because their address had too many")


@contextmanager
def limited_connections(settings: Settings) -> Iterator[None]:
    """Count and cut connections until the block ends."""
    if not sys.platform.startswith("linux"):
        yield
        return
    stop = threading.Event()
    limit = ConnectionLimit(settings)
    thread = threading.Thread(target=limit.run, args=(stop,), name="connection-limit", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


class ConnectionLimit:
    """The thread of one web process."""

    def __init__(self, settings: Settings) -> None:
        self._port = settings.web_port
        self._limit = settings.web_connections_per_address
        self._read_timeout_ms = settings.web_request_timeout_s * 1000
        self._proxies = settings.trusted_proxies
        self._addresses = ClientAddresses(settings.trusted_proxies)
        self._families: list[int] = []

    def run(self, stop: threading.Event) -> None:
        """Sweep until `stop` is set."""
        pause_s = START_S
        while not stop.wait(pause_s):
            try:
                if not self._families:
                    self._families = self._set_listeners()
                self.sweep()
                pause_s = SWEEP_S if self._families else START_S
            except OSError as error:
                log.warning("connections_not_counted", error=str(error))
                pause_s = RETRY_S

    def sweep(self) -> None:
        """Shut down this process's connections above the limit."""
        found = (sockets(self._port, OPEN, family, but_from=self._proxies) for family in self._families)
        connections = list(chain.from_iterable(found))
        crowded = self._crowded(Counter(connection.peer for connection in connections))
        if not crowded:
            return
        of_site: dict[str, list[int]] = {name: [] for name in crowded.values()}
        for connection in connections:
            if connection.peer in crowded:
                of_site[crowded[connection.peer]].append(connection.inode)
        own = _own_sockets()
        for name, inodes in of_site.items():
            # Inode numbers grow (in blocks for each core): the highest are the newest. 0 is not accepted yet.
            too_many = sorted(inodes, reverse=True)[: len(inodes) - self._limit]
            cut = sum(_shut_down(own[inode], inode) for inode in too_many if inode in own)
            if cut:
                CUT.inc(cut)
                log.warning("connections_cut", address=name, connections=len(inodes), cut=cut)

    def _crowded(self, peers: Counter[bytes]) -> dict[bytes, str]:
        """The peers of each address or /64 that has too many, by its name."""
        if sum(peers.values()) <= self._limit:
            return {}
        names = {peer: site(address) for peer in peers if not self._addresses.trusts(address := _address(peer))}
        totals: Counter[str] = Counter()
        for peer, name in names.items():
            totals[name] += peers[peer]
        return {peer: name for peer, name in names.items() if totals[name] > self._limit}

    def _set_listeners(self) -> list[int]:
        """Set our listening sockets, and say of which families they are; none before they exist."""
        own = _own_sockets()
        families: list[int] = []
        for family in FAMILIES:
            ours = [own[each.inode] for each in sockets(self._port, LISTENING, family) if each.inode in own]
            for descriptor in ours:
                with _duplicate(descriptor) as listener:
                    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, self._read_timeout_ms)
            families += [family] if ours else []
        return families


def _address(packed: bytes) -> Address:
    address = ip_address(packed)
    return getattr(address, "ipv4_mapped", None) or address


# --- Our own sockets -------------------------------------------------------------------------------------------


def _own_sockets() -> dict[int, int]:
    """The file descriptor of each socket of this process, by inode."""
    own: dict[int, int] = {}
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError):  # closed meanwhile
            target = os.readlink(f"/proc/self/fd/{name}")
            if target.startswith("socket:["):
                own[int(target[8:-1])] = int(name)
    return own


def _duplicate(descriptor: int) -> socket.socket:
    return socket.socket(fileno=os.dup(descriptor))


def _shut_down(descriptor: int, inode: int) -> bool:
    """Shut down a connection of Granian's, if the descriptor still is that socket and not a later file."""
    with suppress(OSError), _duplicate(descriptor) as connection:
        if os.fstat(connection.fileno()).st_ino == inode:
            connection.shutdown(socket.SHUT_RDWR)
            return True
    return False
