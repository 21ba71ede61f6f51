"""The only user of Piccolo's engine: one pool a process, transactions that can't nest, amounts as `int`.

Piccolo's own transaction joins a surrounding one silently, and after a failed COMMIT leaks the connection and
stays current; `transaction()` here refuses to nest and always releases its connection. Queries built by Piccolo and
statements given as SQL both run in the current transaction, else on the pool, or on a standby where the current unit
of work is allowed to read from one (core/reading.py).

Inside a transaction don't `gather` or start tasks: they would share its one connection.
"""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import asyncpg
import piccolo.table
from asyncpg.exceptions import QueryCanceledError, ReadOnlySQLTransactionError
from asyncpg.exceptions._base import InterfaceError, PostgresError
from piccolo.engine.postgres import PostgresEngine, PostgresTransaction

from app.core import connecting, reading, tracing, wal_repository
from app.core.commits_repository import WITHOUT_STANDBY
from app.core.connecting import STATEMENT_CACHE_SIZE, server_settings
from app.core.standby import CONNECTION_LIMIT_S
from app.core.waiting import UNAVAILABLE_ERRORS, WORKER_LIMIT_S, DatabaseUnavailable, limit_each_wait, waiting

Row = asyncpg.Record

os.environ.setdefault("PICCOLO_CONF", "app.piccolo_conf")
"""Where Piccolo looks for its engine when a query is compiled: for `engine` below, which that module names."""

CLOSE_TIMEOUT_S = 5.0
"""A process that stops waits no longer than this for a server that hangs."""


class _Engine(PostgresEngine):
    """Piccolo's engine without its check of the server's version, which connects while a module is imported, and with
    our own way to connect."""

    async def check_version(self) -> None:
        """Postgres 14 or newer is asked for in the docs, and nothing of ours needs more."""

    async def get_new_connection(self) -> asyncpg.Connection:
        """A connection outside the pool: migrations run on these."""
        return await connecting.connect(**self.config)


AfterCommit = Callable[[Collection[str]], Awaitable[None]]
"""Something that is done once after a commit, with all that the transaction gave to it. It must not raise."""


class _Transaction(PostgresTransaction):
    """Piccolo's transaction, with what is to be done after its commit."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        super().__init__(engine, allow_nested=False)
        self.connection = connection
        self.transaction = connection.transaction()
        self.after_commit: dict[AfterCommit, dict[str, None]] = {}


engine = _Engine(config={})
"""Piccolo's engine. Empty until `open_pool` or `configure`: importing a table must not need a database."""

# Every table asks for its engine. Piccolo would import its tools for migrations first, and with them Black.
piccolo.table.engine_finder = lambda module_name=None: engine  # type: ignore[attr-defined]


Unavailable = (OSError, InterfaceError, PostgresError)
"""What a statement may raise while Postgres restarts or the network fails; loops that must go on catch it."""


class NestedTransactionError(Exception):
    """A use case opened a transaction inside another one's."""


class NoTransactionError(Exception):
    """A function that must share its caller's transaction was called outside of any."""


def configure(dsn: str, **options: Any) -> None:
    """Set the engine's database without opening a pool (migrations do this); `options` are asyncpg's."""
    engine.config = {"dsn": dsn, **options}


async def open_pool(dsn: str, *, max_size: int, limit_each_wait_s: float = WORKER_LIMIT_S) -> None:
    """Open this process's pool of at most `max_size` connections.

    `limit_each_wait_s` is what a wait for the database may last where no budget says otherwise (core/waiting.py).
    Raises DatabaseUnavailable.
    """
    limit_each_wait(limit_each_wait_s)
    configure(dsn)
    await engine.start_connection_pool(
        min_size=0,
        init_size=1,  # so that a wrong URL fails at the start; later connections are made when they are needed
        max_size=max_size,
        connect=connecting.connect,
        reset=_leave_as_it_is,
        command_timeout=WORKER_LIMIT_S,  # asyncpg's own, for what it does by itself; `waiting` ends ours
        statement_cache_size=STATEMENT_CACHE_SIZE,
        server_settings=server_settings(),
    )


async def close_pool() -> None:
    """Wait for running statements, then close every connection; terminate them after CLOSE_TIMEOUT_S."""
    if engine.pool is not None:
        with suppress(TimeoutError):  # asyncpg has then terminated what was left
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await engine.pool.close()
        engine.pool = None


def dsn() -> str:
    """The URL of this process's database, for a separate connection. Raises KeyError before `open_pool`."""
    return str(engine.config["dsn"])


def pool() -> asyncpg.Pool:
    """The open pool, for the few hot paths that need a connection of their own."""
    if engine.pool is None:
        raise RuntimeError("the database pool is not open")
    return engine.pool


@asynccontextmanager
async def transaction(*, may_be_lost: bool = False) -> AsyncIterator[asyncpg.Connection]:
    """The transaction of one use case: commits when the block ends, rolls back when it raises.

    Raises NestedTransactionError inside another transaction: a use case that is part of a larger one opens no
    transaction of its own but calls `in_transaction()`. Raises WroteWhileReading in a unit that was allowed to read
    from a standby. Raises DatabaseUnavailable; a COMMIT without an answer may have succeeded, and one that is on a
    single host although a standby must have it too counts as without an answer.

    With `may_be_lost` the commit does not wait for a standby: on this host's disk it is safe, and a fail-over may lose
    it, unless a later transaction that waited was answered. Only for what can be done again; docs/ha.md lists them.
    """
    if engine.current_transaction.get() is not None:
        raise NestedTransactionError("a transaction is already open")
    reading.begin_transaction()
    with tracing.part("transaction", kind="client"):
        async with _borrowed(pool()) as connection:
            current = _Transaction(connection)
            await _call(connection, current.transaction.start)
            token = engine.current_transaction.set(current)
            try:
                if may_be_lost:
                    await _call(connection, connection.execute, WITHOUT_STANDBY)
                yield connection
            except BaseException as error:
                if not isinstance(error, _LEAVES_CONNECTION_UNSURE):
                    await _call(connection, current.transaction.rollback)
                raise
            else:
                await _call(connection, current.transaction.commit)
            finally:
                engine.current_transaction.reset(token)
    for do, items in current.after_commit.items():
        await do(items.keys())


async def after_commit(do: AfterCommit, *items: str) -> None:
    """Call `do` after the current transaction's commit: once, with the items of every call, each item once.

    Not after a rollback. Outside of a transaction it is called at once: what it is about is committed already.
    """
    current = engine.current_transaction.get()
    if isinstance(current, _Transaction):
        current.after_commit.setdefault(do, {}).update(dict.fromkeys(items))
    else:
        await do(dict.fromkeys(items).keys())


def in_transaction() -> asyncpg.Connection:
    """The current transaction's connection. Raises NoTransactionError where there is none."""
    current = engine.current_transaction.get()
    if current is None:
        raise NoTransactionError("this must run inside its caller's transaction")
    connection: asyncpg.Connection = current.connection
    return connection


async def place() -> wal_repository.Place:
    """Where the server that takes the writes is in its WAL. Raises DatabaseUnavailable."""
    return await wal_repository.place(partial(_run, "fetchrow"))


async def fetch_all(sql: str, *args: object) -> Sequence[Row]:
    """All rows of a statement. This and what follows raise DatabaseUnavailable."""
    rows: Sequence[Row] = await _run("fetch", sql, *args)
    return rows


async def fetch_many(sql: str, args: Sequence[Sequence[object]]) -> Sequence[Row]:
    """All rows of a statement that is run with each of these arguments, in one round trip: all or nothing."""
    rows: Sequence[Row] = await _run("fetchmany", sql, args)
    return rows


async def fetch_one(sql: str, *args: object) -> Row | None:
    """The first row of a statement, or None."""
    row: Row | None = await _run("fetchrow", sql, *args)
    return row


async def fetch_value(sql: str, *args: object) -> Any:
    """The first column of the first row, or None."""
    return await _run("fetchval", sql, *args)


async def execute(sql: str, *args: object) -> int:
    """Run a statement. Returns the number of rows that it affected."""
    status: str = await _run("execute", sql, *args)
    count = status.rpartition(" ")[2]
    return int(count) if count.isdigit() else 0


def like_literally(text: str) -> str:
    """Text for a LIKE pattern in which its own `%` and `_` stand for themselves."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


class NamedStatement:
    """A statement with `:name` in place of `$1`, for statements with many parameters."""

    def __init__(self, sql: str) -> None:
        names: list[str] = []

        def place(found: re.Match[str]) -> str:
            if found[1] not in names:
                names.append(found[1])
            return f"${names.index(found[1]) + 1}"

        self.sql = _NAME.sub(place, sql)
        self.names = tuple(names)

    def args(self, values: Mapping[str, object]) -> list[object]:
        """The values in the order of the placeholders. Raises KeyError if one is missing."""
        return [values[name] for name in self.names]


_NAME = re.compile(r"(?<!:):([a-z_]+)")

_LEAVES_CONNECTION_UNSURE = (asyncio.CancelledError, *UNAVAILABLE_ERRORS)
"""After these the connection's state is unknown. It is terminated: a server that hangs would not answer a ROLLBACK or a
request to cancel either."""


async def _run(method: str, *args: object) -> Any:
    """Call a method of the current transaction's connection, else of one of the pool."""
    current = engine.current_transaction.get()
    if current is not None:
        return await _call(current.connection, getattr(current.connection, method), *args)
    standby = reading.server_for(method)
    if standby is not None:
        try:
            return await _run_on(standby.pool, method, *args, connection_within_s=CONNECTION_LIMIT_S)
        except QueryCanceledError:
            raise  # it is as slow on the primary, and would be a burden there
        except Unavailable as error:  # also a conflict with recovery, or a table that isn't there yet
            standby.failed(error)
            reading.leave_standby()
    return await _run_on(pool(), method, *args)


async def _run_on(of_server: asyncpg.Pool, method: str, *args: object, connection_within_s: float | None = None) -> Any:
    """Call a method of one of a server's connections."""
    async with _borrowed(of_server, connection_within_s) as connection:
        return await _call(connection, getattr(connection, method), *args)


async def _call(connection: asyncpg.Connection, method: Callable[..., Awaitable[Any]], *args: object) -> Any:
    """The server's answer. Raises DatabaseUnavailable if it takes too long, the connection is lost, or what was
    committed is on one host only although a standby must have it."""
    try:
        with waiting():
            answer = await method(*args)
    except InterfaceError as error:
        if _is_lost(connection):
            raise DatabaseUnavailable(str(error)) from error
        raise
    if not _is_lost(connection) and connection.committed_on_one_host():  # type: ignore[attr-defined] # the pool's proxy
        raise DatabaseUnavailable("committed on one host: no synchronous standby has confirmed it")
    return answer


class _borrowed:
    """A connection of the pool. It is released at the end, or terminated where its state is unknown."""

    __slots__ = ("_connection", "_pool", "_within_s")

    def __init__(self, of_server: asyncpg.Pool, within_s: float | None = None) -> None:
        self._pool = of_server
        self._within_s = within_s

    async def __aenter__(self) -> asyncpg.Connection:
        try:
            with waiting():
                self._connection: asyncpg.Connection = await self._pool.acquire(timeout=self._within_s)
        except InterfaceError as error:
            raise DatabaseUnavailable(str(error)) from error  # the pool is closing
        return self._connection  # type: ignore[no-any-return] # asyncpg is not typed

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None:
            await _give_back(self._connection)
            return
        if isinstance(error, _LEAVES_CONNECTION_UNSURE) and not _is_lost(self._connection):
            self._connection.terminate()
        if isinstance(error, DatabaseUnavailable) and isinstance(error.__cause__, ReadOnlySQLTransactionError):
            await self._pool.expire_connections()  # after a fail-over they are all connected to a read-only server
        await self._pool.release(self._connection)


async def _give_back(connection: asyncpg.Connection) -> None:
    """Release a connection whose last statement has ended well, as the pool does, but for its task and its timer:
    nothing is reset (`_leave_as_it_is`), so that there is nothing to wait for."""
    if not _is_lost(connection):
        await connection._holder.release(None)  # type: ignore[attr-defined] # the pool's proxy


def _is_lost(connection: asyncpg.Connection) -> bool:
    try:
        return bool(connection.is_closed())
    except InterfaceError:  # asyncpg has taken it back into the pool because it was closed
        return True


async def _leave_as_it_is(_: asyncpg.Connection) -> None:
    """Do nothing: asyncpg would spend a round trip on each release to reset a state that we never change.

    Transactions end before their connection is given back, nobody sets session parameters, listens or opens
    cursors, and session locks are taken on connections of their own (core/advisory_lock.py).
    """
