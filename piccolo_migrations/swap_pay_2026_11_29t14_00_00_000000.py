"""What a payment costs a customer on each network: network_fees.sql."""

from app.core.resources import MIGRATIONS
from app.core.sql_migration import SqlMigration, sql_migration

ID = "2026-11-29T14:00:00:000000"
DESCRIPTION = "Network fees that customers are shown"


async def forwards() -> SqlMigration:
    """What Piccolo runs on a database that the earlier migrations have made."""
    return sql_migration(
        ID,
        "swap_pay",
        DESCRIPTION,
        (MIGRATIONS / "network_fees.sql").read_text(),
        earlier=(MIGRATIONS / "schema.sql").read_text(),
    )
