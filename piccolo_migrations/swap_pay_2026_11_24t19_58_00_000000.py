"""Checkpoints are append-only; what reconciliation and the alert routes look up is indexed."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.table import Table

ID = "2026-11-24T19:58:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Guards of checkpoints, indexes of reconciliation and alerts"

STATEMENTS = [
    """
    CREATE TRIGGER ledger_checkpoints_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_checkpoints
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
    """,
    """
    CREATE TRIGGER ledger_checkpoint_leaves_append_only
        BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_checkpoint_leaves
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
    """,
    """
    CREATE TRIGGER checkpoint_keys_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON checkpoint_keys
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
    """,
    "CREATE INDEX ledger_entries_by_reference ON ledger_entries (reference_id, reference_type)",
    "CREATE INDEX reconciliation_findings_by_run ON reconciliation_findings (run)",
    "CREATE INDEX reconciliation_runs_finished ON reconciliation_runs (finished_at) WHERE finished_at IS NOT NULL",
    "CREATE INDEX alert_notifications_due ON alert_notifications (next_attempt_at)"
    " WHERE next_attempt_at IS NOT NULL",
    "CREATE INDEX alerts_open ON alerts (raised_at) WHERE acknowledged_at IS NULL",
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
