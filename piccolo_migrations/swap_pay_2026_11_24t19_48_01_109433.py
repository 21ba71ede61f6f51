from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.columns.base import OnDelete
from piccolo.columns.base import OnUpdate
from piccolo.columns.column_types import BigInt
from piccolo.columns.column_types import BigSerial
from piccolo.columns.column_types import ForeignKey
from piccolo.columns.column_types import Integer
from piccolo.columns.column_types import Numeric
from piccolo.columns.column_types import Timestamptz
from piccolo.columns.column_types import Varchar
from piccolo.columns.indexes import IndexMethod
from piccolo.constraints import Check
from piccolo.constraints import Unique
from piccolo.table import Table


class DepositAddress(Table, tablename="deposit_addresses", schema=None):
    id = BigSerial(
        null=False,
        primary_key=True,
        unique=False,
        index=False,
        index_method=IndexMethod.btree,
        choices=None,
        db_column_name=None,
        secret=False,
    )


ID = "2026-11-24T19:48:01:109433"
VERSION = "1.38.0"
DESCRIPTION = "Gas of outgoing transactions, top-ups, sweeps"


async def forwards():
    manager = MigrationManager(
        migration_id=ID, app_name="swap_pay", description=DESCRIPTION
    )

    manager.add_table(
        class_name="SweepMark", tablename="sweep_marks", schema=None, columns=None
    )

    manager.add_table(
        class_name="HotWalletReceipt",
        tablename="hot_wallet_receipts",
        schema=None,
        columns=None,
    )

    manager.add_table(
        class_name="SweepCandidate",
        tablename="sweep_candidates",
        schema=None,
        columns=None,
    )

    manager.add_column(
        table_class_name="SweepMark",
        tablename="sweep_marks",
        column_name="network",
        db_column_name="network",
        column_class_name="Varchar",
        column_class=Varchar,
        params={
            "length": 40,
            "default": None,
            "null": False,
            "primary_key": True,
            "unique": False,
            "index": False,
            "index_method": IndexMethod.btree,
            "choices": None,
            "db_column_name": None,
            "secret": False,
        },
        schema=None,
    )

    manager.add_column(
        table_class_name="SweepMark",
        tablename="sweep_marks",
        column_name="settled_through",
        db_column_name="settled_through",
        column_class_name="Timestamptz",
        column_class=Timestamptz,
        params={
            "default": None,
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

    manager.add_column(
        table_class_name="HotWalletReceipt",
        tablename="hot_wallet_receipts",
        column_name="id",
        db_column_name="id",
        column_class_name="BigSerial",
        column_class=BigSerial,
        params={
            "null": False,
            "primary_key": True,
            "unique": False,
            "index": False,
            "index_method": IndexMethod.btree,
            "choices": None,
            "db_column_name": None,
            "secret": False,
        },
        schema=None,
    )

    manager.add_column(
        table_class_name="HotWalletReceipt",
        tablename="hot_wallet_receipts",
        column_name="network",
        db_column_name="network",
        column_class_name="Varchar",
        column_class=Varchar,
        params={
            "length": 40,
            "default": None,
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

    manager.add_column(
        table_class_name="HotWalletReceipt",
        tablename="hot_wallet_receipts",
        column_name="txid",
        db_column_name="txid",
        column_class_name="Varchar",
        column_class=Varchar,
        params={
            "length": 80,
            "default": None,
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

    manager.add_column(
        table_class_name="HotWalletReceipt",
        tablename="hot_wallet_receipts",
        column_name="log_index",
        db_column_name="log_index",
        column_class_name="Integer",
        column_class=Integer,
        params={
            "default": None,
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

    manager.add_column(
        table_class_name="HotWalletReceipt",
        tablename="hot_wallet_receipts",
        column_name="asset",
        db_column_name="asset",
        column_class_name="Varchar",
        column_class=Varchar,
        params={
            "length": 20,
            "default": None,
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

    manager.add_column(
        table_class_name="HotWalletReceipt",
        tablename="hot_wallet_receipts",
        column_name="from_address",
        db_column_name="from_address",
        column_class_name="Varchar",
        column_class=Varchar,
        params={
            "length": 100,
            "default": None,
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

    manager.add_column(
        table_class_name="HotWalletReceipt",
        tablename="hot_wallet_receipts",
        column_name="amount_raw",
        db_column_name="amount_raw",
        column_class_name="Numeric",
        column_class=Numeric,
        params={
            "default": None,
            "digits": (78, 0),
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

    manager.add_column(
        table_class_name="HotWalletReceipt",
        tablename="hot_wallet_receipts",
        column_name="block_height",
        db_column_name="block_height",
        column_class_name="BigInt",
        column_class=BigInt,
        params={
            "default": None,
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

    manager.add_column(
        table_class_name="HotWalletReceipt",
        tablename="hot_wallet_receipts",
        column_name="block_hash",
        db_column_name="block_hash",
        column_class_name="Varchar",
        column_class=Varchar,
        params={
            "length": 80,
            "default": None,
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

    manager.add_column(
        table_class_name="HotWalletReceipt",
        tablename="hot_wallet_receipts",
        column_name="seen_at",
        db_column_name="seen_at",
        column_class_name="Timestamptz",
        column_class=Timestamptz,
        params={
            "default": None,
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

    manager.add_column(
        table_class_name="HotWalletReceipt",
        tablename="hot_wallet_receipts",
        column_name="status",
        db_column_name="status",
        column_class_name="Varchar",
        column_class=Varchar,
        params={
            "length": 10,
            "default": None,
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

    manager.add_column(
        table_class_name="HotWalletReceipt",
        tablename="hot_wallet_receipts",
        column_name="settled_at",
        db_column_name="settled_at",
        column_class_name="Timestamptz",
        column_class=Timestamptz,
        params={
            "default": None,
            "null": True,
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

    manager.add_column(
        table_class_name="SweepCandidate",
        tablename="sweep_candidates",
        column_name="id",
        db_column_name="id",
        column_class_name="BigSerial",
        column_class=BigSerial,
        params={
            "null": False,
            "primary_key": True,
            "unique": False,
            "index": False,
            "index_method": IndexMethod.btree,
            "choices": None,
            "db_column_name": None,
            "secret": False,
        },
        schema=None,
    )

    manager.add_column(
        table_class_name="SweepCandidate",
        tablename="sweep_candidates",
        column_name="network",
        db_column_name="network",
        column_class_name="Varchar",
        column_class=Varchar,
        params={
            "length": 40,
            "default": None,
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

    manager.add_column(
        table_class_name="SweepCandidate",
        tablename="sweep_candidates",
        column_name="asset",
        db_column_name="asset",
        column_class_name="Varchar",
        column_class=Varchar,
        params={
            "length": 20,
            "default": None,
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

    manager.add_column(
        table_class_name="SweepCandidate",
        tablename="sweep_candidates",
        column_name="deposit_address",
        db_column_name="deposit_address",
        column_class_name="ForeignKey",
        column_class=ForeignKey,
        params={
            "references": DepositAddress,
            "on_delete": OnDelete.restrict,
            "on_update": OnUpdate.restrict,
            "target_column": None,
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

    manager.add_column(
        table_class_name="SweepCandidate",
        tablename="sweep_candidates",
        column_name="noticed_at",
        db_column_name="noticed_at",
        column_class_name="Timestamptz",
        column_class=Timestamptz,
        params={
            "default": None,
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

    manager.add_constraint(
        table_class_name="HotWalletReceipt",
        tablename="hot_wallet_receipts",
        constraint_name="hot_wallet_receipts_status_known",
        constraint_class=Check,
        params={
            "condition": "\"status\" IN ('seen', 'orphaned', 'booked', 'reversed')"
        },
        schema=None,
    )

    manager.add_constraint(
        table_class_name="HotWalletReceipt",
        tablename="hot_wallet_receipts",
        constraint_name="hot_wallet_receipts_positive",
        constraint_class=Check,
        params={"condition": "amount_raw > 0"},
        schema=None,
    )

    manager.add_constraint(
        table_class_name="SweepCandidate",
        tablename="sweep_candidates",
        constraint_name="sweep_candidates_once",
        constraint_class=Unique,
        params={"columns": ["deposit_address", "asset"], "nulls_distinct": True},
        schema=None,
    )

    manager.add_column(
        table_class_name="OutgoingTransaction",
        tablename="outgoing_transactions",
        column_name="gas_booked_raw",
        db_column_name="gas_booked_raw",
        column_class_name="Numeric",
        column_class=Numeric,
        params={
            "default": None,
            "digits": (78, 0),
            "null": True,
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

    manager.add_column(
        table_class_name="OutgoingTransaction",
        tablename="outgoing_transactions",
        column_name="gas_limit",
        db_column_name="gas_limit",
        column_class_name="BigInt",
        column_class=BigInt,
        params={
            "default": None,
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

    manager.add_column(
        table_class_name="OutgoingTransaction",
        tablename="outgoing_transactions",
        column_name="max_fee_raw",
        db_column_name="max_fee_raw",
        column_class_name="Numeric",
        column_class=Numeric,
        params={
            "default": None,
            "digits": (78, 0),
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

    manager.add_column(
        table_class_name="OutgoingTransaction",
        tablename="outgoing_transactions",
        column_name="priority_fee_raw",
        db_column_name="priority_fee_raw",
        column_class_name="Numeric",
        column_class=Numeric,
        params={
            "default": None,
            "digits": (78, 0),
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
