"""The primary of Redis under Sentinel: which server it is, and that no connection stays with another.

redis-py's pool asks for the primary when it connects, and believes the first sentinel that answers; where a partition
leaves one sentinel with the old primary, it would never change over. Here every sentinel is asked each second, and the
primary is the one that a majority of all sentinels names. When that changes, or no majority has answered for some
seconds, all connections are closed; their users connect anew, as after any lost connection. A server that does not say
itself that it is a primary is not used.
"""

import asyncio
import weakref
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import msgspec
from redis.asyncio import ConnectionPool, Redis, SSLConnection
from redis.asyncio.sentinel import MasterNotFoundError, SentinelConnectionPool, SentinelManagedConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from app.core import cancelling, clock
from app.core.logging import get_logger
from app.core.redis_address import HostPort, SentinelAddress

log = get_logger(__name__)

LOOK_S = 1.0
"""How often each sentinel is asked for the primary."""

LOST_AFTER_S = 5.0
"""Seconds without a majority after which Redis counts as away. Restarting a sentinel takes less. With the majority on
the other side of a partition, open pages would wait for notices that are published there."""


class _Watched(msgspec.Struct):
    """A sentinel, and the primary that it named last; None while it does not answer."""

    client: Redis
    named: HostPort | None = None
    has_been_asked: bool = False


class Opinion(msgspec.Struct, frozen=True):
    """What one sentinel says: the primary, or why it names none."""

    sentinel: HostPort
    named: HostPort | None
    problem: str | None


class Sentinels:
    """Those of one process. They are asked from the first use until `aclose`."""

    def __init__(self, address: SentinelAddress, options: Mapping[str, Any]) -> None:
        """`options` are those of every connection, such as time limits."""
        self._address = address
        self._options = options
        own_options = {**options, **address.sentinel_login}
        if address.tls is not None:
            own_options |= {"ssl": True, **address.tls}
        self._watched = [_Watched(Redis(host=host, port=port, **own_options)) for host, port in address.sentinels]
        self._majority = len(self._watched) // 2 + 1
        self._primary: HostPort | None = None
        self._lost_since_s: float | None = None
        self._is_known = asyncio.Event()
        self._watches: list[asyncio.Task[None]] = []
        self._is_closed = False
        self._connections: weakref.WeakSet[PrimaryConnection] = weakref.WeakSet()

    @property
    def primary(self) -> HostPort | None:
        """The server that a majority named last, as far as anybody has asked."""
        return self._primary

    @property
    def count(self) -> int:
        """How many sentinels there are."""
        return len(self._watched)

    @property
    def agreeing(self) -> int:
        """How many sentinels name the primary now."""
        return sum(self._primary is not None and each.named == self._primary for each in self._watched)

    def pool(self, **options: Any) -> ConnectionPool:
        """A pool of connections to whatever server is the primary."""
        tls = self._address.tls
        return SentinelConnectionPool(  # type: ignore[no-untyped-call] # redis-py has no types here
            self._address.service,
            self,
            connection_class=PrimaryConnection if tls is None else PrimaryTlsConnection,
            db=self._address.database,
            **self._address.server_login,
            **(tls or {}),
            **{**self._options, **options},
        )

    async def discover_master(self, service_name: str) -> HostPort:
        """The primary; redis-py's pool calls this. Raises MasterNotFoundError, at once except for the first time."""
        if self._is_closed:
            raise MasterNotFoundError("the client is closed")
        if not self._watches:
            self._watches = [asyncio.create_task(self._watch(each), name="redis-sentinel") for each in self._watched]
        await self._is_known.wait()
        if self._primary is None:
            raise MasterNotFoundError("no majority of the sentinels names one primary")
        return self._primary

    async def opinions(self) -> Sequence[Opinion]:
        """What each sentinel answers now. Never raises."""
        return await asyncio.gather(*(self._opinion(each) for each in self._watched))

    async def aclose(self) -> None:
        """Ask no more, and close the connections to the sentinels."""
        self._is_closed = True
        await cancelling.end(*self._watches)
        for each in self._watched:
            with suppress(RedisError, OSError):
                await each.client.aclose()

    def take_in(self, connection: "PrimaryConnection") -> None:
        """Close this new connection when the primary changes. Raises RedisConnectionError if it has already."""
        if (connection.host, connection.port) != self._primary:
            raise RedisConnectionError("the primary has changed")
        self._connections.add(connection)

    async def _watch(self, sentinel: _Watched) -> None:
        while True:
            sentinel.named = (await self._opinion(sentinel)).named
            sentinel.has_been_asked = True
            self._judge()
            await asyncio.sleep(LOOK_S)

    async def _opinion(self, sentinel: _Watched) -> Opinion:
        arguments = sentinel.client.connection_pool.connection_kwargs
        where = (arguments["host"], arguments["port"])
        try:
            named = await sentinel.client.execute_command(  # type: ignore[no-untyped-call] # redis-py has no types here
                "SENTINEL GET-MASTER-ADDR-BY-NAME", self._address.service
            )
        except Exception as error:  # whatever it is: the watch must go on
            return Opinion(where, None, str(error) or type(error).__name__)
        if named is None:
            return Opinion(where, None, f"knows no {self._address.service}")
        host, port = named
        return Opinion(where, (host.decode(), port), None)

    def _judge(self) -> None:
        """Follow the majority. Its answer of a moment ago stands for `LOST_AFTER_S`."""
        votes = Counter(each.named for each in self._watched if each.named is not None)
        named, count = votes.most_common(1)[0] if votes else (None, 0)
        if count >= self._majority:
            self._lost_since_s = None
            self._is_known.set()
            self._follow(named)
            return
        now_s = clock.monotonic_s()
        self._lost_since_s = self._lost_since_s or now_s
        if now_s - self._lost_since_s > LOST_AFTER_S:
            self._follow(None)
        if all(each.has_been_asked for each in self._watched):
            self._is_known.set()

    def _follow(self, named: HostPort | None) -> None:
        before, self._primary = self._primary, named
        if before is None or before == named:
            return
        log.warning("redis_primary_changed", before=_text(before), now=None if named is None else _text(named))
        for connection in list(self._connections):
            connection.abort()


class PrimaryConnection(SentinelManagedConnection):
    """A connection to the primary: made only to a server that says it is one, and cut when another is named."""

    async def on_connect(self) -> None:
        """Log in, and ask the server for its role. Raises RedisConnectionError if it is no primary."""
        self.connection_pool.sentinel_manager.take_in(self)
        await super().on_connect()
        await self.send_command("ROLE", check_health=False)
        role = await self.read_response()
        if role[0] not in (b"master", "master"):
            raise RedisConnectionError(f"{self.host}:{self.port} is no primary")

    def abort(self) -> None:
        """Close without waiting for the other side, which may be gone: a read that waits for it fails at once."""
        if self._writer is not None:
            self._writer.transport.abort()


class PrimaryTlsConnection(PrimaryConnection, SSLConnection):
    """The same over TLS."""


def _text(address: HostPort) -> str:
    return f"{address[0]}:{address[1]}"
