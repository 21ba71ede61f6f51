"""Passkeys, and what they sign of approvals: passkeys.sql."""

from app.core.resources import MIGRATIONS
from app.core.sql_migration import SqlMigration, sql_migration

ID = "2026-11-29T16:40:00:000000"
DESCRIPTION = "Passkeys, and what they sign of approvals"


async def forwards() -> SqlMigration:
    """What Piccolo runs on a database that the earlier migrations have made."""
    return sql_migration(
        ID,
        "swap_pay",
        DESCRIPTION,
        (MIGRATIONS / "passkeys.sql").read_text(),
        earlier=(MIGRATIONS / "schema.sql").read_text(),
    )
