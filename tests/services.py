"""Servers for the suite, each a context manager around one of `app.sandbox`.

One of each per pytest-xdist worker: a worker's `tmp_path_factory.getbasetemp()` is its own, and all three
together start in about a second, less than sharing them through a lock would complicate.
"""

import asyncio
import contextlib
import functools
import importlib
import os
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Literal

import asyncpg
import pytest
from piccolo.apps.migrations.commands.forwards import run_forwards
from redis.exceptions import RedisError

from app.core import database, redis
from app.sandbox import anvil, bitcoind, bitcoind_package, postgres, tron_node, valkey
from app.sandbox.anvil import Anvil
from app.sandbox.bitcoind import Bitcoind
from app.sandbox.postgres import Postgres
from app.sandbox.processes import ProcessError
from app.sandbox.tron_node import TronNode
from app.sandbox.valkey import Valkey

TEMPLATE = "swap_pay_template"
"""The migrated database that is cloned for each test."""


_MEMORY = Path("/dev/shm")
_MEMORY_NEEDED_BYTES = 2 * 2**30
"""Several servers of some hundred megabytes each. A container often has 64 MB there."""
_IN_MEMORY_PREFIX = "swap-pay-tests-"


@contextmanager
def start_postgres_for_tests(tmp_dir: Path) -> Iterator[Postgres]:
    """An empty PostgreSQL, fast and not durable. Deleted at the end.

    Its files are in memory if there is enough space, else below `tmp_dir`: each clone of a database creates seven
    hundred files, which takes 20 ms in memory and up to half a second on a disk.
    """
    with roomy_directory(tmp_dir) as directory:
        server = postgres.start(directory / "postgres", settings=postgres.FAST)
        try:
            yield server
        finally:
            server.stop()
            postgres.remove(directory / "postgres")


@contextmanager
def roomy_directory(tmp_dir: Path) -> Iterator[Path]:
    """A directory in memory, deleted at the end; `tmp_dir` where there is not enough of it."""
    try:
        roomy = shutil.disk_usage(_MEMORY).free >= _MEMORY_NEEDED_BYTES and os.access(_MEMORY, os.W_OK)
    except OSError:
        roomy = False
    if not roomy:
        yield tmp_dir
        return
    _remove_abandoned()
    with tempfile.TemporaryDirectory(prefix=f"{_IN_MEMORY_PREFIX}{os.getpid()}-", dir=_MEMORY) as directory:
        Path(directory).chmod(0o711)  # for root, Postgres runs as another user
        yield Path(directory)


def _remove_abandoned() -> None:
    """Free the memory of test runs that were killed."""
    for directory in _MEMORY.glob(f"{_IN_MEMORY_PREFIX}*"):
        pid = directory.name.removeprefix(_IN_MEMORY_PREFIX).partition("-")[0]
        with contextlib.suppress(OSError):
            if directory.stat().st_uid == os.geteuid() and not Path(f"/proc/{pid}").exists():
                shutil.rmtree(directory)


async def clone_template(admin: asyncpg.Connection, name: str) -> None:
    """Create the database `name` as a copy of the migrated one. Copying files is faster if they are in memory."""
    await admin.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY FILE_COPY")


@asynccontextmanager
async def read_only(dsn: str) -> AsyncIterator[None]:
    """Inside, the server is read-only, as after a fail-over: sessions stay open, and none can write."""
    admin = await asyncpg.connect(dsn)
    await admin.execute("SET default_transaction_read_only = off")

    async def reloaded(statement: str, wanted: str) -> None:
        await admin.execute(statement)
        await admin.execute("SELECT pg_reload_conf()")
        async with asyncio.timeout(30):
            while await _fresh(dsn) != wanted:
                await asyncio.sleep(0.02)
        await asyncio.sleep(0.1)  # idle sessions read it at their next statement

    try:
        await reloaded("ALTER SYSTEM SET default_transaction_read_only = on", "on")
        yield
    finally:
        await reloaded("ALTER SYSTEM RESET default_transaction_read_only", "off")
        await admin.close()


async def _fresh(dsn: str) -> str:
    connection = await asyncpg.connect(dsn)
    try:
        return str(await connection.fetchval("SHOW default_transaction_read_only"))
    finally:
        await connection.close()


@contextmanager
def start_valkey_for_tests(tmp_dir: Path) -> Iterator[Valkey]:
    """An empty Valkey."""
    server = valkey.start(tmp_dir / "valkey")
    try:
        yield server
    finally:
        server.stop()


STATES_IN_MEMORY = ("--prune-history", "1000000")
"""All states stay in memory. By default anvil 1.7.1 moves the oldest to disk, and among them a recent one whose block
has the hash of an older one, as tests make within a second; a reorganisation that goes back to such a state takes the
code of every contract away."""


@contextmanager
def start_anvil_for_tests(
    tmp_dir: Path, *, block_time_s: float | None = None, family: Literal["ethereum", "optimism"] = "ethereum"
) -> Iterator[Anvil]:
    """A chain of its own, which mines each transaction at once unless `block_time_s` is given."""
    node = anvil.start(tmp_dir / f"anvil-{family}", block_time_s=block_time_s, family=family, options=STATES_IN_MEMORY)
    try:
        yield node
    finally:
        node.stop()


@contextmanager
def start_bitcoind_for_tests(tmp_dir: Path, *, options: Sequence[str] = ()) -> Iterator[Bitcoind]:
    """A Bitcoin node in regtest with an empty chain. Skips the test where no bitcoind can be had: see below."""
    bitcoind_or_skip()
    node = bitcoind.start(tmp_dir / "bitcoind", options=options)
    try:
        yield node
    finally:
        node.stop()


@contextmanager
def start_tron_node_for_tests(tmp_dir: Path) -> Iterator[TronNode]:
    """A double of a Tron node, with a block when a test asks for one."""
    node = tron_node.start(tmp_dir / "tron")
    try:
        yield node
    finally:
        node.stop()


async def empty_redis() -> None:
    """Delete everything in the open Valkey. On a busy machine a connection may take longer than the app waits."""
    async with asyncio.timeout(20):
        while True:
            try:
                await redis.client().flushall()
            except RedisError:
                await asyncio.sleep(0.1)
            else:
                return


def bitcoind_or_skip() -> Path:
    """The bitcoind of this machine, fetched if need be. Where there is none the test is skipped, with what to install
    as the reason; on a build server (CI=true) it fails."""
    found = bitcoind_of_this_machine()
    if isinstance(found, ProcessError):
        if os.environ.get("CI") == "true":
            raise found
        pytest.skip(str(found))
    return found


def import_or_skip(module: str) -> Any:
    """A module that needs bdkpython. Where that has no wheel the test is skipped; on a build server (CI=true) it
    fails."""
    if os.environ.get("CI") == "true":
        return importlib.import_module(module)
    return pytest.importorskip(module, reason="bdkpython has no wheel for this machine")


@functools.cache
def bitcoind_of_this_machine() -> Path | ProcessError:
    """The bitcoind, fetched if need be, or why there is none. Only the first call of a process looks for it."""
    try:
        return bitcoind.find() or bitcoind_package.fetch()
    except ProcessError as error:
        return error


@asynccontextmanager
async def database_as_of(postgres: Postgres, migration_id: str) -> AsyncIterator[str]:
    """The URL of a new database with the migrations up to this one, as an older version has left it."""
    name = f"old_{uuid.uuid4().hex}"
    admin = await asyncpg.connect(postgres.dsn())
    await admin.execute(f"CREATE DATABASE {name}")
    database.configure(postgres.dsn(name))
    assert (await run_forwards("swap_pay", migration_id=migration_id)).success
    yield postgres.dsn(name)
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()
