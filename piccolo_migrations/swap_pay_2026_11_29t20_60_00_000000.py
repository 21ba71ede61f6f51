"""Lists of one asset by amount: amounts.sql."""

from app.core.resources import MIGRATIONS
from app.core.sql_migration import SqlMigration, sql_migration

ID = "2026-11-29T20:60:00:000000"
DESCRIPTION = "Lists of one asset by amount"


async def forwards() -> SqlMigration:
    """What Piccolo runs on a database that the earlier migrations have made."""
    return sql_migration(
        ID,
        "swap_pay",
        DESCRIPTION,
        (MIGRATIONS / "amounts.sql").read_text(),
        in_transaction=False,
    )
