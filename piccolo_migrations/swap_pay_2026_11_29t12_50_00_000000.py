"""What movements were worth: worths.sql."""

from piccolo.columns import Varchar

from app.core.resources import MIGRATIONS
from app.core.sql_migration import SqlMigration, sql_migration

ID = "2026-11-29T12:50:00:000000"
DESCRIPTION = "Worths"


async def forwards() -> SqlMigration:
    """What Piccolo runs on a database that the earlier migrations have made."""
    earlier = [(MIGRATIONS / name).read_text() for name in ("schema.sql", "rates.sql")]
    migration = sql_migration(
        ID, "swap_pay", DESCRIPTION, (MIGRATIONS / "worths.sql").read_text(), earlier="\n".join(earlier)
    )
    migration.add_column(
        "Merchant",
        "merchants",
        "reporting_currency",
        column_class=Varchar,
        params={"length": 3, "default": None, "null": True},
    )
    return migration
