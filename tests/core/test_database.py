"""Edge cases of the engine that `core.database` wraps."""

import ast
import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from app.core import database
from app.core.waiting import DatabaseUnavailable
from app.sandbox import postgres
from app.sandbox.home import ROOT


async def test_nested_transactions_are_refused(db: str) -> None:
    async with database.transaction():
        with pytest.raises(database.NestedTransactionError):
            async with database.transaction():
                pass


async def test_a_failed_transaction_changes_nothing(db: str) -> None:
    with pytest.raises(ZeroDivisionError):
        async with database.transaction():
            await database.execute("CREATE TABLE scratch (n int)")
            raise ZeroDivisionError
    assert await database.fetch_value("SELECT to_regclass('scratch')") is None


async def test_a_failed_commit_frees_the_connection_and_the_context(db: str) -> None:
    await database.execute("CREATE TABLE scratch (n int UNIQUE DEFERRABLE INITIALLY DEFERRED)")
    for _ in range(30):  # more than the size of the pool
        with pytest.raises(asyncpg.UniqueViolationError):
            async with database.transaction():
                await database.execute("INSERT INTO scratch VALUES (1), (1)")
        with pytest.raises(database.NoTransactionError):
            database.in_transaction()
    assert await database.fetch_value("SELECT count(*) FROM scratch") == 0


async def test_amounts_come_back_as_int(db: str) -> None:
    largest = 10**78 - 1
    value = await database.fetch_value("SELECT $1::numeric(78,0)", largest)
    assert value == largest
    assert type(value) is int


COMMITS = "SHOW synchronous_commit"
LISTED = re.compile(r"^\| `(app/[a-z_/]+\.py)`, `([a-z_]+)` \|", re.MULTILINE)
"""A row of the table in docs/ha.md."""


def test_the_transactions_that_a_fail_over_may_lose_are_those_of_the_docs() -> None:
    used = {
        found for folder in ("app", "workers") for path in (ROOT / folder).rglob("*.py") for found in may_be_lost(path)
    }
    listed = LISTED.findall((ROOT / "docs/ha.md").read_text())
    assert sorted(used) == sorted(listed)
    assert used


def may_be_lost(path: Path) -> Iterator[tuple[str, str]]:
    """The file's functions that open such a transaction."""
    for function in ast.walk(ast.parse(path.read_text())):
        if isinstance(function, ast.AsyncFunctionDef):
            named = [word.arg for node in ast.walk(function) if isinstance(node, ast.Call) for word in node.keywords]
            if "may_be_lost" in named:
                yield str(path.relative_to(ROOT)), function.name


@pytest.fixture
def server_that_waits(tmp_path: Path) -> Iterator[str]:
    """The URL of a server whose commits must be on a standby too, and that has none."""
    standby = {"wal_level": "replica", "max_wal_senders": "2", "synchronous_standby_names": "nobody"}
    settings = {**postgres.FAST, **standby, "synchronous_commit": "on"}
    server = postgres.start(tmp_path / "postgres", settings=settings)
    yield server.dsn()
    server.stop()
    postgres.remove(tmp_path / "postgres")


async def test_a_commit_that_no_standby_has_is_never_a_success(server_that_waits: str) -> None:
    # Given a server whose commits wait for a standby, and somebody who cancels what waits,
    await database.open_pool(server_that_waits, max_size=2)
    cancelling = asyncio.create_task(cancel_what_waits(server_that_waits))
    try:
        # then what may be lost is committed,
        async with database.transaction(may_be_lost=True):
            assert await database.fetch_value(COMMITS) == "local"
            await database.execute("CREATE TABLE scratch (n int)")
        assert await database.fetch_value(COMMITS) == "on"
        # and of all else nobody is told that it was done.
        with pytest.raises(DatabaseUnavailable, match="on one host"):
            async with database.transaction():
                await database.execute("INSERT INTO scratch VALUES (1)")
        with pytest.raises(DatabaseUnavailable, match="on one host"):
            await database.execute("INSERT INTO scratch VALUES (2)")
        # A read goes on, and so does the connection after it.
        assert await database.fetch_value("SELECT array_agg(n) FROM scratch") == [1, 2]
    finally:
        cancelling.cancel()
        await database.close_pool()


async def cancel_what_waits(dsn: str) -> None:
    operator = await asyncpg.connect(dsn)
    while True:
        await operator.execute("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
        await asyncio.sleep(0.1)
