"""Calls of what is deprecated: deprecated_calls.sql."""

from app.core.resources import MIGRATIONS
from app.core.sql_migration import SqlMigration, sql_migration

ID = "2026-11-30T22:10:00:000000"
DESCRIPTION = "Calls of what is deprecated"


async def forwards() -> SqlMigration:
    """What Piccolo runs on a database that the earlier migrations have made."""
    return sql_migration(
        ID,
        "swap_pay",
        DESCRIPTION,
        (MIGRATIONS / "deprecated_calls.sql").read_text(),
        earlier=(MIGRATIONS / "schema.sql").read_text(),
    )
