"""Making connections to Postgres: within a limit, with TCP keepalive, and to a server that takes writes.

Several hosts may be behind one URL. Where a standby must have each commit too, a connection notices a commit that did
not wait for it.

TCP notices on both sides within `DEAD_LINK_S` that the peer is gone (a partition, a powered-off host). The kernel of a
server process that is stopped still answers TCP: only the limits of `core.waiting` help then.
"""

import asyncio
import socket
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from asyncpg.exceptions import TargetServerAttributeNotMatched

from app.core import waiting
from app.core.waiting import DatabaseUnavailable

Wanted = Literal["read-write", "standby", "any"]
"""Which server a connection is for, as libpq's `target_session_attrs` says it."""

CONNECT_TIMEOUT_S = 5.0
"""For each host that the URL names, until a connection is ready to use."""

KEEPALIVE_IDLE_S = 5
KEEPALIVE_INTERVAL_S = 5
KEEPALIVE_PROBES = 3
DEAD_LINK_S = KEEPALIVE_IDLE_S + KEEPALIVE_INTERVAL_S * KEEPALIVE_PROBES
"""A connection on which nothing was confirmed for this long is dead, whether idle (keepalive) or sending
(TCP_USER_TIMEOUT, RFC 5482)."""

KEEPALIVE = [
    (level, getattr(socket, name), value)
    for level, name, value in (
        (socket.SOL_SOCKET, "SO_KEEPALIVE", 1),
        (socket.IPPROTO_TCP, "TCP_KEEPIDLE", KEEPALIVE_IDLE_S),
        (socket.IPPROTO_TCP, "TCP_KEEPINTVL", KEEPALIVE_INTERVAL_S),
        (socket.IPPROTO_TCP, "TCP_KEEPCNT", KEEPALIVE_PROBES),
        (socket.IPPROTO_TCP, "TCP_USER_TIMEOUT", DEAD_LINK_S * 1000),
    )
    if hasattr(socket, name)  # macOS has not all of them
]
"""Socket options of our side, also for Redis and nodes."""

LOCK_TIMEOUT_MS = 5_000
"""No statement waits longer for a lock: a request is answered with 503, a worker tries again."""

IDLE_IN_TRANSACTION_MS = 30_000
"""The server ends a transaction that was idle for this long, since it holds locks. Ours never pause inside one."""

SERVER_SHARE = 0.9
"""The server's own limit, as a share of ours: one that is only slow ends a statement itself, and the connection
stays good."""

STATEMENT_CACHE_SIZE = 512
"""Prepared statements kept per connection: more than we have."""

_WAIT_FOR_STANDBY = "SyncRepWaitForLSN"
"""The function of Postgres that warns of a commit that no standby has. Its name is the same in all languages."""

_answered: dict[str, str] = {}
"""For each URL with several hosts, the one that was connected to last. It is asked first: a host that is silent would
cost every new connection CONNECT_TIMEOUT_S."""


class NoWrites(DatabaseUnavailable):
    """The last host that was asked takes no writes: a standby, or a primary that a fail-over has left or just made."""


class Connection(asyncpg.Connection):
    """A connection that knows when a commit was answered before a synchronous standby had it.

    That happens when somebody cancels the wait for the standby, such as an operator by `pg_cancel_backend`: Postgres
    then answers as if all was well, with no more than a warning.
    """

    __slots__ = ("_on_one_host",)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._on_one_host = False

    def committed_on_one_host(self) -> bool:
        """Whether that has happened since the last call."""
        happened, self._on_one_host = self._on_one_host, False
        return happened

    def _process_log_message(self, fields: Mapping[str, str], last_query: str) -> None:
        """Called by asyncpg for each notice, before the answer that follows it. Its listeners are for owners of a
        connection: the pool forbids those that stay."""
        if fields.get("R") == _WAIT_FOR_STANDBY:
            self._on_one_host = True
        super()._process_log_message(fields, last_query)  # type: ignore[no-untyped-call] # asyncpg is not typed


def server_settings() -> dict[str, str]:
    """Parameters of each session."""
    return {
        "application_name": "swap-pay",
        "timezone": "UTC",
        "jit": "off",
        "lock_timeout": str(LOCK_TIMEOUT_MS),
        "statement_timeout": str(round(waiting.limit_s() * SERVER_SHARE * 1000)),
        "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_MS),
        "tcp_keepalives_idle": str(KEEPALIVE_IDLE_S),
        "tcp_keepalives_interval": str(KEEPALIVE_INTERVAL_S),
        "tcp_keepalives_count": str(KEEPALIVE_PROBES),
        "tcp_user_timeout": str(DEAD_LINK_S * 1000),
    }


async def connect(dsn: str, *, server: Wanted = "read-write", **options: Any) -> asyncpg.Connection:
    """A connection to the first host of `dsn` that answers and takes writes; `options` are asyncpg's.

    The first is the one that was connected to last, then in the order of the URL. A server that a fail-over has left
    read-only is skipped: what it shows may be out of date. `server` asks for another kind of server. Raises
    DatabaseUnavailable; NoWrites where the last host was one that takes no writes and should.
    """
    options = options | {"connection_class": Connection}
    failure: Exception | None = None
    for one_host in hosts(dsn):
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                connection: asyncpg.Connection = await asyncpg.connect(one_host, target_session_attrs=server, **options)
                try:
                    await _prepare(connection)
                except BaseException:
                    connection.terminate()  # not `close`: that waits for the server, which may hang
                    raise
                _answered[dsn] = one_host
                return connection
        except waiting.UNAVAILABLE_ERRORS as error:
            failure = error
    if server == "read-write" and isinstance(failure, TargetServerAttributeNotMatched):
        raise NoWrites("no connection: the server takes no writes") from failure
    raise DatabaseUnavailable(f"no connection: {failure or 'no answer in time'}") from failure


def hosts(dsn: str) -> list[str]:
    """The URL once for each host in it: asyncpg would use up the whole limit on a first host that doesn't answer."""
    parts = urlsplit(dsn)
    user, at, hosts = parts.netloc.rpartition("@")
    if "," not in hosts:
        return [dsn]
    each = [urlunsplit(parts._replace(netloc=f"{user}{at}{host}")) for host in hosts.split(",")]
    return sorted(each, key=lambda one_host: one_host != _answered.get(dsn))


async def _prepare(connection: asyncpg.Connection) -> None:
    """Amounts are `numeric(78,0)`: read and written as `int`, so that no Decimal gets into code about money."""
    link = connection._transport.get_extra_info("socket")  # asyncpg has no public way to it
    if link.family != socket.AF_UNIX:
        for option in KEEPALIVE:
            link.setsockopt(*option)
    await connection.set_type_codec("numeric", schema="pg_catalog", format="text", encoder=str, decoder=_decode_numeric)


def _decode_numeric(text: str) -> int | Decimal:
    return Decimal(text) if "." in text or "N" in text else int(text)
