"""Bringing a database to the schema of this code."""

import contextlib
import io
import os

from app.core import connecting, database

MIGRATION_LOCK = 7_226_001
"""Advisory lock key: two hosts that start at once must not both migrate."""

STATEMENT_TIMEOUT_S = 3_600
"""Of one statement of a migration: an index over a large table takes minutes. The lock is waited for as long."""


async def migrate(dsn: str) -> str:
    """Apply every migration that is missing; what Piccolo said about it. Safe to run at once from many hosts."""
    os.environ.setdefault("PICCOLO_CONF", "app.piccolo_conf")
    from piccolo.apps.migrations.commands.forwards import run_forwards  # noqa: PLC0415 - needs PICCOLO_CONF

    database.configure(dsn, command_timeout=STATEMENT_TIMEOUT_S)
    guard = await connecting.connect(dsn, command_timeout=STATEMENT_TIMEOUT_S)
    try:
        await guard.execute("SELECT pg_advisory_lock($1)", MIGRATION_LOCK)
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            result = await run_forwards(app_name="swap_pay")
        if not result.success:
            raise RuntimeError(f"the migration failed: {result.message or said.getvalue()}")
        return said.getvalue().strip()
    finally:
        await guard.close()
