"""A primary with a hot standby for the tests of this folder, and the app that reads from it."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.core import database, standby, waiting
from app.sandbox import postgres as sandbox
from app.sandbox.postgres import Postgres
from tests.identity.conftest import app, browser
from tests.services import TEMPLATE, roomy_directory
from tests.standby.replication import READER, SERVERS, copy_database, make_reader, standby_of

__all__ = ["app", "browser"]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the servers have their files."""
    with roomy_directory(tmp_path_factory.getbasetemp() / "replicated") as directory:
        yield directory


@pytest.fixture(scope="session")
def postgres(postgres: Postgres, folder: Path) -> Iterator[Postgres]:
    """The primary, with the migrated database that is cloned for each test: a copy of the one that other tests clone,
    which takes less time than all migrations. Their server has no WAL that a standby could follow."""
    server = sandbox.start(folder / "primary", settings=SERVERS)
    try:
        server.create_database(TEMPLATE)
        copy_database(postgres, server, TEMPLATE)
        asyncio.run(make_reader(server))
        yield server
    finally:
        server.stop()
        sandbox.remove(folder / "primary")


@pytest.fixture(scope="session")
def replica(postgres: Postgres, folder: Path) -> Iterator[Postgres]:
    """Its hot standby."""
    server = standby_of(postgres, folder / "standby")
    try:
        yield server
    finally:
        server.stop()
        sandbox.remove(folder / "standby")


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a server that is there may not answer within a second. And no statement gives up by itself."""
    monkeypatch.setattr(waiting, "WORKER_LIMIT_S", 600.0)
    monkeypatch.setattr(standby, "LOOK_LIMIT_S", 30.0)
    monkeypatch.setattr(database, "CONNECTION_LIMIT_S", 30.0)


@pytest.fixture
def read_url(database_url: str, replica: Postgres) -> str:
    """The test's database on the standby, for a role that is no superuser."""
    return f"postgresql://{READER}:{READER}@127.0.0.1:{replica.port}/{database_url.rpartition('/')[2]}"


@pytest.fixture
def environment(environment: dict[str, str], read_url: str) -> dict[str, str]:
    """A deployment with a standby. It may be far behind: on a busy machine each pause is long."""
    return environment | {"DATABASE_READ_URL": read_url, "DATABASE_READ_MAX_LAG_S": "60"}
