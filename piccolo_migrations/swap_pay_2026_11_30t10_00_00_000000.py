"""Pages of deposit addresses keep room: room_for_reservations.sql."""

from app.core.resources import MIGRATIONS
from app.core.sql_migration import SqlMigration, sql_migration

ID = "2026-11-30T10:00:00:000000"
DESCRIPTION = "Room for reservations of addresses"


async def forwards() -> SqlMigration:
    """What Piccolo runs on a database that the earlier migrations have made."""
    return sql_migration(ID, "swap_pay", DESCRIPTION, (MIGRATIONS / "room_for_reservations.sql").read_text())
