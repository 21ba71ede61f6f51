"""A primary and a hot standby of it, for tests."""

import asyncio
import os
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg

from app.core import clock, standby
from app.core.metrics import REGISTRY
from app.core.standby import Standby
from app.sandbox import placement, postgres
from app.sandbox.postgres import Postgres, _run

SERVERS = {
    **postgres.FAST,
    "wal_level": "replica",
    "max_wal_senders": "6",
    "wal_retrieve_retry_interval": "100ms",
    "autovacuum": "off",
}
"""A standby must allow as many connections as its primary, and no vacuum may end a read of a test there."""

PATIENCE_S = 60
"""For what happens in a second on a machine that has nothing else to do."""


def copy_database(origin: Postgres, to: Postgres, name: str) -> None:
    """Copy a database of one server into an empty one of another."""
    env = {"PATH": os.defpath, "LC_ALL": "C"}
    dump = _run([str(origin.psql.with_name("pg_dump")), origin.dsn(name)], env=env)
    _run([str(to.psql), "-Xq", "-v", "ON_ERROR_STOP=1", to.dsn(name)], env=env, stdin=dump)


def standby_of(primary: Postgres, home_dir: Path) -> Postgres:
    """Copy the primary while it runs, and start the copy as a hot standby. What reads there for longer than a moment
    is ended by a change that it can't be shown together with."""
    user = placement.run_as(home_dir)
    data = placement.prepare(home_dir, user)
    programs = placement.program_dir(data, user)
    copy = [str(programs / "pg_basebackup"), "-D", str(data), "-d", primary.dsn(), "-R", "-X", "stream", "-c", "fast"]
    if user is not None and data.parent.stat().st_uid != user.uid:
        data.mkdir(mode=0o700)
        os.chown(data, user.uid, user.gid)
    _run([*copy, "--no-sync"], env={"PATH": os.defpath, "LC_ALL": "C", "HOME": str(data.parent)}, user=user)
    shutil.copyfile(primary.home_dir / "password", home_dir / "password")
    return postgres.start(home_dir, settings=SERVERS | {"max_standby_streaming_delay": "100ms"})


READER = "reader"
"""The role that reads: no superuser, as in a deployment. Its password is its name."""


async def make_reader(primary: Postgres) -> None:
    """Create the role; the standby follows."""
    connection = await asyncpg.connect(primary.dsn())
    await connection.execute(f"CREATE ROLE {READER} LOGIN PASSWORD '{READER}' IN ROLE pg_read_all_data")
    await connection.close()


async def until(true: Callable[[], Awaitable[object] | object]) -> None:
    """Wait until something is true."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            found = true()
            if isinstance(found, Awaitable):
                found = await found
            if found:
                return
            await asyncio.sleep(0.02)


async def until_shown() -> Standby:
    """Wait until this process may read from its one standby whatever was committed until now. Returns it."""
    (one,), moment = standby.standbys(), clock.now()
    await until(lambda: one.is_usable and one.can_show(moment))
    return one


async def on(server: Postgres, statement: str) -> object:
    """Run a statement on a server, as its superuser. Returns its one value."""
    connection = await asyncpg.connect(server.dsn())
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


def reads(server: str) -> float:
    """How many units of work were counted so far: see `standby.READS`."""
    return REGISTRY.get_sample_value("swap_pay_standby_reads_total", {"server": server}) or 0
