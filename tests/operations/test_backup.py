"""The restore of a dump as in docs/backups.md: dump a gateway with money, restore it elsewhere, verify the ledgers."""

import os
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from app.core import clock, database
from app.reconciliation import repository
from app.sandbox.postgres import Postgres
from app.wiring import wire
from tests.reconciliation.conftest import chain_settings, environment, hook, services, world  # noqa: F401 - fixtures
from tests.reconciliation.world import World


def run(program: Path, dsn: str, *options: str) -> None:
    """Run a program of Postgres on one database."""
    parts = urlsplit(dsn)
    connection = {
        "PGHOST": parts.hostname or "",
        "PGPORT": str(parts.port),
        "PGUSER": parts.username or "",
        "PGPASSWORD": parts.password or "",
        "PGDATABASE": parts.path.lstrip("/"),
    }
    done = subprocess.run([str(program), *options], env={"PATH": os.defpath, **connection}, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()


async def test_a_restored_dump_has_the_same_ledgers(
    world: World,  # noqa: F811
    postgres: Postgres,
    tmp_path: Path,
) -> None:
    await world.payout(1_000_000)
    await world.settle()
    settings = world.services.settings
    programs, dump = Path(postgres.psql).parent, tmp_path / "swap-pay.dump"
    run(programs / "pg_dump", settings.database_url, "--format=custom", "--file", str(dump))
    restored = f"restored_{os.urandom(4).hex()}"
    postgres.create_database(restored)
    run(programs / "pg_restore", postgres.dsn(restored), "--dbname", restored, "--exit-on-error", str(dump))

    before = await database.fetch_all("SELECT owner, asset, seq, head_hash FROM ledger_heads ORDER BY owner, asset")
    await database.close_pool()
    await database.open_pool(postgres.dsn(restored), max_size=5)
    try:
        after = await database.fetch_all("SELECT owner, asset, seq, head_hash FROM ledger_heads ORDER BY owner, asset")
        assert [tuple(row) for row in after] == [tuple(row) for row in before] != []
        elsewhere = wire(settings)
        run_id = await elsewhere.reconciliation.run(clock.now(), full=True)
        await elsewhere.networks.aclose()
        done = await repository.run(run_id)
        assert done is not None
        assert (done.status, await repository.findings(run_id)) == ("clean", [])
        with pytest.raises(asyncpg.RestrictViolationError):  # the triggers were restored too
            await database.execute("DELETE FROM ledger_entries")
    finally:
        await database.close_pool()
        await database.open_pool(settings.database_url, max_size=5)
        admin = await asyncpg.connect(postgres.dsn())
        await admin.execute(f"DROP DATABASE {restored} WITH (FORCE)")
        await admin.close()
