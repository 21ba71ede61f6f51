"""What an endpoint answered last before it was paused: stopped_by.sql."""

from piccolo.columns import Varchar

from app.core.resources import MIGRATIONS
from app.core.sql_migration import SqlMigration, sql_migration

ID = "2026-11-29T15:43:00:000000"
DESCRIPTION = "The last answer before a pause"


async def forwards() -> SqlMigration:
    """What Piccolo runs on a database that the earlier migrations have made."""
    migration = sql_migration(ID, "swap_pay", DESCRIPTION, (MIGRATIONS / "stopped_by.sql").read_text())
    migration.add_column(
        "WebhookEndpoint",
        "webhook_endpoints",
        "stopped_by",
        column_class=Varchar,
        params={"length": 40, "default": None, "null": True},
    )
    return migration
