"""Entries of one statement move a ledger's head once: ledger_chains.sql."""

from app.core.resources import MIGRATIONS
from app.core.sql_migration import SqlMigration, sql_migration

ID = "2026-11-30T10:30:00:000000"
DESCRIPTION = "Ledger: chains by statement"


async def forwards() -> SqlMigration:
    """What Piccolo runs on a database that the earlier migrations have made."""
    return sql_migration(ID, "swap_pay", DESCRIPTION, (MIGRATIONS / "ledger_chains.sql").read_text())
