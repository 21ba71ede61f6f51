"""What was given out under an account's credentials ends when they change.

Sessions, half sign-ins and mailed links of today get version 0, as their accounts do: they go on.
"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.columns.column_types import Integer

ID = "2026-11-28T11:00:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Versions of credentials"

TABLES = {
    "Account": "accounts",
    "Session": "sessions",
    "HalfSignIn": "half_sign_ins",
    "MailedLink": "mailed_links",
}


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="swap_pay", description=DESCRIPTION)
    for table_class_name, tablename in TABLES.items():
        manager.add_column(
            table_class_name=table_class_name,
            tablename=tablename,
            column_name="credentials_version",
            db_column_name="credentials_version",
            column_class_name="Integer",
            column_class=Integer,
            params={"default": 0, "null": False},
        )
    return manager
