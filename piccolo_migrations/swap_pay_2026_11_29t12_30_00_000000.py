"""Prices in national currencies, and quotes: quotes.sql.

What the SQL changes of columns and constraints is declared here once more, for Piccolo's picture of the tables.
"""

from piccolo.columns import Array, Boolean, Integer, Numeric, Timestamptz, Varchar
from piccolo.columns.base import Column
from piccolo.constraints import Check

from app.core.resources import MIGRATIONS
from app.core.sql_migration import SqlMigration, sql_migration

ID = "2026-11-29T12:30:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Prices and quotes"

ASKED = (
    *("network", "asset", "amount_raw", "service_fee_raw", "cent_tail", "pay_in_raw", "net_raw"),
    *("deposit_address", "address", "confirmations_required"),
)


async def forwards() -> SqlMigration:
    """What Piccolo runs on a database that the earlier migrations have made."""
    earlier = [(MIGRATIONS / name).read_text() for name in ("schema.sql", "rates.sql")]
    migration = sql_migration(
        ID, "swap_pay", DESCRIPTION, (MIGRATIONS / "quotes.sql").read_text(), earlier="\n".join(earlier)
    )

    def added(table: str, name: str, column: str, column_class: type[Column], **params: object) -> None:
        known = {"default": None, "null": False, **params}
        migration.add_column(table, name, column, column_class=column_class, params=known)

    currencies = {"base_column": Varchar(length=3), "default": list}
    added("Merchant", "merchants", "currencies", Array, **currencies)
    added("Merchant", "merchants", "spread_bps", Integer, default=0)
    added("Merchant", "merchants", "quote_minutes", Integer, default=15)
    added("Merchant", "merchants", "late_quote_bps", Integer, default=0)
    added("MerchantAsset", "merchant_assets", "offered", Boolean, default=True)
    added("MerchantAsset", "merchant_assets", "place", Integer, default=0)
    for column in ASKED:
        migration.alter_column("Invoice", "invoices", column, params={"null": True}, old_params={"null": False})
    added("Invoice", "invoices", "price_raw", Numeric, digits=(78, 0), null=True)
    added("Invoice", "invoices", "price_currency", Varchar, length=3, null=True)
    added("Invoice", "invoices", "pay_in_assets", Array, base_column=Varchar(length=61), null=True)
    added("Invoice", "invoices", "quote", Varchar, length=20, null=True)
    added("Invoice", "invoices", "quote_expires_at", Timestamptz, null=True)
    migration.drop_constraint("Invoice", "invoices", "status_known")
    for table, name, check in (
        ("Merchant", "merchants", "merchants_spread_sane"),
        ("Merchant", "merchants", "merchants_quote_minutes_sane"),
        ("Merchant", "merchants", "merchants_late_quote_sane"),
        ("Invoice", "invoices", "invoices_status_known"),
        ("Invoice", "invoices", "invoices_price_whole"),
        ("Invoice", "invoices", "invoices_quote_whole"),
        ("Invoice", "invoices", "invoices_asked_whole"),
        ("Invoice", "invoices", "invoices_choice_open"),
    ):
        migration.add_constraint(table, name, check, Check, {"condition": ""})
    return migration
