from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.columns.base import OnDelete
from piccolo.columns.base import OnUpdate
from piccolo.columns.column_types import Bytea
from piccolo.columns.column_types import ForeignKey
from piccolo.columns.column_types import Timestamptz
from piccolo.columns.column_types import Varchar
from piccolo.columns.indexes import IndexMethod
from piccolo.constraints import Check
from piccolo.table import Table


class Merchant(Table, tablename="merchants", schema=None):
    id = Varchar(
        length=20,
        default=None,
        null=False,
        primary_key=True,
        unique=False,
        index=False,
        index_method=IndexMethod.btree,
        choices=None,
        db_column_name=None,
        secret=False,
    )


ID = "2026-11-24T19:47:37:550799"
VERSION = "1.38.0"
DESCRIPTION = "Branding of merchants"


async def forwards():
    manager = MigrationManager(
        migration_id=ID, app_name="swap_pay", description=DESCRIPTION
    )

    manager.add_table(
        class_name="MerchantBranding",
        tablename="merchant_branding",
        schema=None,
        columns=None,
    )

    manager.add_column(
        table_class_name="MerchantBranding",
        tablename="merchant_branding",
        column_name="merchant",
        db_column_name="merchant",
        column_class_name="ForeignKey",
        column_class=ForeignKey,
        params={
            "references": Merchant,
            "on_delete": OnDelete.restrict,
            "on_update": OnUpdate.restrict,
            "target_column": None,
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
        table_class_name="MerchantBranding",
        tablename="merchant_branding",
        column_name="display_name",
        db_column_name="display_name",
        column_class_name="Varchar",
        column_class=Varchar,
        params={
            "length": 60,
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
        table_class_name="MerchantBranding",
        tablename="merchant_branding",
        column_name="accent",
        db_column_name="accent",
        column_class_name="Varchar",
        column_class=Varchar,
        params={
            "length": 7,
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
        table_class_name="MerchantBranding",
        tablename="merchant_branding",
        column_name="logo",
        db_column_name="logo",
        column_class_name="Bytea",
        column_class=Bytea,
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
        table_class_name="MerchantBranding",
        tablename="merchant_branding",
        column_name="logo_type",
        db_column_name="logo_type",
        column_class_name="Varchar",
        column_class=Varchar,
        params={
            "length": 10,
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
        table_class_name="MerchantBranding",
        tablename="merchant_branding",
        column_name="logo_digest",
        db_column_name="logo_digest",
        column_class_name="Bytea",
        column_class=Bytea,
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
        table_class_name="MerchantBranding",
        tablename="merchant_branding",
        column_name="updated_at",
        db_column_name="updated_at",
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
        table_class_name="MerchantBranding",
        tablename="merchant_branding",
        constraint_name="merchant_branding_accent_is_a_colour",
        constraint_class=Check,
        params={"condition": "accent ~ '^#[0-9a-f]{6}$'"},
        schema=None,
    )

    manager.add_constraint(
        table_class_name="MerchantBranding",
        tablename="merchant_branding",
        constraint_name="merchant_branding_logo_whole",
        constraint_class=Check,
        params={
            "condition": "(logo IS NULL) = (logo_type IS NULL) AND (logo IS NULL) = (logo_digest IS NULL)"
        },
        schema=None,
    )

    manager.add_constraint(
        table_class_name="MerchantBranding",
        tablename="merchant_branding",
        constraint_name="merchant_branding_logo_known",
        constraint_class=Check,
        params={
            "condition": "logo_type IN ('image/png', 'image/jpeg', 'image/webp')"
        },
        schema=None,
    )

    manager.add_constraint(
        table_class_name="MerchantBranding",
        tablename="merchant_branding",
        constraint_name="merchant_branding_logo_small",
        constraint_class=Check,
        params={"condition": "octet_length(logo) <= 100000"},
        schema=None,
    )

    return manager
