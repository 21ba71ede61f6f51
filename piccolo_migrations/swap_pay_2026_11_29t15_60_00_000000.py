"""What operators leave for each other on a case: case_notes.sql."""

from app.core.resources import MIGRATIONS
from app.core.sql_migration import SqlMigration, sql_migration

ID = "2026-11-29T15:60:00:000000"
DESCRIPTION = "Notes of operators on cases"


async def forwards() -> SqlMigration:
    """What Piccolo runs on a database that the earlier migrations have made."""
    return sql_migration(
        ID,
        "swap_pay",
        DESCRIPTION,
        (MIGRATIONS / "case_notes.sql").read_text(),
        earlier=(MIGRATIONS / "schema.sql").read_text(),
    )
