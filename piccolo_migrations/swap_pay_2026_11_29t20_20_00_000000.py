"""Quotes without a key to their invoice: quotes_of_invoices.sql."""

from piccolo.columns import ForeignKey, Varchar

from app.core.resources import MIGRATIONS
from app.core.sql_migration import SqlMigration, sql_migration

ID = "2026-11-29T20:20:00:000000"
DESCRIPTION = "Quotes without a key to their invoice"


async def forwards() -> SqlMigration:
    """What Piccolo runs on a database that the earlier migrations have made."""
    migration = sql_migration(ID, "swap_pay", DESCRIPTION, (MIGRATIONS / "quotes_of_invoices.sql").read_text())
    migration.alter_column(
        "Quote",
        "quotes",
        "invoice",
        params={"default": None, "length": 20},
        old_params={},
        column_class=Varchar,
        old_column_class=ForeignKey,
    )
    return migration
