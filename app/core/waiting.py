"""Limits on waiting for Postgres.

A request has one budget for all its statements, so that several slow ones together still end in time. Whatever runs
without a budget (workers, commands, work beside a request) has the process's limit for each single wait. A database
that does not answer, is shutting down or takes no writes becomes one error: `DatabaseUnavailable`.
"""

import asyncio
import contextvars
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import Any, TypeVar

import asyncpg
from asyncpg.exceptions._base import InternalClientError

from app.core import reading, tracing
from app.core.time_limits import ending_at

T = TypeVar("T")

WORKER_LIMIT_S = 30.0
"""One wait in a worker or a command. Statements that may take longer name a limit of their own."""

BUSY_ERRORS = (
    asyncpg.LockNotAvailableError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.QueryCanceledError,
)
"""Statements that waited too long for others' locks, or took too long themselves: what they were about is not at
fault."""

UNAVAILABLE_ERRORS = (
    OSError,  # TimeoutError too
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.IdleSessionTimeoutError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.TooManyConnectionsError,
    asyncpg.DiskFullError,
    asyncpg.ReadOnlySQLTransactionError,
    InternalClientError,  # no host takes writes; or a server has died in an answer, and asyncpg's state is wrong
)
"""What a wait for the database raises when the fault is in the server or the connection, not in the statement."""

_limit_s = WORKER_LIMIT_S


class DatabaseUnavailable(ConnectionError):
    """Postgres did not answer in time, ended the connection, or takes no writes. The statement may be tried again;
    whether a COMMIT without an answer was done is unknown."""


class _Budget:
    __slots__ = ("left_s",)

    def __init__(self, seconds: float) -> None:
        self.left_s = seconds


_budget: ContextVar[_Budget | None] = ContextVar("database_budget", default=None)


def limit_each_wait(seconds: float) -> None:
    """Set this process's limit for one wait outside of any budget."""
    global _limit_s
    _limit_s = seconds


def limit_s() -> float:
    """This process's limit for one wait outside of any budget, in seconds."""
    return _limit_s


class budget:
    """Inside, all waits for the database together last at most this long. An inner budget is independent."""

    __slots__ = ("_seconds", "_token")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __enter__(self) -> None:
        self._token = _budget.set(_Budget(self._seconds))

    def __exit__(self, *_: object) -> None:
        _budget.reset(self._token)


def run_beside(work: Coroutine[Any, Any, T], name: str | None = None) -> "asyncio.Task[T]":
    """A task that others may wait for too, so it has neither budget nor trace of the request that started it, and reads
    from the primary."""
    context = contextvars.copy_context()
    context.run(_budget.set, None)
    context.run(tracing.leave)
    context.run(reading.leave)
    return asyncio.create_task(work, name=name, context=context)


class waiting(ending_at):
    """What is awaited inside ends within the budget, or within the process's limit where there is none.

    Raises DatabaseUnavailable then, at most TICK_S late, and for each of `UNAVAILABLE_ERRORS`.
    """

    __slots__ = ("_began_s", "_budget")

    def __init__(self) -> None:
        """The time counts from where the block begins."""

    def __enter__(self) -> None:
        loop = asyncio.get_running_loop()
        self._budget = _budget.get()
        self._began_s = loop.time()
        self.ends_s = self._began_s + (_limit_s if self._budget is None else self._budget.left_s)
        self._begin(loop)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._budget is not None:
            self._budget.left_s -= self._waits.loop.time() - self._began_s
        if self._is_over(kind):
            raise DatabaseUnavailable("no answer in time") from error
        if error is not None and isinstance(error, UNAVAILABLE_ERRORS) and not isinstance(error, DatabaseUnavailable):
            raise DatabaseUnavailable(str(error) or type(error).__name__) from error


@asynccontextmanager
async def turn(of: asyncio.Lock | asyncio.Semaphore) -> AsyncIterator[None]:
    """Hold a lock whose holders wait for the database: the time counts as theirs does. Raises DatabaseUnavailable."""
    with waiting():
        await of.acquire()
    try:
        yield
    finally:
        of.release()
