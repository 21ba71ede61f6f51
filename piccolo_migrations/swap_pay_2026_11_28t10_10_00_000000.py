"""Deposits may be dust, which changes nothing, or a part of a payment, where the merchant accepts parts."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.columns.column_types import Boolean
from piccolo.columns.indexes import IndexMethod
from piccolo.table import Table

ID = "2026-11-28T10:10:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Dust, and payments in parts"

STATEMENTS = [
    "ALTER TABLE deposits DROP CONSTRAINT verdict_known",
    """
    ALTER TABLE deposits ADD CONSTRAINT verdict_known CHECK ("verdict" IN ('exact', 'part', 'dust', 'underpaid',
        'overpaid', 'late', 'cancelled', 'second', 'wrong_asset', 'in_review', 'unknown'))
    """,
    # The parts that wait for the rest: looked at by the watcher at each tick, and few. A credited part is `exact`.
    "CREATE INDEX deposits_parts ON deposits (network, invoice) WHERE verdict = 'part'",
    # The desk counts and sums dust by asset; there may be much of it.
    """
    CREATE INDEX deposits_dust ON deposits (network, asset) INCLUDE (amount_raw)
        WHERE verdict = 'dust' AND status <> 'orphaned'
    """,
]


class RawTable(Table):
    """Carries raw SQL for the migration."""


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="swap_pay", description=DESCRIPTION)

    async def run() -> None:
        for statement in STATEMENTS:
            await RawTable.raw(statement)

    manager.add_raw(run)
    for table_class, table in (("Merchant", "merchants"), ("Invoice", "invoices")):
        manager.add_column(
            table_class_name=table_class,
            tablename=table,
            column_name="accept_parts",
            db_column_name="accept_parts",
            column_class_name="Boolean",
            column_class=Boolean,
            params={
                "default": False,
                "null": False,
                "primary_key": False,
                "unique": False,
                "index": False,
                "index_method": IndexMethod.btree,
                "choices": None,
                "db_column_name": None,
                "secret": False,
            },
            schema=None,
        )
    return manager
