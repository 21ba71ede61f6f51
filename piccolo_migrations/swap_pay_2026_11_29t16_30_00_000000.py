"""Quotes without keys to their rate and their address: quote_keys.sql."""

from piccolo.columns import BigInt, ForeignKey

from app.core.resources import MIGRATIONS
from app.core.sql_migration import SqlMigration, sql_migration

ID = "2026-11-29T16:30:00:000000"
DESCRIPTION = "Quotes without keys to their rate and their address"


async def forwards() -> SqlMigration:
    """What Piccolo runs on a database that the earlier migrations have made."""
    migration = sql_migration(ID, "swap_pay", DESCRIPTION, (MIGRATIONS / "quote_keys.sql").read_text())
    for name in ("rate", "deposit_address"):
        migration.alter_column(
            "Quote",
            "quotes",
            name,
            params={"default": None},
            old_params={},
            column_class=BigInt,
            old_column_class=ForeignKey,
        )
    return migration
