"""Return addresses that customers give: return_addresses.sql."""

from piccolo.columns import Varchar
from piccolo.constraints import Check

from app.core.resources import MIGRATIONS
from app.core.sql_migration import SqlMigration, sql_migration

ID = "2026-11-29T14:20:00:000000"
DESCRIPTION = "Return addresses"


async def forwards() -> SqlMigration:
    """What Piccolo runs on a database that the earlier migrations have made."""
    migration = sql_migration(
        ID,
        "swap_pay",
        DESCRIPTION,
        (MIGRATIONS / "return_addresses.sql").read_text(),
        earlier=(MIGRATIONS / "schema.sql").read_text(),
    )
    migration.add_column(
        "Merchant",
        "merchants",
        "return_addresses",
        column_class=Varchar,
        params={"length": 10, "default": "confirmed", "null": False},
    )
    migration.add_constraint("Merchant", "merchants", "merchants_return_addresses_known", Check, {"condition": ""})
    return migration
