"""Large tables are cleaned more often: vacuum_by_count.sql."""

from app.core.resources import MIGRATIONS
from app.core.sql_migration import SqlMigration, sql_migration

ID = "2026-11-29T21:55:00:000000"
DESCRIPTION = "Cleaning of large tables"


async def forwards() -> SqlMigration:
    """What Piccolo runs on a database that the earlier migrations have made."""
    return sql_migration(ID, "swap_pay", DESCRIPTION, (MIGRATIONS / "vacuum_by_count.sql").read_text())
