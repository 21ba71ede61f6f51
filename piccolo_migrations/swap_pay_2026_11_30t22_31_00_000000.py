"""The index of invoices by their payment link: payment_links_index.sql."""

from app.core.resources import MIGRATIONS
from app.core.sql_migration import SqlMigration, sql_migration

ID = "2026-11-30T22:31:00:000000"
DESCRIPTION = "Payment links: index"


async def forwards() -> SqlMigration:
    """What Piccolo runs on a database that the earlier migrations have made."""
    return sql_migration(
        ID, "swap_pay", DESCRIPTION, (MIGRATIONS / "payment_links_index.sql").read_text(), in_transaction=False
    )
