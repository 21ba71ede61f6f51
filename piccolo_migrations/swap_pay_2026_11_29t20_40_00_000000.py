"""Browsers that accounts have signed in from, and links in emails about sign-ins: known_browsers.sql."""

from piccolo.columns import Timestamptz
from piccolo.constraints import Check

from app.core.resources import MIGRATIONS
from app.core.sql_migration import SqlMigration, sql_migration

ID = "2026-11-29T20:40:00:000000"
DESCRIPTION = "Browsers that accounts have signed in from"


async def forwards() -> SqlMigration:
    """What Piccolo runs on a database that the earlier migrations have made."""
    migration = sql_migration(
        ID,
        "swap_pay",
        DESCRIPTION,
        (MIGRATIONS / "known_browsers.sql").read_text(),
        earlier=(MIGRATIONS / "schema.sql").read_text(),
    )
    migration.add_column(
        "Account",
        "accounts",
        "passkey_offer_answered_at",
        column_class=Timestamptz,
        params={"default": None, "null": True},
    )
    links = {"table_class_name": "MailedLink", "tablename": "mailed_links"}
    migration.drop_constraint(**links, constraint_name="mailed_links_purpose_known")
    migration.add_constraint(
        **links, constraint_name="mailed_links_purpose_listed", constraint_class=Check, params={"condition": ""}
    )
    return migration
