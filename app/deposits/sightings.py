"""Deposits at rest: the row of a transfer, and which row a transfer is that a reorganisation had taken away.

A transaction of a dead block usually comes back in another. Its transfers are the same deposits again, although
nothing but transaction, asset, amount and recipient need be as before.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime

from app.core import database, ids
from app.core.database import Row
from app.deposits.matching import Match
from app.networks.port import Transfer

PARKED_INDEX = -1_000_000_000
"""Below it are the indices of orphans whose place another transfer of their transaction has taken."""


async def orphans(network: str, txids: Collection[str]) -> dict[tuple[str, int], list[Row]]:
    """Deposits of these transactions that a reorganisation has taken away, by (txid, address id).

    `made_at`: a payment that was in a block in time was made in time, whichever block it ends up in.
    """
    rows = await database.fetch_all(
        """
        SELECT id, txid, log_index, deposit_address, asset, amount_raw, verdict, invoice, times_reversed,
            coalesce(made_at, least(block_time, seen_at)) AS made_at
        FROM deposits WHERE network = $1 AND txid = ANY($2) AND status = 'orphaned' ORDER BY log_index
        """,
        network,
        list(txids),
    )
    found: defaultdict[tuple[str, int], list[Row]] = defaultdict(list)
    for row in rows:
        found[row["txid"], row["deposit_address"]].append(row)
    return found


def same_transfer(transfer: Transfer, known: Sequence[Row]) -> Row | None:
    """The orphan that this transfer is. A log's index counts from its block's start, so in another block the same
    transfer may have another one: then it is the first of the same asset and amount in the transaction."""
    same = [
        orphan
        for orphan in known
        if (orphan["asset"], orphan["amount_raw"]) == (transfer.asset_symbol, transfer.amount_raw)
    ]
    exact = [orphan for orphan in same if orphan["log_index"] == transfer.index]
    return next(iter(exact or same), None)


async def store(
    network: str, transfer: Transfer, address_id: int, found: Match, orphan: Row | None, now: datetime
) -> str | None:
    """Insert the deposit, or bring `orphan` back; its id, or None if it is there and alive already.

    What comes back keeps its first moment in `made_at`, whichever block it is in now.
    """
    place = (
        transfer.index,
        transfer.block.height,
        transfer.block.hash,
        transfer.block.time,
        found.verdict.value,
        found.invoice_id,
    )
    if not await _make_room(network, transfer, None if orphan is None else orphan["id"]):
        return None
    if orphan is not None:
        await database.execute(
            """
            UPDATE deposits SET log_index = $2, block_height = $3, block_hash = $4, block_time = $5,
                verdict = $6, invoice = $7, status = 'seen',
                made_at = coalesce(made_at, least(seen_at, block_time))
            WHERE id = $1 AND status = 'orphaned'
            """,
            orphan["id"],
            *place,
        )
        return str(orphan["id"])
    deposit_id = ids.new_id(ids.DEPOSIT)
    await database.execute(
        """
        INSERT INTO deposits (log_index, block_height, block_hash, block_time, verdict, invoice,
            id, network, txid, asset, deposit_address, from_address, amount_raw, seen_at, status)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 'seen')
        """,
        *place,
        deposit_id,
        network,
        transfer.txid,
        transfer.asset_symbol,
        address_id,
        transfer.from_address,
        transfer.amount_raw,
        now,
    )
    return deposit_id


async def _make_room(network: str, transfer: Transfer, deposit_id: str | None) -> bool:
    """Free the transfer's index for its deposit, a new one or one that comes back; False if a living one has it.

    Another orphan of the transaction that has it steps aside, below all indices that a chain gives: in another
    block a transaction may move other amounts than it did before.
    """
    holder = await database.fetch_one(
        """
        SELECT id, status FROM deposits
        WHERE network = $1 AND txid = $2 AND log_index = $3 AND id IS DISTINCT FROM $4 FOR UPDATE
        """,
        network,
        transfer.txid,
        transfer.index,
        deposit_id,
    )
    if holder is None:
        return True
    if holder["status"] != "orphaned":
        return False
    await database.execute(
        """
        UPDATE deposits SET log_index =
            (SELECT least(min(log_index), $2) - 1 FROM deposits WHERE network = $3 AND txid = $4)
        WHERE id = $1
        """,
        holder["id"],
        PARKED_INDEX,
        network,
        transfer.txid,
    )
    return True
