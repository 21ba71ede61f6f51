"""Attempts in one partition for each month: attempts_by_month_swap.sql."""

from app.core.resources import MIGRATIONS
from app.core.sql_migration import SqlMigration, sql_migration

ID = "2026-11-29T21:53:00:000000"
DESCRIPTION = "Attempts by month"


async def forwards() -> SqlMigration:
    """What Piccolo runs on a database that the earlier migrations have made."""
    return sql_migration(ID, "swap_pay", DESCRIPTION, (MIGRATIONS / "attempts_by_month_swap.sql").read_text())
