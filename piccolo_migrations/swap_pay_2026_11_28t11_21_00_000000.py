"""The schema's beginning: schema.sql, which is made to be read. What changes later is a migration of its own."""

from app.core.resources import MIGRATIONS
from app.core.sql_migration import SqlMigration, sql_migration

ID = "2026-11-28T11:21:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "The schema's beginning"


async def forwards() -> SqlMigration:
    """What Piccolo runs on a database that has no tables yet."""
    return sql_migration(ID, "swap_pay", DESCRIPTION, (MIGRATIONS / "schema.sql").read_text())
