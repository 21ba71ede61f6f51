"""How far events were deleted for their age: purged_events.sql."""

from piccolo.columns import BigInt

from app.core.resources import MIGRATIONS
from app.core.sql_migration import SqlMigration, sql_migration

ID = "2026-11-29T21:56:00:000000"
DESCRIPTION = "How far events were deleted"


async def forwards() -> SqlMigration:
    """What Piccolo runs on a database that the earlier migrations have made."""
    migration = sql_migration(ID, "swap_pay", DESCRIPTION, (MIGRATIONS / "purged_events.sql").read_text())
    migration.add_column(
        "EventHead", "event_heads", "purged_through_seq", column_class=BigInt, params={"default": 0, "null": False}
    )
    return migration
