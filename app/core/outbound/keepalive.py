"""Idle connections between two deliveries, and when one may be used again.

A connection belongs to (host, port, the address that it was opened to). It is used only for a request whose fresh,
checked addresses contain that address: a name that has moved, or now resolves to a denied address, never uses an
older connection.
"""

import asyncio
from collections.abc import Sequence

import httpcore
import msgspec

from app.core.outbound.pinned import Wire
from app.core.outbound.targets import Address, Target

# A new connection costs several times the CPU of a delivery, on both sides. So as many are kept for one address as a
# worker has attempts at once (WEBHOOK_CONCURRENCY): they may all be at one server that hosts many shops.
MAX_IDLE_CONNECTIONS_PER_ADDRESS = 256
# With those in use below 1,024, a common `ulimit -n`; about 65 kB of memory each.
MAX_IDLE_CONNECTIONS = 512

_Key = tuple[str, int, Address]


class Connection(msgspec.Struct, eq=False):
    """One open connection to one target. `peer` is the address dialled."""

    target: Target
    peer: Address
    wire: Wire
    http: httpcore.AsyncHTTP11Connection
    used: bool = False

    @property
    def key(self) -> _Key:
        """The key of requests that may use it again."""
        return self.target.host, self.target.port, self.peer

    @property
    def reusable(self) -> bool:
        """Whether the last exchange ended cleanly and nothing was received since, not even the end."""
        return self.http.is_idle() and not self.http.has_expired()

    def drop(self) -> None:
        """Close at once."""
        self.wire.abort()


class IdleConnections:
    """The idle connections, limited in number; the longest unused are closed first. `expiry_s` after its last use, or
    when the server has closed it, one is closed within another `expiry_s`."""

    def __init__(self, expiry_s: float) -> None:
        self._expiry_s = expiry_s
        self._sweep: asyncio.TimerHandle | None = None
        self._by_key: dict[_Key, list[Connection]] = {}
        self._oldest_first: dict[Connection, None] = {}

    def take(self, target: Target, addresses: Sequence[Address]) -> Connection | None:
        """Remove and return the most recently used connection to one of `addresses`; None if there is none."""
        for address in addresses:
            key = (target.host, target.port, address)
            while key in self._by_key:
                connection = self._by_key[key][-1]
                self._remove(connection)
                if connection.reusable:
                    return connection
                connection.drop()
        return None

    def put(self, connection: Connection) -> None:
        """Keep it for the next request, if it can serve one; close others if there are too many."""
        key = connection.key
        if not connection.reusable:
            connection.drop()
            return
        siblings = self._by_key.setdefault(key, [])
        if len(siblings) >= MAX_IDLE_CONNECTIONS_PER_ADDRESS:
            self._discard(siblings[0])
        self._by_key.setdefault(key, []).append(connection)
        self._oldest_first[connection] = None
        if len(self._oldest_first) > MAX_IDLE_CONNECTIONS:
            self._discard(next(iter(self._oldest_first)))
        if self._sweep is None:
            self._sweep_later()

    def close(self) -> None:
        """Close all."""
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        for connection in list(self._oldest_first):
            self._discard(connection)

    def __len__(self) -> int:
        return len(self._oldest_first)

    def _sweep_later(self) -> None:
        self._sweep = asyncio.get_running_loop().call_later(self._expiry_s, self._discard_stale)

    def _discard_stale(self) -> None:
        for stale in [connection for connection in self._oldest_first if not connection.reusable]:
            self._discard(stale)
        self._sweep = None
        if self._oldest_first:
            self._sweep_later()

    def _discard(self, connection: Connection) -> None:
        self._remove(connection)
        connection.drop()

    def _remove(self, connection: Connection) -> None:
        del self._oldest_first[connection]
        key = connection.key
        siblings = self._by_key[key]
        siblings.remove(connection)
        if not siblings:
            del self._by_key[key]
