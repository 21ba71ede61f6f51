"""What delivery rests on: the keys and indexes of the webhook queues, and of letters that wait."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.table import Table

ID = "2026-11-24T19:30:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Webhook queue keys and indexes"

STATEMENTS = (
    """
    ALTER TABLE webhook_queues ADD CONSTRAINT webhook_queues_endpoint
        FOREIGN KEY (endpoint) REFERENCES webhook_endpoints (id) ON DELETE RESTRICT ON UPDATE RESTRICT
    """,
    """
    ALTER TABLE events ADD CONSTRAINT events_only_endpoint
        FOREIGN KEY (only_endpoint) REFERENCES webhook_endpoints (id) ON DELETE RESTRICT ON UPDATE RESTRICT
    """,
    "CREATE INDEX events_only_endpoint ON events (only_endpoint) WHERE only_endpoint IS NOT NULL",
    # Due endpoints, the healthy and the failing apart, so that neither is read to find the other.
    "CREATE INDEX webhook_queues_due ON webhook_queues (due_at) WHERE consecutive_failures = 0",
    "CREATE INDEX webhook_queues_due_failing ON webhook_queues (due_at) WHERE consecutive_failures > 0",
    # Each delivery moves its queue's row: clean up after every few thousand, however large the table.
    """
    ALTER TABLE webhook_queues SET
        (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, fillfactor = 70)
    """,
    "DROP INDEX webhook_deliveries_due",
    """
    CREATE INDEX webhook_deliveries_due ON webhook_deliveries (endpoint, next_attempt_at, seq)
        WHERE status = 'pending' AND claimed_until IS NULL
    """,
    """
    CREATE INDEX webhook_deliveries_claimed ON webhook_deliveries (endpoint, claimed_until)
        WHERE status = 'pending' AND claimed_until IS NOT NULL
    """,
    # Explicit endpoints are few; implicit ones may be one an invoice, and are found by their URL alone.
    "DROP INDEX webhook_endpoints_by_merchant",
    """
    CREATE INDEX webhook_endpoints_explicit ON webhook_endpoints (merchant, mode, created_at, id)
        WHERE NOT implicit AND status <> 'deleted'
    """,
    """
    CREATE INDEX webhook_endpoints_implicit ON webhook_endpoints (merchant, mode, created_at, id)
        WHERE implicit AND status <> 'deleted'
    """,
    "CREATE INDEX mail_outbox_due ON mail_outbox (next_attempt_at) WHERE next_attempt_at IS NOT NULL",
)


class RawTable(Table):
    """Carries raw SQL for the migration."""


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="swap_pay", description=DESCRIPTION)

    async def run() -> None:
        for statement in STATEMENTS:
            await RawTable.raw(statement)

    manager.add_raw(run)
    return manager
