"""Whose pages may frame a merchant's checkout pages: frame_origins.sql."""

from piccolo.columns import Array, Varchar
from piccolo.constraints import Check

from app.core.resources import MIGRATIONS
from app.core.sql_migration import SqlMigration, sql_migration

ID = "2026-11-29T14:40:00:000000"
DESCRIPTION = "Origins that may frame the checkout page"


async def forwards() -> SqlMigration:
    """What Piccolo runs on a database that the earlier migrations have made."""
    migration = sql_migration(ID, "swap_pay", DESCRIPTION, (MIGRATIONS / "frame_origins.sql").read_text())
    migration.add_column(
        "Merchant",
        "merchants",
        "frame_origins",
        column_class=Array,
        params={"base_column": Varchar(length=270), "default": list, "null": False},
    )
    migration.add_constraint("Merchant", "merchants", "merchants_frame_origins_sane", Check, {"condition": ""})
    return migration
