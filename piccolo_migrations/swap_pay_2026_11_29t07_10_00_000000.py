"""Payments and claims of outgoing transactions get tables of their own: outgoing_claims.sql.

The SQL does the work, since rows move between tables while columns come and go. What it changes of columns and
constraints is declared here once more, for Piccolo's picture of the tables.
"""

from piccolo.columns import BigInt, Numeric, Text, Varchar
from piccolo.constraints import Check

from app.core.resources import MIGRATIONS
from app.core.sql_migration import SqlMigration, sql_migration

ID = "2026-11-29T07:10:00:000000"
DESCRIPTION = "Payments and claims of outgoing transactions"

TABLE = {"table_class_name": "OutgoingTransaction", "tablename": "outgoing_transactions"}
GONE = (
    *("withdrawal", "to_address", "asset", "amount_raw"),
    *("gas_limit", "max_fee_raw", "priority_fee_raw", "data_fee_raw"),
)


async def forwards() -> SqlMigration:
    """What Piccolo runs on a database that the first migration has made."""
    migration = sql_migration(
        ID,
        "swap_pay",
        DESCRIPTION,
        (MIGRATIONS / "outgoing_claims.sql").read_text(),
        earlier=(MIGRATIONS / "schema.sql").read_text(),
    )
    required = {"default": None, "null": False, "primary_key": False, "unique": False}
    for name, column_class, more in (
        ("lineage", BigInt, {}),
        ("fee_cap_raw", Numeric, {"digits": (78, 0)}),
        ("form", Text, {}),
    ):
        migration.add_column(**TABLE, column_name=name, column_class=column_class, params={**required, **more})
    for name in GONE:
        migration.drop_column(**TABLE, column_name=name)
    for before, after in (("gas_cost_raw", "fee_raw"), ("gas_booked_raw", "fee_booked_raw")):
        migration.rename_column(**TABLE, old_column_name=before, new_column_name=after)
    for name, column_class in (("from_address", Varchar), ("nonce", BigInt)):
        migration.alter_column(
            **TABLE,
            column_name=name,
            params={"null": True},
            old_params={"null": False},
            column_class=column_class,
            old_column_class=column_class,
        )
    migration.drop_constraint(**TABLE, constraint_name="outgoing_transactions_purpose_whole")
    for name in ("outgoing_transactions_lineage_first", "outgoing_transactions_account_whole"):
        migration.add_constraint(**TABLE, constraint_name=name, constraint_class=Check, params={"condition": ""})
    return migration
