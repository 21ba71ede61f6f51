"""The proof that no delivery has an id with a time yet: attempts_by_month_validate.sql."""

from app.core.resources import MIGRATIONS
from app.core.sql_migration import SqlMigration, sql_migration

ID = "2026-11-29T21:51:00:000000"
DESCRIPTION = "Attempts by month: proof"


async def forwards() -> SqlMigration:
    """What Piccolo runs on a database that the earlier migrations have made."""
    return sql_migration(ID, "swap_pay", DESCRIPTION, (MIGRATIONS / "attempts_by_month_validate.sql").read_text())
