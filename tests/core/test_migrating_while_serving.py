"""Migrations run while the gateway serves: nobody waits long behind one, and the rules for them are checked."""

import asyncio
import time
from pathlib import Path

import asyncpg
import pytest

from app.core import sql_migration as runner
from app.core.sql_migration import SqlMigration, sql_migration
from tests import migration_rules

ID = "2026-12-01T00:00:00:000000"


def made(sql: str, *, in_transaction: bool = True) -> SqlMigration:
    return sql_migration(ID, "swap_pay", "A change", sql, in_transaction=in_transaction)


async def test_readers_go_on_while_a_migration_cannot_have_its_lock(db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "PAUSE_S", 0.3)
    busy, reader = await asyncpg.connect(db), await asyncpg.connect(db)
    try:
        report = busy.transaction()  # somebody reads the table for a long time
        await report.start()
        await busy.fetchval("SELECT count(*) FROM switches")
        migrating = asyncio.create_task(made("ALTER TABLE switches ADD COLUMN colour integer").run())
        waits_s = []
        ends_at = time.monotonic() + 3
        while time.monotonic() < ends_at:
            started = time.monotonic()
            await reader.fetchval("SELECT count(*) FROM switches")
            waits_s.append(time.monotonic() - started)
            await asyncio.sleep(0.02)
        assert not migrating.done()
        assert 0.2 < max(waits_s) < runner.LOCK_WAIT_S + 1, "they waited behind the migration, and not for long"
        await report.rollback()
        await migrating
        assert await reader.fetchval("SELECT count(colour) FROM switches") == 0
    finally:
        await busy.close()
        await reader.close()


async def test_a_migration_that_never_gets_its_lock_fails_and_changes_nothing(
    db: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "PATIENCE_S", 0.0)
    busy = await asyncpg.connect(db)
    try:
        async with busy.transaction():
            await busy.fetchval("SELECT count(*) FROM switches")
            with pytest.raises(asyncpg.LockNotAvailableError):
                await made("CREATE TABLE early (a integer); ALTER TABLE switches ADD COLUMN colour integer").run()
        assert await busy.fetchval("SELECT to_regclass('early')") is None
    finally:
        await busy.close()


async def test_an_index_that_was_left_unfinished_is_built_again(db: str) -> None:
    connection = await asyncpg.connect(db)
    try:
        await connection.execute("CREATE TABLE shades (a integer); INSERT INTO shades VALUES (1), (1)")
        with pytest.raises(asyncpg.UniqueViolationError):
            await connection.execute("CREATE UNIQUE INDEX CONCURRENTLY shades_once ON shades (a)")
        await connection.execute("DELETE FROM shades WHERE ctid = (SELECT min(ctid) FROM shades)")
        both = """
            -- Two indexes; the first is there, and can't be used.
            CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS shades_once ON shades (a);
            CREATE INDEX CONCURRENTLY IF NOT EXISTS shades_other ON shades (a) WHERE a > 0;
            """
        for _ in range(2):  # once more changes nothing
            await made(both, in_transaction=False).run()
            valid = await connection.fetch(
                "SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = 'shades'::regclass AND indisvalid"
            )
            assert {row[0] for row in valid} == {"shades_once", "shades_other"}
    finally:
        await connection.close()


MODULE = 'return sql_migration(ID, "swap_pay", DESCRIPTION, (MIGRATIONS / "change.sql").read_text(){})'


@pytest.mark.parametrize(
    ("sql", "outside", "rule"),
    [
        ("CREATE INDEX a ON invoices (merchant);", False, "require-concurrent-index-creation"),
        ("CREATE INDEX CONCURRENTLY a ON invoices (merchant);", False, "in_transaction=False"),
        ("CREATE INDEX CONCURRENTLY a ON invoices (merchant);", True, "run again"),
        ("ALTER TABLE invoices ADD COLUMN x integer NOT NULL;", False, "adding-required-field"),
        ("ALTER TABLE invoices ADD CONSTRAINT y CHECK (x > 0);", False, "constraint-missing-not-valid"),
        ("ALTER TABLE invoices ALTER COLUMN w TYPE bigint;", False, "changing-column-type"),
        ("ALTER TABLE invoices DROP COLUMN z;", False, "ban-drop-column"),
        ("ALTER TABLE invoices RENAME COLUMN w TO v;", False, "renaming-column"),
        ("CREATE INDEX CONCURRENTLY IF NOT EXISTS a ON invoices (merchant);", True, None),
        ("ALTER TABLE invoices ADD CONSTRAINT y CHECK (x > 0) NOT VALID;", False, None),
        ("ALTER TABLE invoices VALIDATE CONSTRAINT y;", False, None),
        ("ALTER TABLE invoices ADD COLUMN x integer NOT NULL DEFAULT 0;", False, None),
        ("-- No version in use reads it.\n-- squawk-ignore ban-drop-column\nALTER TABLE t DROP COLUMN z;", False, None),
    ],
)
def test_the_rules_for_migrations(tmp_path: Path, sql: str, outside: bool, rule: str | None) -> None:
    module = tmp_path / "swap_pay_2026_12_01t00_00_00_000000.py"
    module.write_text(MODULE.format(", in_transaction=False" if outside else ""))
    (tmp_path / "change.sql").write_text(sql)
    faults = migration_rules.faults_of(module)
    if rule is None:
        assert faults == []
    else:
        assert any(rule in fault for fault in faults), faults


def test_piccolos_own_migrations_are_refused_and_new_ones_are_looked_at(tmp_path: Path) -> None:
    module = tmp_path / "swap_pay_2026_12_01t00_00_00_000000.py"
    module.write_text("manager = MigrationManager()")
    (tmp_path / "swap_pay_2026_11_29t00_00_00_000000.py").write_text("")
    assert migration_rules.new_migrations(tmp_path) == [module]
    assert "must be a sql_migration" in migration_rules.faults_of(module)[0]
