"""Real services for tests: one Postgres, Valkey and EVM node per worker, a migrated database cloned for each test."""

import asyncio
import gc
import logging
import time
import uuid
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from pathlib import Path

import asyncpg
import pytest
import structlog
from argon2 import PasswordHasher
from playwright import async_api, sync_api

from app.accounts import passwords
from app.core import clock, database, gc_tuning, redis
from app.core.migrations import migrate
from app.core.settings import Settings, load
from app.mail import sealing
from app.sandbox.anvil import Anvil
from app.sandbox.bitcoin_driver import BitcoinDriver
from app.sandbox.bitcoind import Bitcoind
from app.sandbox.chain_driver import AnvilDriver
from app.sandbox.postgres import Postgres
from app.sandbox.tron_driver import TronDriver
from app.sandbox.tron_node import TronNode
from app.sandbox.valkey import Valkey
from app.wiring import Services, running, wire
from tests.factories.deployment import DATA_KEYS, environment_of
from tests.factories.networks import networks_toml
from tests.order import pytest_collection_modifyitems, pytest_xdist_make_scheduler
from tests.services import (
    TEMPLATE,
    clone_template,
    empty_redis,
    start_anvil_for_tests,
    start_bitcoind_for_tests,
    start_postgres_for_tests,
    start_tron_node_for_tests,
    start_valkey_for_tests,
)
from tests.signatures import read_once

__all__ = ["pytest_collection_modifyitems", "pytest_xdist_make_scheduler"]


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect without a search for garbage, then search rarely, and never through what was imported and collected: each
    such search took half a second, and together they took a fifth of a test process's time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc_tuning.settle()
        gc.enable()


MAX_SUGGESTIONS = 10

REDIS_ANSWER_S = redis.ANSWER_S


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the command that runs each failed test again."""
    failed = [*terminalreporter.getreports("failed"), *terminalreporter.getreports("error")]
    names = list(dict.fromkeys(report.nodeid for report in failed))
    if names:
        terminalreporter.section("to run one of them again")
        for name in names[:MAX_SUGGESTIONS]:
            terminalreporter.line(f"make test T='{name}' TEST_PROCESSES=0")
        if len(names) > MAX_SUGGESTIONS:
            terminalreporter.line(f"and {len(names) - MAX_SUGGESTIONS} more")


@pytest.fixture(scope="session", autouse=True)
def patient_browsers() -> None:
    """What a page will show may take long on a busy machine: five seconds is what Playwright waits by itself."""
    for playwright in (async_api, sync_api):
        playwright.expect.set_options(timeout=30_000)


@pytest.fixture(autouse=True)
def patient_with_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may take longer for an answer of Redis than the app waits: it would count requests by itself from
    then on, and a test's counts would be wrong."""
    monkeypatch.setattr(redis, "ANSWER_S", 20.0)


@pytest.fixture
def as_patient_as_production(patient_with_redis: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of a Redis that hangs: the app waits for it as long as in production."""
    monkeypatch.setattr(redis, "ANSWER_S", REDIS_ANSWER_S)


@pytest.fixture(scope="session", autouse=True)
def full_cost_hasher() -> Iterator[PasswordHasher]:
    """The hasher of production. The suite hashes at the lowest cost: at the full one, an account takes 0.2 s."""
    full_cost, passwords.hasher = passwords.hasher, PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    yield full_cost
    passwords.hasher = full_cost


@pytest.fixture(scope="session", autouse=True)
def signatures_read_once() -> Iterator[None]:
    """Litestar reads the signature of each of 670 handlers for every app that is made, half of what an app costs, and
    most tests make one: what it has read of a function is used again."""
    with pytest.MonkeyPatch.context() as patch:
        read_once(patch)
        yield


@pytest.fixture(autouse=True)
def logs_as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a test sets up for logging ends with it: a handler that writes to its output would fail in the next one.

    Production's loggers keep their first configuration; here they don't, so that any test can catch what is logged.
    """
    root, configure, before = logging.getLogger(), structlog.configure, structlog.get_config()
    handlers, level = root.handlers[:], root.level
    monkeypatch.setattr(
        structlog, "configure", lambda **options: configure(**options | {"cache_logger_on_first_use": False})
    )
    yield
    configure(**before)
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A server with the migrated database that is cloned for each test."""
    with start_postgres_for_tests(tmp_path_factory.getbasetemp()) as server:
        server.create_database(TEMPLATE)
        asyncio.run(migrate(server.dsn(TEMPLATE)))
        yield server


@pytest.fixture
async def database_url(postgres: Postgres) -> AsyncIterator[str]:
    """A fresh migrated database for one test (about 20 ms in memory), dropped afterwards."""
    name = f"test_{uuid.uuid4().hex}"
    admin = await asyncpg.connect(postgres.dsn())
    await clone_template(admin, name)
    await admin.close()
    yield postgres.dsn(name)
    admin = await asyncpg.connect(postgres.dsn())
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


@pytest.fixture
def steady_clock() -> Iterator[None]:
    """Reset the clock after each test."""
    yield
    clock.unshift()


@pytest.fixture
async def db(database_url: str, steady_clock: None) -> AsyncIterator[str]:
    """The process's pool, open on a new database, and the keys that seal letters."""
    sealing.use_keys(DATA_KEYS)
    await database.open_pool(database_url, max_size=20)
    yield database_url
    await database.close_pool()


@pytest.fixture(scope="session")
def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """A Valkey on loopback, shared by the run's tests."""
    with start_valkey_for_tests(tmp_path_factory.getbasetemp()) as server:
        yield server


@pytest.fixture(scope="session")
def valkey_url(valkey_server: Valkey) -> str:
    """Its URL."""
    return valkey_server.url


@pytest.fixture
async def valkey(valkey_url: str) -> AsyncIterator[str]:
    """The process's Redis client, open on an empty Valkey."""
    redis.open_client(valkey_url)
    await empty_redis()
    yield valkey_url
    await redis.close_client()


@pytest.fixture(scope="session")
def anvil(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Anvil]:
    """A node that mines each transaction at once, shared by the run's tests: each starts at its head."""
    with start_anvil_for_tests(tmp_path_factory.getbasetemp()) as node:
        yield node


@pytest.fixture
async def driver(anvil: Anvil) -> AsyncIterator[AnvilDriver]:
    """Sends payments and mines blocks. After the test the chain is reset, with its time: if its blocks were ahead of
    the clock, a later test's payment would be late, and if they were behind it, a late payment would be in time."""
    driver = await AnvilDriver.connect(anvil.rpc_url)
    as_found = await driver.call("evm_snapshot")
    yield driver
    assert await driver.call("evm_revert", as_found)
    await driver.call("evm_setTime", int(time.time()))
    await driver.aclose()


@pytest.fixture(scope="session")
def bitcoind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bitcoind]:
    """A Bitcoin node in regtest, shared by the run's tests: each starts at its tip, with an empty pool."""
    with start_bitcoind_for_tests(tmp_path_factory.getbasetemp()) as node:
        yield node


@pytest.fixture
async def bitcoin(bitcoind: Bitcoind) -> AsyncIterator[BitcoinDriver]:
    """Pays from a wallet with coins, and mines. After the test the node's clock is the real one again, and what was
    left in the pool is mined."""
    driver = await BitcoinDriver.connect(bitcoind.rpc_url)
    yield driver
    await driver.call("setmocktime", 0)
    await driver.mine()
    assert await driver.pool() == []
    await driver.aclose()


@pytest.fixture(scope="session")
def tron_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TronNode]:
    """A double of a Tron node, shared by the run's tests: each starts at its head."""
    with start_tron_node_for_tests(tmp_path_factory.getbasetemp()) as node:
        yield node


@pytest.fixture
async def tron(tron_node: TronNode) -> AsyncIterator[TronDriver]:
    """Pays, mines and makes forks. After the test the chain is as it was before it, and no node has a fault."""
    driver = await TronDriver.connect(tron_node.api_url)
    as_found = (await driver.double("snapshot"))["id"]
    await driver.catch_up()
    yield driver
    await driver.double("revert", id=as_found)
    await driver.aclose()


@pytest.fixture
async def token(driver: AnvilDriver) -> str:
    """A new token's contract; its supply belongs to the node's first account."""
    return await driver.deploy_token(10**15)


@pytest.fixture
def environment(database_url: str, valkey_url: str, tmp_path: Path) -> dict[str, str]:
    """The environment variables of a test deployment without networks."""
    return environment_of(database_url, valkey_url, tmp_path)


@pytest.fixture
def settings(environment: dict[str, str]) -> Settings:
    """Settings of a test deployment without networks."""
    return load(environment)


@pytest.fixture
def chain_settings(environment: dict[str, str], tmp_path: Path, anvil: Anvil, token: str) -> Callable[..., Settings]:
    """Settings of a deployment with `ethereum:test` on the node, USDT being `token`; options go to the network."""

    def make(**options: object) -> Settings:
        path = tmp_path / "networks.toml"
        path.write_text(networks_toml(anvil.rpc_url, token, **options))
        return load(environment)

    return make


@pytest.fixture
async def services(chain_settings: Callable[..., Settings], steady_clock: None) -> AsyncIterator[Services]:
    """A process's gateway on a fresh database, an empty Valkey and the node's head."""
    async with running(wire(chain_settings())) as services:
        await empty_redis()
        yield services
