"""Addresses whose domain is not ASCII are kept in the ASCII form of the domain; the index that letters are counted by."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.table import Table

from app.core.email_address import as_kept

ID = "2026-11-28T11:21:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Addresses in one form"


class RawTable(Table):
    """Carries raw SQL for the migration."""


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="swap_pay", description=DESCRIPTION)

    async def run() -> None:
        await RawTable.raw(
            "CREATE INDEX mail_outbox_allowance ON mail_outbox (recipient, kind, created_at) WHERE kind IS NOT NULL"
        )
        # Where both forms of an address have an account, the older spelling stays as it is: it can't be reached by
        # letters, and its owner signs in with the other.
        for table in ("accounts", "merchant_invitations"):
            for row in await RawTable.raw(f"SELECT id, email FROM {table} WHERE email ~ '[^ -~]'"):
                await RawTable.raw(
                    f"UPDATE {table} SET email = {{}} WHERE id = {{}}"
                    f" AND NOT EXISTS (SELECT 1 FROM accounts WHERE email = {{}} AND '{table}' = 'accounts')",
                    as_kept(row["email"]),
                    row["id"],
                    as_kept(row["email"]),
                )

    manager.add_raw(run)
    return manager
