"""Reads of the whole restored database: every table's rows, and the deposits of blocks beyond the backup."""

from datetime import datetime

import msgspec
from piccolo.query.functions.aggregate import Count, Sum

from app.core.statement import Param, Statement
from app.deposits.tables import Deposit, NetworkCursor
from app.drill.report import Found, TableCount
from app.reconciliation.snapshot import rows

_MADE_AT = ("created_at", "at", "raised_at", "submitted_at", "started_at", "seen_at", "block_time")
"""Columns that say when a row was made, in this order of preference."""


class NetworkHeight(msgspec.Struct, frozen=True):
    """The last block of a network that was read."""

    network: str
    scanned_height: int


async def table_counts() -> list[TableCount]:
    """Count the rows of every table, in the caller's snapshot, by name."""
    tables = await rows(
        """
        SELECT t.relname AS name, format('%I', t.relname) AS quoted, (
            SELECT format('%I', a.attname) FROM pg_attribute a
            WHERE a.attrelid = t.oid AND a.attname = ANY($1) AND a.atttypid = 'timestamptz'::regtype
                AND NOT a.attisdropped
            ORDER BY array_position($1, a.attname::text) LIMIT 1) AS made_at
        FROM pg_class t WHERE t.relkind IN ('r', 'p') AND NOT t.relispartition
            AND t.relnamespace = 'public'::regnamespace
        ORDER BY t.relname
        """,
        list(_MADE_AT),
    )
    counts = []
    for table in tables:
        newest = f"max({table['made_at']})" if table["made_at"] else "NULL::timestamptz"
        (found,) = await rows(f"SELECT count(*) AS rows, {newest} AS newest_at FROM {table['quoted']}")
        counts.append(TableCount(table["name"], found["rows"], found["newest_at"]))
    return counts


async def newest_row_at() -> datetime | None:
    """When the newest row of the audit log, the events and the ledgers was made, in the caller's snapshot."""
    (found,) = await rows(
        """
        SELECT greatest((SELECT max(created_at) FROM events), (SELECT max(at) FROM audit_entries),
            (SELECT max(created_at) FROM ledger_entries)) AS at
        """
    )
    newest: datetime | None = found["at"]
    return newest


async def heights() -> dict[str, int]:
    """By network, the last block that was read."""
    return {each.network: each.scanned_height for each in await _HEIGHTS.all()}


_HEIGHTS = Statement(NetworkCursor.select(NetworkCursor.network, NetworkCursor.scanned_height), NetworkHeight)


async def deposits_above(network: str, height: int) -> list[Found]:
    """Deposits in blocks above a height, by asset, verdict and status."""
    return await _DEPOSITS_ABOVE.all(network=network, height=height)


_DEPOSITS_ABOVE = Statement(
    Deposit.select(
        Deposit.asset,
        Deposit.verdict,
        Deposit.status,
        Count(alias="count"),
        Sum(Deposit.amount_raw, alias="amount_raw"),
    )
    .where(Deposit.network == Param("network"), Deposit.block_height > Param("height"))
    .group_by(Deposit.asset, Deposit.verdict, Deposit.status)
    .order_by(Deposit.asset, Deposit.verdict, Deposit.status),
    Found,
)
