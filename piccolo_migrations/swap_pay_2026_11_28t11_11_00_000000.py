"""Uses of forms are found by the session that a secret waits for, and swept by age."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.table import Table

ID = "2026-11-28T11:11:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Indexes of the uses of forms"

STATEMENTS = [
    "CREATE INDEX form_uses_with_a_secret ON form_uses (session_id) WHERE secret_sealed IS NOT NULL",
    "CREATE INDEX form_uses_by_age ON form_uses (created_at)",
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
