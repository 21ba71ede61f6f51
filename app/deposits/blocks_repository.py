"""Statements on `network_cursors` and `scanned_blocks`: how far a network has been read. coverage_repository.py proves
that no block was skipped."""

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
from piccolo.columns.combination import WhereRaw
from piccolo.querystring import QueryString

from app.core import database
from app.core.statement import Command, Param, Statement, insert
from app.deposits.tables import NetworkCursor, ScannedBlock
from app.networks.port import BlockRef


class Cursor(msgspec.Struct, frozen=True):
    """How far a network has been read. `head_height` is the node's, when it was checked last; `scanned_hash` is of the
    newest scanned block, None where none was scanned yet."""

    chain_identity: str
    start_height: int
    scanned_height: int
    head_height: int
    kept_from: int
    scanned_hash: str | None


_NOTHING_COVERED = datetime.fromtimestamp(0, UTC)


async def add_cursor(network: str, *, chain_identity: str, start_height: int, head_height: int, now: datetime) -> None:
    """Insert the cursor of a network of which nothing has been read; an existing one stays as it is."""
    await _ADD_CURSOR.run(
        network=network,
        chain_identity=chain_identity,
        start_height=start_height,
        scanned_height=start_height - 1,
        head_height=head_height,
        covered_until=_NOTHING_COVERED,
        checked_at=now,
    )


_ADD_CURSOR = Command(
    insert(
        NetworkCursor,
        NetworkCursor.network,
        NetworkCursor.chain_identity,
        NetworkCursor.start_height,
        NetworkCursor.scanned_height,
        NetworkCursor.head_height,
        NetworkCursor.covered_until,
        NetworkCursor.checked_at,
    ).on_conflict(target=NetworkCursor.network, action="DO NOTHING")
)


async def cursor(network: str) -> Cursor | None:
    """The cursor of a network; None where nothing has been read."""
    # SQL, since no foreign key leads from a cursor to its block.
    row = await database.fetch_one(
        """
        SELECT c.chain_identity, c.start_height, c.scanned_height, c.head_height, c.kept_from, b.hash
        FROM network_cursors c LEFT JOIN scanned_blocks b ON b.network = c.network AND b.height = c.scanned_height
        WHERE c.network = $1
        """,
        network,
    )
    return None if row is None else Cursor(*row)


async def move_cursor(network: str, from_height: int, to_height: int, head_height: int) -> bool:
    """Move a cursor from one height to another; False, with nothing changed, where it is not at `from_height`."""
    moved = await _MOVE_CURSOR.run(
        network=network, from_height=from_height, to_height=to_height, head_height=head_height
    )
    return moved == 1


_MOVE_CURSOR = Command(
    NetworkCursor.update(
        {
            NetworkCursor.scanned_height: Param("to_height"),
            NetworkCursor.head_height: Param("head_height"),
            NetworkCursor.proven_height: QueryString("least({}, {})", NetworkCursor.proven_height, Param("to_height")),
        }
    ).where(NetworkCursor.network == Param("network"), NetworkCursor.scanned_height == Param("from_height"))
)


async def record_check(network: str, head_height: int, checked_at: datetime) -> None:
    """Store that all blocks that the node had at `checked_at` are scanned, and that the network is not halted."""
    await _RECORD_CHECK.run(network=network, head_height=head_height, checked_at=checked_at)


_RECORD_CHECK = Command(
    NetworkCursor.update(
        {
            NetworkCursor.head_height: Param("head_height"),
            NetworkCursor.covered_until: Param("checked_at"),
            NetworkCursor.checked_at: Param("checked_at"),
            NetworkCursor.halted_reason: None,
        }
    ).where(NetworkCursor.network == Param("network"))
)


async def halt(network: str, reason: str) -> bool:
    """Store why a network is halted; True where the reason is new."""
    return await _HALT.run(network=network, reason=reason) == 1


_HALT = Command(
    NetworkCursor.update({NetworkCursor.halted_reason: Param("reason")}).where(
        NetworkCursor.network == Param("network"),
        WhereRaw("{} IS DISTINCT FROM {}", NetworkCursor.halted_reason, Param("reason")),
    )
)


async def add_blocks(network: str, blocks: Sequence[BlockRef]) -> None:
    """Write scanned blocks, in the caller's transaction."""
    # SQL, since the builder knows no INSERT from a SELECT.
    await database.execute(
        """
        INSERT INTO scanned_blocks (network, height, hash, parent_hash, block_time)
        SELECT $1, b.* FROM unnest($2::bigint[], $3::text[], $4::text[], $5::timestamptz[]) AS b
        """,
        network,
        [block.height for block in blocks],
        [block.hash for block in blocks],
        [block.parent_hash for block in blocks],
        [block.time for block in blocks],
    )


async def hash_at(network: str, height: int) -> str | None:
    """The hash of a scanned block; None where none of this height was scanned."""
    return await _HASH_AT.first(network=network, height=height)


_HASH_AT = Statement(
    ScannedBlock.select(ScannedBlock.hash).where(
        ScannedBlock.network == Param("network"), ScannedBlock.height == Param("height")
    ),
    str,
)


async def forget_below(network: str, height: int) -> None:
    """Delete the rows of blocks below a height that are proven to be one chain with the next ones."""
    # SQL, since one statement changes two tables.
    await database.execute(
        """
        WITH moved AS (
            UPDATE network_cursors SET kept_from = greatest(least($2, proven_height), kept_from)
            WHERE network = $1 RETURNING network, kept_from
        )
        DELETE FROM scanned_blocks b USING moved WHERE b.network = moved.network AND b.height < moved.kept_from
        """,
        network,
        height,
    )


async def delete_blocks_above(network: str, height: int) -> None:
    """Delete the scanned blocks above a height: they are no longer on the chain."""
    await _DELETE_BLOCKS_ABOVE.run(network=network, height=height)


_DELETE_BLOCKS_ABOVE = Command(
    ScannedBlock.delete().where(ScannedBlock.network == Param("network"), ScannedBlock.height > Param("height"))
)
