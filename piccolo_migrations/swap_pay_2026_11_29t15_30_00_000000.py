"""Search by beginnings and ends, saved filters, first steps: search.sql."""

from piccolo.columns import Boolean

from app.core.resources import MIGRATIONS
from app.core.sql_migration import SqlMigration, sql_migration

ID = "2026-11-29T15:30:00:000000"
DESCRIPTION = "Search, saved filters and first steps"


async def forwards() -> SqlMigration:
    """What Piccolo runs on a database that the earlier migrations have made."""
    migration = sql_migration(
        ID,
        "swap_pay",
        DESCRIPTION,
        (MIGRATIONS / "search.sql").read_text(),
        earlier=(MIGRATIONS / "schema.sql").read_text(),
    )
    migration.add_column(
        "Membership",
        "memberships",
        "first_steps_hidden",
        column_class=Boolean,
        params={"default": False, "null": False},
    )
    return migration
