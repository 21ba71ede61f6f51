"""Sums of invoices for reports: invoice_figures.sql."""

from app.core.resources import MIGRATIONS
from app.core.sql_migration import SqlMigration, sql_migration

ID = "2026-11-29T15:41:00:000000"
DESCRIPTION = "Figures of invoices"


async def forwards() -> SqlMigration:
    """What Piccolo runs on a database that the earlier migrations have made."""
    return sql_migration(
        ID,
        "swap_pay",
        DESCRIPTION,
        (MIGRATIONS / "invoice_figures.sql").read_text(),
        earlier=(MIGRATIONS / "schema.sql").read_text(),
    )
