"""Proof that no block was skipped: the scanned blocks are read back and must be one chain from the start.

The proof continues where it last ended, so its cost depends only on the number of new blocks.
"""

from datetime import datetime

import msgspec

from app.core import database

PROVE_AT_ONCE = 50_000
"""Blocks that one step reads back: some tens of milliseconds."""


class Coverage(msgspec.Struct, frozen=True):
    """How far a network has been read. `contiguous`: every block from the start to `scanned_height` is there,
    each the child of the one below. `lag_blocks` is how far the scan is behind the node's head."""

    network: str
    start_height: int
    scanned_height: int
    head_height: int
    lag_blocks: int
    last_block_hash: str | None
    last_block_time: datetime | None
    checked_at: datetime
    contiguous: bool
    halted: bool


async def advance(network: str) -> None:
    """Prove the blocks that were scanned since the last time, up to the first fault, if any."""
    # SQL, since the builder knows no CTE.
    await database.execute(
        """
        WITH todo AS (
            SELECT greatest(least(proven_height, scanned_height), start_height - 1) AS proven, scanned_height
            FROM network_cursors WHERE network = $1
        ), blocks AS (
            SELECT b.height, b.hash, b.parent_hash,
                lag(b.height) OVER upwards AS height_below, lag(b.hash) OVER upwards AS hash_below
            FROM scanned_blocks b, todo
            WHERE b.network = $1 AND b.height >= todo.proven AND b.height <= todo.proven + $2
            WINDOW upwards AS (ORDER BY b.height)
        ), judged AS (
            SELECT height, CASE WHEN height_below IS NULL
                    THEN height <= (SELECT greatest(proven, start_height) FROM todo, network_cursors WHERE network = $1)
                    ELSE height = height_below + 1 AND parent_hash = hash_below END AS sound
            FROM blocks
        )
        UPDATE network_cursors SET proven_height = greatest(
            (SELECT proven FROM todo),
            coalesce(
                (SELECT min(height) - 1 FROM judged WHERE NOT sound),
                (SELECT max(height) FROM judged),
                (SELECT proven FROM todo)))
        WHERE network = $1
        """,
        network,
        PROVE_AT_ONCE,
    )


async def coverages() -> dict[str, Coverage]:
    """The coverage of every network that was ever watched, by its key."""
    # SQL, since no foreign key leads from a cursor to its block.
    rows = await database.fetch_all(
        """
        SELECT c.network, c.start_height, c.scanned_height, c.head_height,
            greatest(c.head_height - c.scanned_height, 0) AS lag_blocks,
            b.hash AS last_block_hash, b.block_time AS last_block_time, c.checked_at,
            c.proven_height >= c.scanned_height AS contiguous, c.halted_reason IS NOT NULL AS halted
        FROM network_cursors c
        LEFT JOIN scanned_blocks b ON b.network = c.network AND b.height = c.scanned_height
        """
    )
    return {row["network"]: Coverage(*row) for row in rows}
