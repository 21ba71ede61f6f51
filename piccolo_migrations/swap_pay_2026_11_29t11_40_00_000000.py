"""What a waiting payment would cost: withdrawal_previews.sql."""

from app.core.resources import MIGRATIONS
from app.core.sql_migration import SqlMigration, sql_migration

ID = "2026-11-29T11:40:00:000000"
DESCRIPTION = "What a waiting payment would cost"


async def forwards() -> SqlMigration:
    """What Piccolo runs on a database that the earlier migrations have made."""
    return sql_migration(
        ID,
        "swap_pay",
        DESCRIPTION,
        (MIGRATIONS / "withdrawal_previews.sql").read_text(),
        earlier=(MIGRATIONS / "schema.sql").read_text(),
    )
