"""What the hot wallet pays fees with: resource_looks.sql."""

from app.core.resources import MIGRATIONS
from app.core.sql_migration import SqlMigration, sql_migration

ID = "2026-11-29T11:10:00:000000"
DESCRIPTION = "Resources of the hot wallet"


async def forwards() -> SqlMigration:
    """What Piccolo runs on a database that the earlier migrations have made."""
    return sql_migration(
        ID,
        "swap_pay",
        DESCRIPTION,
        (MIGRATIONS / "resource_looks.sql").read_text(),
        earlier=(MIGRATIONS / "schema.sql").read_text(),
    )
