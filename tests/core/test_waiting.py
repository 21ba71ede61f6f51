"""Every wait for Postgres ends: with the server stopped, at each step; and afterwards the pool works as before."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncpg
import pytest
from asyncpg.exceptions import InterfaceError

from app.core import connecting, database, waiting
from app.core.waiting import DatabaseUnavailable, budget
from app.sandbox.postgres import Postgres
from tests.services import read_only

POOL_SIZE = 3
LIMIT_S = 0.6
AT_ONCE_S = 5.0
"""What a busy machine may add to a limit, or need for a step without a wait."""


@pytest.fixture
async def short_time_limits(database_url: str) -> AsyncIterator[str]:
    """Use a small pool with short time limits."""
    await database.open_pool(database_url, max_size=POOL_SIZE, limit_each_wait_s=LIMIT_S)
    yield database_url
    await database.close_pool()
    waiting.limit_each_wait(waiting.WORKER_LIMIT_S)


async def ends_in_time(work: Awaitable[Any], limit_s: float = LIMIT_S) -> None:
    began_s = time.monotonic()
    with pytest.raises(DatabaseUnavailable):
        await work
    assert time.monotonic() - began_s < limit_s + AT_ONCE_S


async def pool_is_whole() -> None:
    """The pool's maximum of connections can be acquired at once, and each works."""
    lent = [await asyncio.wait_for(database.pool().acquire(), 5) for _ in range(POOL_SIZE)]
    for connection in lent:
        assert await connection.fetchval("SELECT 1") == 1
        await database.pool().release(connection)


async def statement(pause: Callable[[], None]) -> None:
    await database.fetch_value("SELECT 1")
    pause()
    await database.fetch_value("SELECT 1")


async def statement_in_transaction(pause: Callable[[], None]) -> None:
    async with database.transaction():
        pause()
        await database.fetch_value("SELECT 1")


async def commit(pause: Callable[[], None]) -> None:
    async with database.transaction():
        await database.execute("UPDATE merchants SET name = name")
        pause()


async def rollback(pause: Callable[[], None]) -> None:
    async with database.transaction():
        await database.execute("UPDATE merchants SET name = name")
        pause()
        raise ZeroDivisionError


async def new_connection(pause: Callable[[], None]) -> None:
    await database.pool().expire_connections()
    pause()
    await database.fetch_value("SELECT 1")


async def connection_of_a_pool_in_use(pause: Callable[[], None]) -> None:
    pause()
    outcomes = await asyncio.gather(
        *(database.fetch_value("SELECT 1") for _ in range(3 * POOL_SIZE)), return_exceptions=True
    )
    assert {type(outcome) for outcome in outcomes} == {DatabaseUnavailable}
    raise outcomes[0]  # one of those above


@pytest.mark.parametrize(
    "step",
    [statement, statement_in_transaction, commit, rollback, new_connection, connection_of_a_pool_in_use],
    ids=lambda step: step.__name__,
)
@pytest.mark.usefixtures("short_time_limits")
async def test_with_the_server_stopped_each_step_ends(
    postgres: Postgres, step: Callable[[Callable[[], None]], Awaitable[None]]
) -> None:
    paused = postgres.process.paused()
    try:
        await ends_in_time(step(paused.__enter__))
    finally:
        paused.__exit__(None, None, None)
    await pool_is_whole()


@pytest.mark.usefixtures("short_time_limits")
async def test_a_cancelled_wait_ends_at_once(postgres: Postgres) -> None:
    await database.fetch_value("SELECT 1")
    with postgres.process.paused():
        began_s = time.monotonic()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await database.fetch_value("SELECT 1")
        assert time.monotonic() - began_s < 0.1 + AT_ONCE_S
    await pool_is_whole()


@pytest.mark.usefixtures("short_time_limits")
async def test_closing_the_pool_ends_too(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "CLOSE_TIMEOUT_S", 0.2)
    with postgres.process.paused():
        began_s = time.monotonic()
        await database.close_pool()
        assert time.monotonic() - began_s < 0.2 + AT_ONCE_S


@pytest.mark.usefixtures("db")
async def test_the_statements_of_a_request_share_one_budget() -> None:
    with budget(1.5):
        await database.execute("SELECT pg_sleep(0.6)")
        await ends_in_time(database.execute("SELECT pg_sleep(5)"), 0.9)
        await ends_in_time(database.execute("SELECT 1"), 0)  # the budget is used up
    await database.execute("SELECT 1")


@pytest.mark.usefixtures("db")
async def test_work_beside_a_request_does_not_use_its_budget() -> None:
    with budget(0.05):
        task = waiting.run_beside(database.fetch_value("SELECT 1 FROM pg_sleep(0.2)"))
    assert await task == 1


async def test_waiting_for_others_who_wait_counts_too() -> None:
    held = asyncio.Lock()
    async with held:
        with budget(0.2):
            await ends_in_time(_take(held), 0.2)


async def _take(lock: asyncio.Lock) -> None:
    async with waiting.turn(lock):
        pass


@pytest.mark.usefixtures("db")
async def test_only_waiting_for_the_database_counts() -> None:
    with budget(0.3):
        await asyncio.sleep(0.4)  # a slow client, or a node
        assert await database.fetch_value("SELECT 1") == 1


@pytest.mark.usefixtures("short_time_limits")
async def test_a_server_that_is_only_slow_ends_the_statement_and_the_connection_stays() -> None:
    pid = await database.fetch_value("SELECT pg_backend_pid()")
    with pytest.raises(asyncpg.QueryCanceledError):
        await database.execute("SELECT pg_sleep(5)")
    assert await database.fetch_value("SELECT pg_backend_pid()") == pid


@pytest.mark.parametrize("in_transaction", [False, True])
@pytest.mark.usefixtures("db")
async def test_a_connection_that_the_server_ends_is_unavailable(in_transaction: bool) -> None:
    end = "SELECT pg_terminate_backend(pg_backend_pid())"
    with pytest.raises(DatabaseUnavailable):
        if in_transaction:
            async with database.transaction():
                await database.execute(end)
        else:
            await database.execute(end)
    assert await database.fetch_value("SELECT 1") == 1


@pytest.mark.usefixtures("db")
async def test_our_own_error_is_not_the_databases_fault() -> None:
    with pytest.raises(InterfaceError, match="expects 1 argument"):
        await database.fetch_value("SELECT $1::int")
    with pytest.raises(asyncpg.UndefinedTableError):
        await database.fetch_value("SELECT 1 FROM nowhere")


async def test_connections_that_a_fail_over_has_left_read_only_are_replaced(db: str, postgres: Postgres) -> None:
    await database.execute("CREATE TABLE scratch (n int)")
    old = await backends(4)  # more connections than detect it themselves
    async with read_only(postgres.dsn()):
        for _ in range(2):  # one that detects it, and one that would have to connect
            with pytest.raises(DatabaseUnavailable):
                await database.execute("INSERT INTO scratch VALUES (1)")
        with pytest.raises(DatabaseUnavailable, match="no connection"):  # its answers may be out of date
            await connecting.connect(db)
    await database.execute("INSERT INTO scratch VALUES (2)")
    assert not await backends(4) & old
    assert await database.fetch_value("SELECT array_agg(n) FROM scratch") == [2]


async def backends(count: int) -> set[int]:
    """The server's processes of that many connections of the pool."""
    lent = [await database.pool().acquire() for _ in range(count)]
    pids = {await connection.fetchval("SELECT pg_backend_pid()") for connection in lent}
    for connection in lent:
        await database.pool().release(connection)
    return pids


async def test_a_first_host_that_does_not_answer_is_skipped(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connecting, "CONNECT_TIMEOUT_S", 0.5)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        host = database_url.partition("@")[2].partition("/")[0]
        two_hosts = database_url.replace(host, f"127.0.0.1:{silent.getsockname()[1]},{host}")
        connection = await connecting.connect(two_hosts)
        assert await connection.fetchval("SELECT 1") == 1
        await connection.close()
        await (await connecting.connect(two_hosts)).close()  # the one that answered is asked first now
        silent.setblocking(False)
        silent.accept()[0].close()
        with pytest.raises(BlockingIOError):
            silent.accept()
        with pytest.raises(DatabaseUnavailable, match="no connection"):
            await connecting.connect(database_url.replace(host, f"127.0.0.1:{silent.getsockname()[1]}"))


@pytest.mark.usefixtures("db")
async def test_both_ends_check_the_connection() -> None:
    async with database.pool().acquire() as connection:
        link = connection._transport.get_extra_info("socket")
        for level, option, value in connecting.KEEPALIVE:
            assert link.getsockopt(level, option) == value
        theirs = {
            name: await connection.fetchval(f"SHOW {name}")
            for name in ("tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count", "tcp_user_timeout")
        }
    assert theirs == {
        "tcp_keepalives_idle": "5",
        "tcp_keepalives_interval": "5",
        "tcp_keepalives_count": "3",
        "tcp_user_timeout": "20000",
    }
    assert connecting.DEAD_LINK_S <= 30
