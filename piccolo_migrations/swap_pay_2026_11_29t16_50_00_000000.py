"""Two more roles of members: roles.sql."""

from piccolo.constraints import Check

from app.core.resources import MIGRATIONS
from app.core.sql_migration import SqlMigration, sql_migration

ID = "2026-11-29T16:50:00:000000"
DESCRIPTION = "Two more roles of members"


async def forwards() -> SqlMigration:
    """What Piccolo runs on a database that the earlier migrations have made."""
    migration = sql_migration(ID, "swap_pay", DESCRIPTION, (MIGRATIONS / "roles.sql").read_text())
    for table, tablename, before, after in (
        ("Membership", "memberships", "role_known", "memberships_roles_known"),
        ("Invitation", "merchant_invitations", "merchant_invitations_role_known", "merchant_invitations_roles_known"),
    ):
        migration.drop_constraint(table, tablename, before)
        migration.add_constraint(table, tablename, after, Check, {"condition": ""})
    return migration
