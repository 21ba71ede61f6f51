import asyncio
import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from app.sandbox import placement, ports, postgres
from app.sandbox.postgres import Postgres
from app.sandbox.processes import ProcessError, User, as_user
from tests.sandbox.test_processes import wait_until
from tests.services import start_postgres_for_tests

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="about running as root")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with start_postgres_for_tests(tmp_path_factory.mktemp("server")) as running:
        yield running


async def run_query(server: Postgres, query: str, database: str = "postgres") -> object:
    connection = await asyncpg.connect(server.dsn(database))
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def test_settings_and_tools_are_those_of_the_server(server: Postgres) -> None:
    assert str(await run_query(server, "SHOW server_version")).startswith("18.")
    assert await run_query(server, "SHOW fsync") == "off"
    assert await run_query(server, "SHOW max_connections") == "300"
    assert await run_query(server, "SHOW timezone") == "UTC"
    for tool in (server.psql, server.pgbench):
        assert b"18." in subprocess.run([tool, "--version"], capture_output=True, check=True).stdout


async def test_databases_of_any_name_are_created_once(server: Postgres) -> None:
    for name in ("swap pay", "o'swap\"pay"):
        server.create_database(name)
        server.create_database(name)
        assert await run_query(server, "SELECT current_database()", name) == name


async def test_only_loopback_and_only_with_the_password(server: Postgres) -> None:
    assert await run_query(server, "SHOW listen_addresses") == "127.0.0.1"
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(server.dsn(), password="guess")


async def test_data_survives_restart_kill_and_a_second_start(server: Postgres) -> None:
    dsn = server.dsn()
    await run_query(server, "CREATE TABLE kept AS SELECT 1 AS step")
    server.restart()
    assert server.dsn() == dsn
    assert await run_query(server, "INSERT INTO kept VALUES (2) RETURNING 1") == 1
    await run_query(server, "CHECKPOINT")  # without fsync a kill, unlike a stop, may lose the insert
    server.kill()
    server.restart()
    assert await run_query(server, "SELECT count(*) FROM kept") == 2

    server.stop()
    second = postgres.start(server.home_dir, port=server.port, settings=postgres.DURABLE)
    assert await run_query(second, "SELECT count(*) FROM kept") == 2
    assert await run_query(second, "SHOW fsync") == "on"
    second.stop()
    server.restart()


async def test_a_stale_pid_file_of_an_unrelated_process_is_ignored(server: Postgres) -> None:
    server.kill()
    user = placement.run_as(server.home_dir)
    unrelated = subprocess.Popen(["sleep", "600"], **as_user(user))
    pid_file = placement.data_dir(server.home_dir) / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    pid_file.write_text("\n".join([str(unrelated.pid), *lines[1:]]) + "\n")
    server.restart()
    assert await run_query(server, "SELECT 1") == 1
    assert unrelated.poll() is None
    unrelated.kill()
    unrelated.wait()


async def until_it_takes_connections(server: Postgres) -> None:
    async with asyncio.timeout(30):
        while True:
            with contextlib.suppress(asyncpg.CannotConnectNowError, OSError):
                await run_query(server, "SELECT 1")
                return
            await asyncio.sleep(0.05)


async def test_a_server_started_by_hand_is_ended(server: Postgres) -> None:
    """No pid file of ours names it, so it would use the data directory for ever."""
    server.stop()
    data = placement.data_dir(server.home_dir)
    user = placement.run_as(server.home_dir)
    by_hand = subprocess.Popen(
        [server.psql.with_name("postgres"), "-D", data, "-p", str(server.port), "-k", ""],
        stderr=subprocess.DEVNULL,
        **as_user(user),
    )
    assert wait_until(lambda: ports.answers(server.port))
    await until_it_takes_connections(server)  # stopped while it starts it would end with 1
    server.restart()
    assert by_hand.wait(5) == 0
    assert await run_query(server, "SELECT 1") == 1


async def test_a_killed_first_start_is_repeated(tmp_path: Path) -> None:
    home_dir = tmp_path / "postgres"
    unfinished = placement.prepare(home_dir, placement.run_as(home_dir)).with_name("data.new")
    unfinished.mkdir()
    (unfinished / "PG_VERSION").write_text("18\n")
    server = postgres.start(home_dir, settings=postgres.FAST)
    try:
        assert await run_query(server, "SELECT 1") == 1
    finally:
        server.stop()
        postgres.remove(home_dir)


def test_a_taken_port_is_named_as_the_reason(server: Postgres, tmp_path: Path) -> None:
    with pytest.raises(ProcessError, match=r"(?s)before it was ready.*Address already in use"):
        postgres.start(tmp_path / "postgres", port=server.port)
    postgres.remove(tmp_path / "postgres")


@as_root
async def test_below_a_closed_directory_the_data_is_elsewhere_and_its_mode_stays(tmp_path: Path) -> None:
    home_dir = tmp_path / "closed" / "postgres"
    home_dir.mkdir(parents=True)
    (tmp_path / "closed").chmod(0o700)
    server = postgres.start(home_dir, settings=postgres.FAST)
    outside = (home_dir / "data").readlink()
    assert outside.is_relative_to("/var/tmp")
    assert outside.stat().st_mode & 0o077 == 0
    assert (tmp_path / "closed").stat().st_mode & 0o777 == 0o700
    assert (home_dir / "password").stat().st_mode & 0o777 == 0o600
    server.restart()
    assert await run_query(server, "SELECT 1") == 1
    server.stop()
    postgres.remove(home_dir)
    assert not outside.parent.exists()
    assert not home_dir.exists()


@as_root
def test_programs_that_the_user_cannot_reach_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # As if the checkout with its .venv lay under /root.
    monkeypatch.setattr(placement, "can_reach", lambda path, user: "site-packages" not in str(path))
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o711)
        server = postgres.start(Path(directory) / "postgres", settings=postgres.FAST)
        assert server.psql.is_relative_to(directory)
        server.create_database("swap_pay")
        server.stop()


@as_root
def test_reach_depends_on_every_directory_of_the_path(tmp_path: Path) -> None:
    nobody = User(65_534, 65_534)
    with tempfile.TemporaryDirectory() as directory:
        inner = Path(directory, "a", "b")
        inner.mkdir(parents=True)
        Path(directory).chmod(0o711)
        assert placement.can_reach(inner, nobody)
        inner.parent.chmod(0o700)
        assert not placement.can_reach(inner, nobody)
        os.chown(inner.parent, nobody.uid, 0)
        assert placement.can_reach(inner, nobody)
