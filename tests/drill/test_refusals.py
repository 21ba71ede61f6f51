"""What stops a drill: each fault is named with what to do, and nothing is left behind."""

import asyncio
import os
import shutil
import socket
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import asyncpg
import pytest
from click.testing import CliRunner, Result

from app.cli.main import main
from app.drill import backup, copy, run
from app.drill.moments import parse_moment
from app.drill.refusal import DrillRefused
from tests.drill.conftest import Archived
from tests.factories.deployment import environment_of

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
USAGE = shutil._ntuple_diskusage


@dataclass(frozen=True)
class Backup:
    """A base backup, an archive with some segments after it, and a moment that both reach."""

    archived: Archived
    base: Path
    archive: Path
    moment: datetime


@pytest.fixture(scope="module")
def backed_up(archiving: Archived) -> Backup:
    async def archive_some() -> datetime:
        admin = await asyncpg.connect(archiving.server.dsn())
        await admin.execute("CREATE TABLE notes (id int)")
        await archiving.archive_all()
        await admin.execute("INSERT INTO notes VALUES (1)")
        await archiving.archive_all()
        moment = await archiving.moment()
        for number in (2, 3, 4):
            await admin.execute("INSERT INTO notes VALUES ($1)", number)
            await archiving.archive_all()
        await admin.close()
        return moment

    base = archiving.base_backup("small")
    return Backup(archiving, base, archiving.archive, asyncio.run(archive_some()))


class Changed(NamedTuple):
    """A folder, copied so that a test may damage it."""

    base: Path
    archive: Path


@pytest.fixture
def own(backed_up: Backup, archiving: Archived) -> Changed:
    folder = archiving.own_folder(f"own-{os.urandom(4).hex()}")
    for name, source in (("base", backed_up.base), ("archive", backed_up.archive)):
        shutil.copytree(source, folder / name, copy_function=shutil.copy2)
        if archiving.user is not None:
            for path in (folder / name, *(folder / name).rglob("*")):
                os.chown(path, archiving.user.uid, archiving.user.gid)
    return Changed(folder / "base", folder / "archive")


def drill(backed_up: Backup, target: Path, environment: dict[str, str], *arguments: str) -> Result:
    """Run the command with arguments that would do, and with those given in place of them."""
    usual = {
        "--base": str(backed_up.base),
        "--archive": str(backed_up.archive),
        "--to": backed_up.moment.isoformat(),
        "--target": str(target),
        "--programs": str(backed_up.archived.programs),
    }
    given = dict(zip(arguments[::2], arguments[1::2], strict=True))
    journal = [] if "--journal" in given else ["--no-journal"]
    return CliRunner().invoke(
        main,
        ["drill", "restore", *journal, *(part for option in (usual | given).items() for part in option)],
        env={**environment, "SIGNER_JOURNAL_FILE": ""},
    )


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Of a gateway whose servers are not there: no drill here comes as far as to need more than their names."""
    return environment_of("postgresql://swap_pay@127.0.0.1:1/swap_pay", "redis://127.0.0.1:1/0", tmp_path)


@pytest.fixture
def target(archiving: Archived) -> Path:
    return archiving.folder / f"target-{os.urandom(4).hex()}"


@pytest.fixture
def refused(backed_up: Backup, environment: dict[str, str], target: Path) -> Callable[..., str]:
    def call(*arguments: str) -> str:
        done = drill(backed_up, target, environment, *arguments)
        assert done.exit_code == 2, done.output
        assert not target.exists() or "not an empty folder" in done.output
        return " ".join(done.output.split())

    return call


def test_what_is_seen_before_anything_is_copied(
    refused: Callable[..., str],
    backed_up: Backup,
    own: Changed,
    target: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    assert "is in the future: nothing can be restored to it" in refused("--to", later)
    assert "has no time zone: add Z" in refused("--to", "2026-11-29T12:00:00")
    assert "write `latest`, `1 minute ago`" in refused("--to", "yesterday")
    assert "is before the base backup, which began at" in refused("--to", "2020-01-01T00:00:00Z")

    assert "without it nobody knows what was signed last" in refused("--journal", str(tmp_path / "journal"))
    (broken := tmp_path / "broken").write_text("no journal\n")
    assert "is not whole" in refused("--journal", str(broken))

    assert "is not a folder: give the base backup" in refused("--base", str(tmp_path / "nothing"))
    assert "has no backup_label" in refused("--base", str(backed_up.archive))
    (own.base / "postmaster.pid").touch()
    assert "used by a running Postgres" in refused("--base", str(own.base))
    (own.base / "postmaster.pid").unlink()
    (own.base / "PG_VERSION").write_text("17\n")
    assert "the backup is of PostgreSQL 17, and" in refused("--base", str(own.base))
    (own.base / "PG_VERSION").write_text("18\n")
    (own.base / "global" / "pg_control").write_bytes(b"other")
    assert "is damaged" in refused("--base", str(own.base))
    (packed := tmp_path / "packed").mkdir()
    (packed / "base.tar.gz").touch()
    assert "unpack them first" in refused("--base", str(packed))

    assert "has no segment of WAL" in refused("--archive", str(tmp_path))
    assert "has no `postgres` that runs" in refused("--programs", str(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert f"port {port} on 127.0.0.1 can't be used: Address already in use" in refused("--port", port)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: USAGE(2**40, 2**40 - 2**20, 2**20))
        assert "has 1 MiB free, and the copy needs" in refused()
    target.mkdir()
    (target / "kept").touch()
    assert "is not an empty folder: nothing is overwritten" in refused()
    assert [path.name for path in target.iterdir()] == ["kept"]


def test_an_archive_that_lacks_what_is_needed(
    refused: Callable[..., str], backed_up: Backup, own: Changed, target: Path
) -> None:
    base = backup.read_base(own.base)
    created, _, reached, later, _ = sorted(
        path for path in own.archive.iterdir() if len(path.name) == 24 and path.name > base.first_segment
    )
    # A gap after the moment does not keep it from being restored, and is a fault all the same.
    later.unlink()
    archive = backup.read_archive(own.archive, base)
    place = copy.place_for(base, target, None, backed_up.archived.programs)
    report = run.begun(backed_up.moment)
    made = run.restore(run.Prepared(base, archive, place, backed_up.moment, [], None), report, lambda _: None)
    made.remove()
    assert [(line.state, line.message) for line in report.lines if line.topic == "archive"] == [
        ("bad", f"the archive has a gap: {later.name} missing: nothing can be restored to a later moment")
    ]
    # One before the moment does.
    for path in own.archive.glob("*"):
        if path.name >= reached.name:
            path.unlink()
    assert "the archive ends with the transaction of" in (words := refused("--archive", str(own.archive)))
    assert "Restore to `latest`" in words
    created.unlink()
    words = refused("--archive", str(own.archive))
    assert f"the archive has a gap: {created.name} missing" in words


def test_gaps_are_counted_on_each_timeline() -> None:
    """After a fail-over the segments go on, under the number of another timeline."""
    names = {
        f"{timeline:08X}{log:08X}{segment:08X}"
        for timeline, log, segment in [
            (1, 0, 3),
            (1, 0, 9),
            (1, 0, 0xFE),
            (1, 0, 0xFF),
            (1, 1, 1),
            (2, 1, 1),
            (2, 1, 3),
        ]
    }
    found = backup._gaps(names, f"{1:08X}{0:08X}{0xFE:08X}", 16 * 2**20)
    assert found == [f"{1:08X}{1:08X}{0:08X}", f"{2:08X}{1:08X}{2:08X}"]


async def test_a_moment_after_which_nothing_happened_is_the_end_of_the_archive(backed_up: Backup, target: Path) -> None:
    """A system may be quiet: then there is no later transaction by which Postgres would know that it may stop."""
    base = backup.read_base(backed_up.base)
    archive = backup.read_archive(backed_up.archive, base)
    assert archive.missing == ()
    assert archive.newest_at is not None
    place = copy.place_for(base, target, None, backed_up.archived.programs)
    made = copy.restore(base, archive, place, archive.newest_at)
    try:
        assert made.notes == ["the archive has no transaction after the moment: all of it was replayed"]
        connection = await asyncpg.connect(made.dsn("postgresql://postgres@live.example/postgres"))
        assert [row["id"] for row in await connection.fetch("SELECT id FROM notes ORDER BY id")] == [1, 2, 3, 4]
        await connection.close()
    finally:
        made.remove()
    assert not target.exists()


@pytest.mark.parametrize(
    ("text", "ago_s"),
    [
        ("a minute ago", 60),
        ("1 minute ago", 60),
        ("90s", 90),
        ("2 h", 7_200),
        ("1d", 86_400),
        ("2026-11-29T12:59:00+01:00", 60),
    ],
)
def test_moments_as_people_write_them(text: str, ago_s: int) -> None:
    assert parse_moment(text, NOW) == NOW - timedelta(seconds=ago_s)


def test_latest_is_no_moment_and_nonsense_is_refused() -> None:
    assert parse_moment("latest", NOW) is None
    for text in ("", "now", "tomorrow", "5 fortnights", "2026-13-01T00:00:00Z"):
        with pytest.raises(DrillRefused):
            parse_moment(text, NOW)
