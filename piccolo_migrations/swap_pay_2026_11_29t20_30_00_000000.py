"""Two more roles, and reminders of invitations: roles_that_fit.sql."""

from piccolo.columns import Bytea, Timestamptz
from piccolo.constraints import Check, Unique

from app.core.resources import MIGRATIONS
from app.core.sql_migration import SqlMigration, sql_migration

ID = "2026-11-29T20:30:00:000000"
DESCRIPTION = "Accountants, support, and reminders of invitations"

INVITATION = ("Invitation", "merchant_invitations")


async def forwards() -> SqlMigration:
    """What Piccolo runs on a database that the earlier migrations have made."""
    migration = sql_migration(
        ID,
        "swap_pay",
        DESCRIPTION,
        (MIGRATIONS / "roles_that_fit.sql").read_text(),
        earlier=(MIGRATIONS / "schema.sql").read_text(),
    )
    for name, column_class in (("reminded_at", Timestamptz), ("reminder_hash", Bytea)):
        migration.add_column(
            *INVITATION, name, column_class=column_class, params={"default": None, "null": True, "unique": False}
        )
    migration.drop_constraint("Membership", "memberships", "role_known")
    migration.add_constraint("Membership", "memberships", "memberships_role_known", Check, {"condition": ""})
    migration.drop_constraint(*INVITATION, "merchant_invitations_role_known")
    migration.add_constraint(*INVITATION, "merchant_invitations_role_offered", Check, {"condition": ""})
    migration.add_constraint(*INVITATION, "merchant_invitations_reminder_whole", Check, {"condition": ""})
    migration.add_constraint(*INVITATION, "merchant_invitations_reminder_once", Unique, {"columns": ["reminder_hash"]})
    return migration
