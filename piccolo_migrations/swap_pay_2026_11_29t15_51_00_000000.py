"""The service fee that was taken for an invoice: charged_fees.sql."""

from piccolo.columns import Numeric

from app.core.resources import MIGRATIONS
from app.core.sql_migration import SqlMigration, sql_migration

ID = "2026-11-29T15:51:00:000000"
DESCRIPTION = "Charged fees"


async def forwards() -> SqlMigration:
    """What Piccolo runs on a database that the earlier migrations have made."""
    migration = sql_migration(
        ID,
        "swap_pay",
        DESCRIPTION,
        (MIGRATIONS / "charged_fees.sql").read_text(),
        earlier=(MIGRATIONS / "schema.sql").read_text(),
    )
    migration.add_column(
        "Invoice",
        "invoices",
        "service_fee_charged_raw",
        column_class=Numeric,
        params={"digits": (78, 0), "default": None, "null": True},
    )
    return migration
