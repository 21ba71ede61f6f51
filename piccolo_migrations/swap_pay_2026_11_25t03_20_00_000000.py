"""Sessions and mailed links are found by account, and swept by when they end."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.table import Table

ID = "2026-11-25T03:20:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Indexes of sessions and mailed links"

STATEMENTS = [
    "CREATE INDEX sessions_by_account ON sessions (account)",
    "CREATE INDEX sessions_by_end ON sessions (expires_at)",
    "CREATE INDEX half_sign_ins_by_account ON half_sign_ins (account)",
    "CREATE INDEX half_sign_ins_by_end ON half_sign_ins (expires_at)",
    "CREATE INDEX mailed_links_by_account ON mailed_links (account) WHERE account IS NOT NULL",
    "CREATE INDEX mailed_links_by_end ON mailed_links (expires_at)",
    "CREATE INDEX throttles_by_end ON throttles (ends_at)",
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
