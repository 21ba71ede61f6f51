"""Payment links, and the link of an invoice: payment_links.sql."""

from piccolo.columns import Varchar

from app.core.resources import MIGRATIONS
from app.core.sql_migration import SqlMigration, sql_migration

ID = "2026-11-30T22:30:00:000000"
DESCRIPTION = "Payment links"


async def forwards() -> SqlMigration:
    """What Piccolo runs on a database that the earlier migrations have made."""
    migration = sql_migration(
        ID,
        "swap_pay",
        DESCRIPTION,
        (MIGRATIONS / "payment_links.sql").read_text(),
        earlier=(MIGRATIONS / "schema.sql").read_text(),
    )
    migration.add_column(
        "Invoice",
        "invoices",
        "payment_link",
        column_class=Varchar,
        params={"default": None, "null": True, "length": 20},
    )
    return migration
