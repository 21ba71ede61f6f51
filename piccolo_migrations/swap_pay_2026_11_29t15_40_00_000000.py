"""Long work with progress and cancel: background_jobs.sql."""

from app.core.resources import MIGRATIONS
from app.core.sql_migration import SqlMigration, sql_migration

ID = "2026-11-29T15:40:00:000000"
DESCRIPTION = "Background jobs"


async def forwards() -> SqlMigration:
    """What Piccolo runs on a database that the earlier migrations have made."""
    return sql_migration(
        ID,
        "swap_pay",
        DESCRIPTION,
        (MIGRATIONS / "background_jobs.sql").read_text(),
        earlier=(MIGRATIONS / "schema.sql").read_text(),
    )
