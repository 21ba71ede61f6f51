"""Runs of reconciliation may be asked for; what operators look up is indexed."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.table import Table

ID = "2026-11-25T02:51:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Requested runs, indexes of the operator desk"

STATEMENTS = [
    "ALTER TABLE reconciliation_runs DROP CONSTRAINT reconciliation_runs_status_known",
    """
    ALTER TABLE reconciliation_runs ADD CONSTRAINT reconciliation_runs_status_known
        CHECK ("status" IN ('requested', 'running', 'clean', 'drift', 'incomplete', 'failed'))
    """,
    # Two operators who ask at once ask for one run.
    "CREATE UNIQUE INDEX reconciliation_runs_requested_once ON reconciliation_runs (status) WHERE status = 'requested'",
    "CREATE INDEX withdrawals_by_destination ON withdrawals (network, destination, created_at)",
    "CREATE INDEX withdrawals_all_newest ON withdrawals (created_at DESC, id DESC)",
    "CREATE INDEX reviews_newest ON reviews (opened_at DESC, id DESC)",
    "CREATE INDEX merchants_newest ON merchants (created_at DESC, id DESC)",
    "CREATE INDEX memberships_by_account ON memberships (account)",
    "CREATE INDEX audit_entries_by_actor ON audit_entries (actor, id DESC)",
    "CREATE INDEX audit_entries_by_subject ON audit_entries (subject, id DESC)",
    "CREATE INDEX audit_entries_by_action ON audit_entries (action text_pattern_ops, id DESC)",
    "CREATE INDEX audit_entries_of_merchant ON audit_entries (merchant_id, id DESC)",
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
