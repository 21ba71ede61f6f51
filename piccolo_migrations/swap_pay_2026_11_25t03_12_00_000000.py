"""A merchant may be rejected; one open application a merchant, one open invitation an address."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.table import Table

ID = "2026-11-25T03:12:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Rejected merchants, open applications and invitations, events by subject"

STATEMENTS = [
    "ALTER TABLE merchants DROP CONSTRAINT status_known",
    """
    ALTER TABLE merchants ADD CONSTRAINT status_known
        CHECK ("status" IN ('pending', 'rejected', 'approved', 'suspended', 'banned'))
    """,
    "CREATE UNIQUE INDEX merchant_applications_pending_once ON merchant_applications (merchant)"
    " WHERE status = 'pending'",
    "CREATE INDEX merchant_applications_by_merchant ON merchant_applications (merchant, id DESC)",
    # How many applications an account has waiting is bounded (merchants/applications.py).
    "CREATE INDEX merchant_applications_by_account ON merchant_applications (submitted_by) WHERE status = 'pending'",
    "CREATE UNIQUE INDEX merchant_invitations_open_once ON merchant_invitations (merchant, email)"
    " WHERE accepted_at IS NULL AND withdrawn_at IS NULL",
    # The timeline of an invoice or a payout.
    "CREATE INDEX events_by_subject ON events (subject_id)",
]


class RawTable(Table):
    """Carries raw SQL for the migration."""


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="swap_pay", description=DESCRIPTION)

    async def run() -> None:
        for statement in STATEMENTS:
            await RawTable.raw(statement)

    manager.add_raw(run)
    return manager
