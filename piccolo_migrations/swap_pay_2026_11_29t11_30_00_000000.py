"""Addresses whose tokens are frozen: frozen_addresses.sql."""

from app.core.resources import MIGRATIONS
from app.core.sql_migration import SqlMigration, sql_migration

ID = "2026-11-29T11:30:00:000000"
DESCRIPTION = "Addresses whose tokens are frozen"


async def forwards() -> SqlMigration:
    """What Piccolo runs on a database that the earlier migrations have made."""
    return sql_migration(
        ID,
        "swap_pay",
        DESCRIPTION,
        (MIGRATIONS / "frozen_addresses.sql").read_text(),
        earlier=(MIGRATIONS / "schema.sql").read_text(),
    )
