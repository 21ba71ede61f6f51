"""Edge cases of the engine that `core.database` wraps."""

import asyncpg
import pytest

from app.core import database


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
