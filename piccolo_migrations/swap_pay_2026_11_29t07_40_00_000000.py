"""Networks whose nodes can't be used: a node that downloads its chain, or none that answers."""

from app.core.sql_migration import SqlMigration, sql_migration

ID = "2026-11-29T07:40:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Outages of nodes"

SQL = """
-- One row for each network that can't be read now. It may be there before the network's cursor is.
CREATE TABLE node_outages ( -- NodeOutage
    network varchar(40) PRIMARY KEY,
    reason text NOT NULL,
    is_syncing boolean NOT NULL,
    since timestamptz NOT NULL
);
"""


async def forwards() -> SqlMigration:
    """Runs the SQL, and tells Piccolo what it has changed."""
    return sql_migration(ID, "swap_pay", DESCRIPTION, SQL)
