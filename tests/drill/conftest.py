"""A Postgres that archives its WAL, with a gateway on it that pays out: what a drill restores."""

import asyncio
import base64
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from app.core.migrations import migrate
from app.sandbox import placement, postgres
from app.sandbox.home import ROOT
from app.sandbox.postgres import FAST, Postgres
from app.sandbox.processes import User, as_user
from tests.factories.deployment import environment_of
from tests.services import roomy_directory
from tests.signer.conftest import (  # noqa: F401 - fixtures
    asset_options,
    chain_settings,
    keys,
    mnemonic,
    network_options,
    node_url,
    services,
    setup,
)

DATABASE = "swap_pay"
CHECKPOINT_KEY = "c1:" + base64.b64encode(bytes(range(32))).decode()


@dataclass(frozen=True)
class Archived:
    """The server, the user that it runs as (None: ours), and a folder that this user can use."""

    server: Postgres
    user: User | None
    folder: Path

    @property
    def archive(self) -> Path:
        return self.folder / "archive"

    @property
    def programs(self) -> Path:
        return self.server.psql.parent

    @property
    def url(self) -> str:
        return self.server.dsn(DATABASE)

    def own_folder(self, name: str) -> Path:
        """A new folder that Postgres can write to."""
        folder = self.folder / name
        folder.mkdir(mode=0o700)
        if self.user is not None:
            os.chown(folder, self.user.uid, self.user.gid)
        return folder

    def base_backup(self, name: str) -> Path:
        """Take a base backup into a folder of this name."""
        folder = self.own_folder(name)
        parts = urlsplit(self.server.dsn())
        done = subprocess.run(
            [str(self.programs / "pg_basebackup"), "-D", str(folder), "--wal-method=stream", "--checkpoint=fast"],
            env={
                "PATH": os.defpath,
                **{"PGHOST": parts.hostname or "", "PGPORT": str(parts.port), "PGUSER": "postgres"},
                "PGPASSWORD": parts.password or "",
            },
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            **as_user(self.user),
        )
        assert done.returncode == 0, done.stderr
        return folder

    async def moment(self) -> datetime:
        """The server's time now: what was committed before it is in the copy, what comes after is not."""
        admin = await asyncpg.connect(self.server.dsn())
        now: datetime = await admin.fetchval("SELECT clock_timestamp()")
        await admin.close()
        return now.astimezone(UTC)

    async def archive_all(self) -> None:
        """Wait until everything that was committed is archived."""
        admin = await asyncpg.connect(self.server.dsn())
        last = await admin.fetchval("SELECT pg_walfile_name(pg_switch_wal())")
        async with asyncio.timeout(60):
            while (await admin.fetchval("SELECT coalesce(last_archived_wal, '') FROM pg_stat_archiver")) < last:
                await asyncio.sleep(0.02)
        await admin.close()


def documented_script() -> str:
    """The script for archive_command in docs/backups.md."""
    page = (ROOT / "docs/backups.md").read_text()
    (script,) = re.findall(r"^```sh\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    return str(script)


@pytest.fixture(scope="session")
def archiving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archived]:
    with roomy_directory(tmp_path_factory.mktemp("archived")) as directory:
        home = directory / "postgres"
        user = placement.run_as(home)
        folder = placement.prepare(home, user).parent
        archive = Archived(None, user, folder).own_folder("archive")  # type: ignore[arg-type] # its server starts next
        script = folder / "archive-wal"
        script.write_text(documented_script().replace("archive=/srv/wal", f"archive={archive}"))
        command = f"sh {script} %p %f"
        durable = {"wal_level": "replica", "max_wal_senders": "4", "archive_mode": "on", "archive_command": command}
        server = postgres.start(home, settings={**FAST, **durable})
        try:
            yield Archived(server, user, folder)
        finally:
            server.stop()
            postgres.remove(home)
            shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
async def archived(archiving: Archived) -> Archived:
    """The same with a migrated database."""
    archiving.server.create_database(DATABASE)
    await migrate(archiving.url)
    return archiving


@pytest.fixture
def environment(archived: Archived, valkey_url: str, tmp_path: Path) -> dict[str, str]:
    return {**environment_of(archived.url, valkey_url, tmp_path), "CHECKPOINT_KEY": CHECKPOINT_KEY}
