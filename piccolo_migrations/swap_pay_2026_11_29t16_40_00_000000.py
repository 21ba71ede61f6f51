"""Passkeys, and approvals that carry what a passkey has signed: passkeys.sql."""

from piccolo.columns import Text

from app.core.resources import MIGRATIONS
from app.core.sql_migration import SqlMigration, sql_migration

ID = "2026-11-29T16:40:00:000000"
DESCRIPTION = "Passkeys, and approvals that carry what a passkey has signed"


async def forwards() -> SqlMigration:
    """What Piccolo runs on a database that the earlier migrations have made."""
    migration = sql_migration(
        ID,
        "swap_pay",
        DESCRIPTION,
        (MIGRATIONS / "passkeys.sql").read_text(),
        earlier=(MIGRATIONS / "schema.sql").read_text(),
    )
    migration.add_column(
        "Approval",
        "approvals",
        "assertion",
        column_class=Text,
        params={"default": None, "null": True, "primary_key": False, "unique": False},
    )
    return migration
