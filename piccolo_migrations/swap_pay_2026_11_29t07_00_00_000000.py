"""What chains of every kind need on the receiving side: pool_deposits.sql.

What the SQL changes of columns and constraints is declared here once more, for Piccolo's picture of the tables.
"""

from piccolo.columns import BigInt, Boolean, Varchar
from piccolo.columns.base import Column
from piccolo.constraints import Check

from app.core.resources import MIGRATIONS
from app.core.sql_migration import SqlMigration, sql_migration

ID = "2026-11-29T07:00:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Deposits in the pool, and networks of every kind"


async def forwards() -> SqlMigration:
    """What Piccolo runs on a database that the first migration has made."""
    migration = sql_migration(ID, "swap_pay", DESCRIPTION, (MIGRATIONS / "pool_deposits.sql").read_text())

    def added(table: str, name: str, column: str, column_class: type[Column], **params: object) -> None:
        known = {"default": None, "null": True, **params}
        migration.add_column(table, name, column, column_class=column_class, params=known)

    migration.drop_column("NetworkCursor", "network_cursors", "chain_id")
    added("NetworkCursor", "network_cursors", "chain_identity", Varchar, length=80, null=False)
    added("NetworkCursor", "network_cursors", "kept_from", BigInt, default=0, null=False)
    for column in ("from_address", "block_height", "block_hash", "block_time"):
        migration.alter_column("Deposit", "deposits", column, params={"null": True}, old_params={"null": False})
    migration.alter_column(
        "HotWalletReceipt", "hot_wallet_receipts", "from_address", params={"null": True}, old_params={"null": False}
    )
    added("Deposit", "deposits", "matures_at", BigInt)
    added("Deposit", "deposits", "is_inferred", Boolean, default=False, null=False)
    added("Deposit", "deposits", "gone_because", Varchar, length=12)
    added("Deposit", "deposits", "replaced_by", Varchar, length=80)
    for check in (
        "deposits_gone_known",
        "deposits_gone_whole",
        "deposits_block_whole",
        "deposits_booked_in_block",
        "deposits_pool_made",
    ):
        migration.add_constraint("Deposit", "deposits", check, Check, {"condition": ""})
    return migration
