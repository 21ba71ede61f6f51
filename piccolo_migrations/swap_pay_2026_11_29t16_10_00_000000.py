"""The time zone of each person: time_zones.sql."""

from piccolo.columns import Varchar

from app.core.resources import MIGRATIONS
from app.core.sql_migration import SqlMigration, sql_migration

ID = "2026-11-29T16:10:00:000000"
DESCRIPTION = "Time zones of people"


async def forwards() -> SqlMigration:
    """What Piccolo runs on a database that the earlier migrations have made."""
    migration = sql_migration(ID, "swap_pay", DESCRIPTION, (MIGRATIONS / "time_zones.sql").read_text())
    migration.add_column(
        "Account",
        "accounts",
        "time_zone",
        column_class=Varchar,
        params={"length": 64, "default": None, "null": True},
    )
    return migration
