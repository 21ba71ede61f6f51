"""Forms that are kept for their page: kept_forms.sql."""

from app.core.resources import MIGRATIONS
from app.core.sql_migration import SqlMigration, sql_migration

ID = "2026-11-29T15:20:00:000000"
DESCRIPTION = "Forms that are kept for their page"


async def forwards() -> SqlMigration:
    """What Piccolo runs on a database that the earlier migrations have made."""
    return sql_migration(ID, "swap_pay", DESCRIPTION, (MIGRATIONS / "kept_forms.sql").read_text())
