"""What `/metrics` says of a server that archives its WAL, and while that fails."""

import asyncio
import subprocess
from pathlib import Path

import asyncpg

from app.core import clock, database
from app.monitoring import gauges
from app.monitoring.repository import archiver
from tests.drill.conftest import Archived


async def figures() -> dict[str, float]:
    found = await gauges._archive_gauges(clock.now())
    return {family.name: family.samples[0].value for family in found}


def test_the_documented_script_never_overwrites_a_segment(archiving: Archived, tmp_path: Path) -> None:
    (segment := tmp_path / ("0" * 24)).write_bytes(b"one")
    archived = archiving.archive / segment.name

    def archive() -> int:
        script = archiving.folder / "archive-wal"
        return subprocess.run(["sh", str(script), str(segment), segment.name], check=False).returncode

    assert (archive(), archived.read_bytes()) == (0, b"one")
    assert archive() == 0  # the same again, as after a crash
    segment.write_bytes(b"two")
    assert (archive(), archived.read_bytes()) == (1, b"one")
    archived.unlink()


async def test_a_failing_archive_command_shows_and_ends(archiving: Archived) -> None:
    await archiving.archive_all()
    admin = await asyncpg.connect(archiving.server.dsn())
    await database.open_pool(archiving.server.dsn(), max_size=2)
    try:
        assert (await figures())["swap_pay_wal_archive_failing"] == 0
        assert (await figures())["swap_pay_wal_archived_seconds"] < 600
        folder = archiving.archive.rename(archiving.archive.with_name("away"))
        await admin.execute("CREATE TABLE something (id int)")
        await admin.execute("SELECT pg_switch_wal()")
        async with asyncio.timeout(60):
            while not (await archiver()).fails:  # type: ignore[union-attr]
                await asyncio.sleep(0.05)
        assert (await figures())["swap_pay_wal_archive_failing"] == 1
        folder.rename(archiving.archive)
        async with asyncio.timeout(90):
            while (await archiver()).fails:  # type: ignore[union-attr]
                await admin.execute("INSERT INTO something VALUES (1)")
                await admin.execute("SELECT pg_switch_wal()")  # it wakes the archiver, which rests after three failures
                await asyncio.sleep(0.2)
    finally:
        await database.close_pool()
        await admin.close()
