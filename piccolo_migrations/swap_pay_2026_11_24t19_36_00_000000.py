"""One open alert per key; withdrawals by merchant, by state."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.table import Table

ID = "2026-11-24T19:36:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Indexes of alerts and withdrawals"

STATEMENTS = [
    "CREATE UNIQUE INDEX alerts_open_once ON alerts (dedupe_key) WHERE acknowledged_at IS NULL",
    "CREATE INDEX withdrawals_newest ON withdrawals (merchant, mode, kind, created_at DESC, id DESC)",
    "CREATE INDEX withdrawals_open ON withdrawals (network, status, created_at)"
    " WHERE status IN ('pending_approval', 'approved', 'submitted')",
    "CREATE INDEX refunds_by_invoice ON refunds (invoice)",
    "CREATE INDEX outgoing_transactions_open ON outgoing_transactions (network, from_address, nonce)"
    " WHERE status IN ('signed', 'submitted')",
    "CREATE INDEX outgoing_transactions_by_withdrawal ON outgoing_transactions (withdrawal)",
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
