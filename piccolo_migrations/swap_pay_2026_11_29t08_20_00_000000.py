"""What the signer offers for a place in a block: fee_looks.sql."""

from app.core.resources import MIGRATIONS
from app.core.sql_migration import SqlMigration, sql_migration

ID = "2026-11-29T08:20:00:000000"
DESCRIPTION = "Fee rates that the signer offers"


async def forwards() -> SqlMigration:
    """What Piccolo runs on a database that the earlier migrations have made."""
    return sql_migration(
        ID,
        "swap_pay",
        DESCRIPTION,
        (MIGRATIONS / "fee_looks.sql").read_text(),
        earlier=(MIGRATIONS / "schema.sql").read_text(),
    )
