"""Messages of operators to merchants about reviews: review_messages.sql."""

from piccolo.columns import Text
from piccolo.constraints import Check

from app.core.resources import MIGRATIONS
from app.core.sql_migration import SqlMigration, sql_migration

ID = "2026-11-29T15:50:00:000000"
DESCRIPTION = "Messages about reviews"


async def forwards() -> SqlMigration:
    """What Piccolo runs on a database that the earlier migrations have made."""
    migration = sql_migration(
        ID,
        "swap_pay",
        DESCRIPTION,
        (MIGRATIONS / "review_messages.sql").read_text(),
        earlier=(MIGRATIONS / "schema.sql").read_text(),
    )
    migration.add_column("Review", "reviews", "message", column_class=Text, params={"default": None, "null": True})
    migration.add_constraint("Review", "reviews", "reviews_message_decided", Check, {"condition": ""})
    return migration
