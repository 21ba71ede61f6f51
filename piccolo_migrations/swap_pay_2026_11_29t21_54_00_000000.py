"""Ids of deliveries that say when they were made: attempts_by_month_ids.sql."""

from app.core.resources import MIGRATIONS
from app.core.sql_migration import SqlMigration, sql_migration

ID = "2026-11-29T21:54:00:000000"
DESCRIPTION = "Ids of deliveries with their time"


async def forwards() -> SqlMigration:
    """What Piccolo runs on a database that the earlier migrations have made."""
    return sql_migration(ID, "swap_pay", DESCRIPTION, (MIGRATIONS / "attempts_by_month_ids.sql").read_text())
