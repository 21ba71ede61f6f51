"""Uses of forms: each form of a page is carried out once."""

from typing import Any

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.columns import Column
from piccolo.columns.column_types import Bytea, Text, Timestamptz, Varchar
from piccolo.columns.indexes import IndexMethod
from piccolo.constraints import Check

ID = "2026-11-28T11:10:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Uses of forms"

COLUMNS: list[tuple[str, type[Column], dict[str, Any]]] = [
    ("id", Bytea, {"primary_key": True}),
    ("session_id", Varchar, {"length": 20}),
    ("led_to", Text, {"null": True}),
    ("secret_sealed", Text, {"null": True}),
    ("created_at", Timestamptz, {}),
]

USUAL: dict[str, Any] = {
    "default": None,
    "null": False,
    "primary_key": False,
    "unique": False,
    "index": False,
    "index_method": IndexMethod.btree,
    "choices": None,
    "db_column_name": None,
    "secret": False,
}


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="swap_pay", description=DESCRIPTION)
    manager.add_table(class_name="FormUse", tablename="form_uses", schema=None, columns=None)
    for name, kind, params in COLUMNS:
        manager.add_column(
            table_class_name="FormUse",
            tablename="form_uses",
            column_name=name,
            db_column_name=name,
            column_class_name=kind.__name__,
            column_class=kind,
            params=USUAL | params,
            schema=None,
        )
    # A secret waits for the page that the answer led to: there is none while the form is being carried out.
    manager.add_constraint(
        table_class_name="FormUse",
        tablename="form_uses",
        constraint_name="form_uses_secret_of_an_answer",
        constraint_class=Check,
        params={"condition": "secret_sealed IS NULL OR led_to IS NOT NULL"},
        schema=None,
    )
    return manager
