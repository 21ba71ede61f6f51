"""The only user of Piccolo's engine: one pool a process, transactions that can't nest, amounts as `int`.

Piccolo's own transaction joins a surrounding one silently, and after a failed COMMIT leaks the connection and
stays current; `transaction()` here refuses to nest and always lets go. Queries built by Piccolo and statements
given as SQL both run in the transaction that is current, else on the pool.

Inside a transaction don't `gather` or start tasks: they would share its one connection.
"""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import asyncpg
from asyncpg.exceptions._base import InterfaceError, PostgresError
from piccolo.engine.postgres import PostgresEngine, PostgresTransaction

Row = asyncpg.Record

COMMAND_TIMEOUT_S = 30
"""No statement of ours may take longer; a stuck one must not hold a connection for good."""

LOCK_TIMEOUT_MS = 5_000
"""No statement waits longer for another's lock: a request is told to come again, a worker tries again."""

STATEMENT_CACHE_SIZE = 512
"""Prepared statements kept per connection: more than we have."""


class _Engine(PostgresEngine):
    """Piccolo's engine without its look at the server's version, which connects while a module is imported."""

    async def check_version(self) -> None:
        """Postgres 14 or newer is asked for in the docs, and nothing of ours needs more."""


engine = _Engine(config={})
"""Piccolo's engine. Empty until `open_pool` or `configure`: importing a table must not need a database."""


Unavailable = (OSError, InterfaceError, PostgresError)
"""What a statement may raise while Postgres restarts or the network fails; loops that live on catch it."""


class NestedTransactionError(Exception):
    """A use case opened a transaction inside another one's."""


class NoTransactionError(Exception):
    """A function that must share its caller's transaction was called outside of any."""


def configure(dsn: str) -> None:
    """Point the engine at a database without opening a pool (migrations do this)."""
    engine.config = {"dsn": dsn}


async def open_pool(dsn: str, *, max_size: int) -> None:
    """Open this process's pool of at most `max_size` connections."""
    configure(dsn)
    await engine.start_connection_pool(
        min_size=1,
        max_size=max_size,
        init=_prepare_connection,
        reset=_leave_as_it_is,
        command_timeout=COMMAND_TIMEOUT_S,
        statement_cache_size=STATEMENT_CACHE_SIZE,
        server_settings={
            "application_name": "swap-pay",
            "timezone": "UTC",
            "jit": "off",
            "lock_timeout": str(LOCK_TIMEOUT_MS),
        },
    )


async def close_pool() -> None:
    """Wait for running statements, then close every connection."""
    if engine.pool is not None:
        await engine.close_connection_pool()


def pool() -> asyncpg.Pool:
    """The open pool, for the few hot paths and locks that need a connection of their own."""
    if engine.pool is None:
        raise RuntimeError("the database pool is not open")
    return engine.pool


@asynccontextmanager
async def transaction() -> AsyncIterator[asyncpg.Connection]:
    """One business fact: commits when the block ends, rolls back when it raises.

    Raises NestedTransactionError inside another transaction: a use case that is part of a larger one takes no
    transaction of its own but says `in_transaction()`.
    """
    if engine.current_transaction.get() is not None:
        raise NestedTransactionError("a transaction is already open")
    current = PostgresTransaction(engine, allow_nested=False)
    connection = await pool().acquire()
    current.connection = connection
    current.transaction = connection.transaction()
    token = engine.current_transaction.set(current)
    try:
        async with current.transaction:
            yield connection
    finally:
        engine.current_transaction.reset(token)
        await pool().release(connection)


def in_transaction() -> asyncpg.Connection:
    """The current transaction's connection. Raises NoTransactionError where there is none."""
    current = engine.current_transaction.get()
    if current is None:
        raise NoTransactionError("this must run inside its caller's transaction")
    connection: asyncpg.Connection = current.connection
    return connection


async def fetch_all(sql: str, *args: object) -> Sequence[Row]:
    """All rows of a statement."""
    return await _executor().fetch(sql, *args)  # type: ignore[no-any-return]


async def fetch_many(sql: str, args: Sequence[Sequence[object]]) -> Sequence[Row]:
    """All rows of a statement that is run with each of these arguments, in one round trip: all or nothing."""
    return await _executor().fetchmany(sql, args)  # type: ignore[no-any-return]


async def fetch_one(sql: str, *args: object) -> Row | None:
    """The first row of a statement, or None."""
    row: Row | None = await _executor().fetchrow(sql, *args)
    return row


async def fetch_value(sql: str, *args: object) -> Any:
    """The first column of the first row, or None."""
    return await _executor().fetchval(sql, *args)


async def execute(sql: str, *args: object) -> int:
    """Run a statement; the number of rows that it touched."""
    status: str = await _executor().execute(sql, *args)
    count = status.rpartition(" ")[2]
    return int(count) if count.isdigit() else 0


def like_literally(text: str) -> str:
    """Text for a LIKE pattern in which its own `%` and `_` stand for themselves."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


class NamedStatement:
    """A statement with `:name` in place of `$1`, for those with more parameters than one can count."""

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


def _executor() -> Any:
    current = engine.current_transaction.get()
    return current.connection if current is not None else pool()


async def _prepare_connection(connection: asyncpg.Connection) -> None:
    """Amounts are `numeric(78,0)`: read and written as `int`, so that no Decimal slips into money code."""
    await connection.set_type_codec("numeric", schema="pg_catalog", format="text", encoder=str, decoder=_decode_numeric)


async def _leave_as_it_is(_: asyncpg.Connection) -> None:
    """asyncpg would spend a round trip on every release to undo what we never leave behind.

    Transactions end before their connection is given back, nobody sets session parameters, listens or opens
    cursors, and whoever takes a session's advisory lock gives it back itself (deposits/watcher.py).
    """


def _decode_numeric(text: str) -> int | Decimal:
    return Decimal(text) if "." in text or "N" in text else int(text)
