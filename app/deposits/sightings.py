"""Store a transfer as a deposit, or find the orphaned deposit that it is after a reorganisation.

A transaction of a dead block usually comes back in another. Its transfers are the same deposits again, although
only transaction, asset, amount and recipient are sure to be the same.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime

from app.core import ids
from app.deposits import sightings_repository
from app.deposits.matching import Match
from app.deposits.sightings_repository import Orphan
from app.networks.port import Transfer


async def orphans(network: str, txids: Collection[str]) -> dict[tuple[str, int], list[Orphan]]:
    """Orphaned deposits of these transactions, by (txid, address id)."""
    found: defaultdict[tuple[str, int], list[Orphan]] = defaultdict(list)
    for orphan in await sightings_repository.orphans(network, txids):
        found[orphan.txid, orphan.deposit_address].append(orphan)
    return found


def same_transfer(transfer: Transfer, known: Sequence[Orphan]) -> Orphan | None:
    """The orphan that is this transfer. A log's index counts from its block's start, so it may differ in another block:
    then the first orphan with the same asset and amount in the transaction is taken."""
    same = [
        orphan for orphan in known if (orphan.asset, orphan.amount_raw) == (transfer.asset_symbol, transfer.amount_raw)
    ]
    exact = [orphan for orphan in same if orphan.log_index == transfer.index]
    return next(iter(exact or same), None)


async def store(
    network: str, transfer: Transfer, address_id: int, found: Match, orphan: Orphan | None, now: datetime
) -> str | None:
    """Insert the deposit, or bring `orphan` back; return its id, or None if it is stored and on chain already.

    A deposit that comes back keeps its first time in `made_at`, whichever block it is in now.
    """
    if not await _make_room(network, transfer, None if orphan is None else orphan.id):
        return None
    if orphan is not None:
        await sightings_repository.bring_back(
            orphan.id,
            log_index=transfer.index,
            block_height=transfer.block.height,
            block_hash=transfer.block.hash,
            block_time=transfer.block.time,
            verdict=found.verdict.value,
            invoice_id=found.invoice_id,
        )
        return orphan.id
    deposit_id = ids.new_id(ids.DEPOSIT)
    await sightings_repository.add(
        deposit_id,
        network=network,
        txid=transfer.txid,
        log_index=transfer.index,
        asset=transfer.asset_symbol,
        deposit_address=address_id,
        from_address=transfer.from_address,
        amount_raw=transfer.amount_raw,
        block_height=transfer.block.height,
        block_hash=transfer.block.hash,
        block_time=transfer.block.time,
        verdict=found.verdict.value,
        invoice_id=found.invoice_id,
        now=now,
    )
    return deposit_id


async def _make_room(network: str, transfer: Transfer, deposit_id: str | None) -> bool:
    """Free the transfer's index for its deposit, new or back; False if another deposit on the chain has the index.

    An orphan of the transaction that has the index gets one below all that a chain uses: in another block a transaction
    may move other amounts than before.
    """
    holder = await sightings_repository.lock_holder(network, transfer.txid, transfer.index, deposit_id)
    if holder is None:
        return True
    if holder.status != "orphaned":
        return False
    await sightings_repository.park(holder.id, network, transfer.txid)
    return True
