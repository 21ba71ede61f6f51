"""Accounts whose transactions are limited in time, and our own scan of what they send: timed_accounts.sql.

What the SQL changes of constraints is declared here once more, for Piccolo's picture of the tables.
"""

from piccolo.constraints import Check

from app.core.resources import MIGRATIONS
from app.core.sql_migration import SqlMigration, sql_migration

ID = "2026-11-29T11:00:00:000000"
DESCRIPTION = "Accounts whose transactions are limited in time"

TABLE = {"table_class_name": "OutgoingTransaction", "tablename": "outgoing_transactions"}


async def forwards() -> SqlMigration:
    """What Piccolo runs on a database that the earlier migrations have made."""
    migration = sql_migration(
        ID,
        "swap_pay",
        DESCRIPTION,
        (MIGRATIONS / "timed_accounts.sql").read_text(),
        earlier=(MIGRATIONS / "schema.sql").read_text(),
    )
    for name in ("outgoing_transactions_account_whole", "outgoing_transactions_purpose_known"):
        migration.drop_constraint(**TABLE, constraint_name=name)
    for name in ("outgoing_transactions_nonce_of_account", "outgoing_transactions_purpose_named"):
        migration.add_constraint(**TABLE, constraint_name=name, constraint_class=Check, params={"condition": ""})
    return migration
