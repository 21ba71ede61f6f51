"""Work that one process does at a time, under an advisory lock that is held by a database session of its own.

The holder checks that session every few seconds. Without an answer it stops within `LEASE_S`, even in the middle of its
work; the server ends an idle session, and so frees the lock, only after `SESSION_S`. So a holder whose connection is
dead has stopped before another one begins. A holder that was itself stopped (a paused VM) stops as soon as it runs
again.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from hashlib import blake2b
from typing import Any

import asyncpg
import msgspec

from app.core import connecting, database
from app.core.logging import get_logger
from app.core.waiting import DatabaseUnavailable

log = get_logger(__name__)

HEARTBEAT_S = 5.0
ANSWER_S = 5.0
"""How often the session is checked, and how long its answer may take."""

LEASE_S = HEARTBEAT_S + ANSWER_S
"""Work is cancelled when the last answer is this old."""

SESSION_S = 20
"""The server ends a session that was idle for this long; twice the lease leaves time to stop."""

STANDBY_INTERVAL_S = 1.0
"""How often a waiting process tries to take the lock."""

RETRY_S = 1.0
"""The pause before another attempt after the lock or the database was lost."""

Round = Callable[[], Awaitable[float]]
"""One round of work; returns the pause until the next, in seconds."""


class LockTaken(Exception):
    """Another session holds the lock."""


class LockLost(DatabaseUnavailable):
    """The session that held the lock doesn't answer, or can't write: another process may hold the lock now."""


class LockKey(msgspec.Struct, frozen=True):
    """The key of a lock: a number, and within it the name of a network where there are several."""

    space: int
    name: str = ""

    @property
    def sql(self) -> str:
        """The lock's arguments as SQL text: two integers, so nothing can be injected."""
        if not self.name:
            return str(self.space)
        return (
            f"{self.space}, {int.from_bytes(blake2b(self.name.encode(), digest_size=4).digest(), 'big', signed=True)}"
        )


class Lock:
    """A lock that is held."""

    def __init__(self, connection: asyncpg.Connection, lease: asyncio.Timeout) -> None:
        self._connection = connection
        self._lease = lease
        self._turn = asyncio.Lock()

    async def check(self) -> None:
        """Raise LockLost unless the session that holds the lock is alive and writable; that renews the lease.

        A session on a server that a fail-over has left read-only holds nothing: the lock that counts is on another.
        """
        asked_s = asyncio.get_running_loop().time()
        async with self._turn:
            writable = await _ask(self._connection, "SELECT NOT current_setting('transaction_read_only')::bool")
        if not writable:
            raise LockLost("the server has become read-only")
        if not self._lease.expired():
            self._lease.reschedule(asked_s + LEASE_S)

    def end(self) -> None:
        """Cancel the work under the lock now."""
        if not self._lease.expired():
            self._lease.reschedule(0)

    async def execute(self, sql: str, *args: object) -> None:
        """Run a short statement on the lock's own connection, outside of any transaction. Raises LockLost."""
        async with self._turn:
            await _ask(self._connection, sql, *args)


@asynccontextmanager
async def held(key: LockKey) -> AsyncIterator[Lock]:
    """Hold the lock inside; what is awaited there is cancelled when the lock is lost.

    Raises LockTaken, LockLost, DatabaseUnavailable.
    """
    async with _session() as connection:
        if not await _take(connection, key):
            raise LockTaken
        async with _leased(connection) as lock:
            yield lock


async def work_in_turn(key: LockKey, work: Round, stop: asyncio.Event) -> None:
    """Do rounds of work, one process at a time, until `stop` is set: the holder works, the others wait.

    Before each round the lock is checked. Survives databases that go away: then the lock is taken again.
    """
    name = key.name or str(key.space)
    while not stop.is_set():
        try:
            async with _session() as connection:
                while not stop.is_set() and not await _take(connection, key):
                    await _pause(stop, STANDBY_INTERVAL_S)
                if stop.is_set():
                    return
                log.info("lock_taken", lock=name)
                async with _leased(connection) as lock:
                    while not stop.is_set():
                        await lock.check()
                        await _pause(stop, await work())
        except database.Unavailable as error:
            log.warning("lock_lost", lock=name, error=str(error) or type(error).__name__)
            await _pause(stop, RETRY_S)


@asynccontextmanager
async def _session() -> AsyncIterator[asyncpg.Connection]:
    connection = await connecting.connect(
        database.dsn(), command_timeout=ANSWER_S, server_settings=connecting.server_settings()
    )
    try:
        await _ask(connection, f"SELECT set_config('idle_session_timeout', '{SESSION_S}s', false)")
        yield connection
    finally:
        with suppress(*database.Unavailable):
            await connection.close(timeout=1)  # this frees the lock; a connection that can't be closed is terminated


async def _ask(connection: asyncpg.Connection, sql: str, *args: object) -> Any:
    try:
        return await connection.fetchval(sql, *args, timeout=ANSWER_S)
    except database.Unavailable as error:
        raise LockLost(str(error) or "no answer in time") from error


async def _take(connection: asyncpg.Connection, key: LockKey) -> bool:
    won: bool = await _ask(connection, f"SELECT pg_try_advisory_lock({key.sql})")
    return won


@asynccontextmanager
async def _leased(connection: asyncpg.Connection) -> AsyncIterator[Lock]:
    lease = asyncio.timeout(LEASE_S)
    try:
        async with lease:
            lock = Lock(connection, lease)
            heart = asyncio.create_task(_beat(lock, connection))
            try:
                yield lock
            finally:
                heart.cancel()
                await asyncio.wait([heart])
    except TimeoutError as error:
        if lease.expired():
            raise LockLost("no answer from the session that holds the lock") from error
        raise


async def _beat(lock: Lock, connection: asyncpg.Connection) -> None:
    """Renew the lease until cancelled; end it at once when the session is lost."""
    closed = asyncio.Event()
    connection.add_termination_listener(lambda _: closed.set())
    try:
        while True:
            await _pause(closed, HEARTBEAT_S)
            await lock.check()
    except LockLost as error:
        log.warning("lock_heartbeat_failed", error=str(error))
        lock.end()


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
