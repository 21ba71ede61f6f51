"""One process holds the lock and works, the others wait; a process that may have lost the lock stops its work."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from functools import partial
from typing import ClassVar

import asyncpg
import pytest

from app.core import advisory_lock, database
from app.core.advisory_lock import Lock, LockKey, LockLost, LockTaken, held, work_in_turn
from app.sandbox.postgres import Postgres

KEY = LockKey(1, "a network")


@pytest.fixture
def short_time_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use short heartbeats and leases, so that tests can wait for them."""
    for name, seconds in (("HEARTBEAT_S", 0.2), ("ANSWER_S", 0.5), ("LEASE_S", 0.7), ("STANDBY_INTERVAL_S", 0.1)):
        monkeypatch.setattr(advisory_lock, name, seconds)


async def end_sessions_with_locks(admin: asyncpg.Connection) -> None:
    await admin.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")


async def until(what: Callable[[], bool], limit_s: float = 10) -> None:
    async with asyncio.timeout(limit_s):
        while not what():
            await asyncio.sleep(0.02)


class Worker:
    """Runs rounds that take some time; no two workers may run one at the same time."""

    at_work: ClassVar[int] = 0

    def __init__(self) -> None:
        self.rounds = 0
        self.alone = True
        self.stop = asyncio.Event()
        self.task = asyncio.create_task(work_in_turn(KEY, self._round, self.stop))

    async def _round(self) -> float:
        Worker.at_work += 1
        self.alone = self.alone and Worker.at_work == 1
        self.rounds += 1
        try:
            await asyncio.sleep(0.05)
        finally:
            Worker.at_work -= 1
        return 0.01

    async def end(self) -> None:
        self.stop.set()
        await asyncio.wait_for(self.task, 10)
        assert self.alone


@pytest.mark.usefixtures("short_time_limits")
async def test_one_works_and_another_takes_over_when_it_stops(db: str) -> None:
    first = Worker()
    await until(lambda: first.rounds > 1)
    second = Worker()
    await asyncio.sleep(0.3)
    assert second.rounds == 0
    await first.end()
    await until(lambda: second.rounds > 1)
    await second.end()


def have_run(workers: list[Worker], rounds: int) -> bool:
    """Whether the workers together have run this many rounds."""
    return sum(worker.rounds for worker in workers) >= rounds


@pytest.mark.usefixtures("short_time_limits")
async def test_another_takes_over_from_one_whose_session_has_ended(db: str) -> None:
    admin = await asyncpg.connect(db)
    workers = [Worker(), Worker()]
    try:
        for _ in range(5):
            wanted = sum(worker.rounds for worker in workers) + 3
            await until(partial(have_run, workers, wanted))
            await end_sessions_with_locks(admin)
    finally:
        for worker in workers:
            await worker.end()
        await admin.close()


async def test_no_round_starts_without_a_check_of_the_lock(db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(advisory_lock, "HEARTBEAT_S", 60)  # only the check before each round
    monkeypatch.setattr(advisory_lock, "LEASE_S", 60)
    worker = Worker()
    try:
        await until(lambda: worker.rounds > 0)
        pid = await database.fetch_value("SELECT pid FROM pg_locks WHERE locktype = 'advisory'")
        os.kill(pid, signal.SIGSTOP)  # the session alone hangs
        try:
            await asyncio.sleep(0.3)  # the round in progress
            done = worker.rounds
            await asyncio.sleep(0.5)
            assert worker.rounds == done
        finally:
            os.kill(pid, signal.SIGCONT)
        await until(lambda: worker.rounds > done)
    finally:
        await worker.end()


async def test_work_is_cancelled_as_soon_as_the_session_has_ended(db: str) -> None:
    admin = await asyncpg.connect(db)
    began_s = time.monotonic()
    with pytest.raises(LockLost):
        async with held(KEY):
            await end_sessions_with_locks(admin)
            await asyncio.sleep(60)
    assert time.monotonic() - began_s < advisory_lock.HEARTBEAT_S
    await admin.close()


@pytest.mark.usefixtures("short_time_limits")
async def test_a_round_is_cancelled_when_the_server_hangs(db: str, postgres: Postgres) -> None:
    began = asyncio.Event()

    async def wait_for_ever() -> None:
        async with held(KEY):
            began.set()
            async with database.transaction():
                await database.execute("SELECT pg_sleep(60)")

    task = asyncio.create_task(wait_for_ever())
    await began.wait()
    with postgres.process.paused():
        began_s = time.monotonic()
        with pytest.raises(LockLost):
            await task
        assert time.monotonic() - began_s < 4
    async with held(KEY) as lock:  # the session was ended, and the lock is free
        await lock.check()


async def test_with_production_limits_a_holder_stops_before_the_server_frees_the_lock() -> None:
    assert advisory_lock.LEASE_S < advisory_lock.SESSION_S < 30


@pytest.mark.usefixtures("short_time_limits")
async def test_a_holder_that_was_itself_stopped_gives_up(db: str) -> None:
    with pytest.raises(LockLost):
        async with held(KEY):
            time.sleep(1.0)
            await asyncio.sleep(5)


async def test_the_server_frees_the_lock_of_a_silent_holder(db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(advisory_lock, "HEARTBEAT_S", 60)
    monkeypatch.setattr(advisory_lock, "LEASE_S", 60)
    monkeypatch.setattr(advisory_lock, "SESSION_S", 1)
    began_s = time.monotonic()
    with pytest.raises(LockLost):
        async with held(KEY):
            with pytest.raises(LockTaken):
                async with held(KEY):
                    pass
            await asyncio.sleep(60)
    assert time.monotonic() - began_s < 20
    async with held(KEY):
        pass


@pytest.mark.usefixtures("short_time_limits")
async def test_a_lock_on_a_server_that_has_become_read_only_is_lost(db: str) -> None:
    async def work(lock: Lock) -> None:
        await lock.execute("SET default_transaction_read_only = on")
        await asyncio.sleep(5)

    with pytest.raises(LockLost):
        async with held(KEY) as lock:
            await work(lock)


@pytest.mark.usefixtures("short_time_limits")
async def test_a_failure_of_the_work_is_raised_and_frees_the_lock(db: str) -> None:
    for error in (ZeroDivisionError, TimeoutError):
        with pytest.raises(error):
            async with held(KEY):
                raise error
    async with held(KEY):
        pass
