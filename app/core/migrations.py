"""Migrating a database to the schema of this code."""

import contextlib
import io
import os

import asyncpg
import msgspec

from app.core import connecting, database
from app.core.deployment import DeploymentError

MIGRATION_LOCK = 7_226_001
"""Advisory lock key: two hosts that start at once must not both migrate."""

STATEMENT_TIMEOUT_S = 3_600
"""Of one statement of a migration: an index over a large table takes minutes. The lock is waited for as long."""


class MigrationFailed(DeploymentError):
    """A migration could not be applied; the message says why. Those before it stay applied."""


class Migrated(msgspec.Struct, frozen=True):
    """What a run did. Names are those of the files in `piccolo_migrations`, oldest first."""

    applied: tuple[str, ...]
    """Applied by this run."""
    before: int
    """How many were applied before it."""


async def migrate(dsn: str) -> Migrated:
    """Apply every migration that is missing. Safe to run at once from many hosts: the others wait and find it done.

    Opens its own connections. Raises MigrationFailed, and OSError or PostgresError where the database can't be used.
    """
    os.environ.setdefault("PICCOLO_CONF", "app.piccolo_conf")
    from piccolo.apps.migrations.commands.forwards import run_forwards  # noqa: PLC0415 - needs PICCOLO_CONF

    database.configure(dsn, command_timeout=STATEMENT_TIMEOUT_S)
    guard = await connecting.connect(dsn, command_timeout=STATEMENT_TIMEOUT_S)
    try:
        await guard.execute("SELECT pg_advisory_lock($1)", MIGRATION_LOCK)
        before = await _applied(guard)
        printed = io.StringIO()
        # Piccolo reports by printing, also of every migration that was applied before.
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            result = await run_forwards(app_name="swap_pay")
        if not result.success:
            raise MigrationFailed(result.message or printed.getvalue().strip())
        after = await _applied(guard)
        return Migrated(tuple(name for name in after if name not in before), len(before))
    finally:
        await guard.close()


def module_name(migration_id: str) -> str:
    """Piccolo stores `2026-01-31T09:30:00:000000` and names the file `swap_pay_2026_01_31t09_30_00_000000`."""
    return "swap_pay_" + migration_id.lower().replace("-", "_").replace(":", "_")


async def _applied(connection: asyncpg.Connection) -> list[str]:
    if not await connection.fetchval("SELECT to_regclass('migration') IS NOT NULL"):
        return []
    rows = await connection.fetch("SELECT name FROM migration WHERE app_name = 'swap_pay' ORDER BY name")
    return [module_name(row["name"]) for row in rows]
