"""What customers' pages say was sent: announced_transactions.sql."""

from app.core.resources import MIGRATIONS
from app.core.sql_migration import SqlMigration, sql_migration

ID = "2026-11-29T14:10:00:000000"
DESCRIPTION = "Announced transactions"


async def forwards() -> SqlMigration:
    """What Piccolo runs on a database that the earlier migrations have made."""
    return sql_migration(
        ID,
        "swap_pay",
        DESCRIPTION,
        (MIGRATIONS / "announced_transactions.sql").read_text(),
        earlier=(MIGRATIONS / "schema.sql").read_text(),
    )
