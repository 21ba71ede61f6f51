"""Store a transfer as a deposit, or find the deposit without a block that it is.

A transaction of the pool, or of a dead block, usually comes into another block. Its transfers are the same deposits
again, although only transaction, asset, amount and recipient are sure to be the same.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime

import msgspec

from app.core import ids
from app.deposits import sightings_repository
from app.deposits.matching import Match
from app.deposits.sightings_repository import KnownDeposit, NewDeposit
from app.networks.port import BlockRef, PoolTransaction, Transfer


class Sighting(msgspec.Struct, frozen=True, kw_only=True):
    """A transfer to us in a block, or in the pool where `block` is None. The fields are those of `Transfer`."""

    txid: str
    index: int
    asset_symbol: str
    to_address: str
    from_address: str | None
    amount_raw: int
    block: BlockRef | None
    matures_at: int | None
    inferred: bool

    def made_at(self, now: datetime) -> datetime:
        """When it was made, as far as it shows itself: its block's time, or now."""
        return now if self.block is None else self.block.time


def in_block(transfer: Transfer) -> Sighting:
    """A transfer of a block."""
    return Sighting(**msgspec.structs.asdict(transfer))


def in_pool(transaction: PoolTransaction) -> list[Sighting]:
    """The transfers of a transaction that waits for a block."""
    return [
        Sighting(
            txid=transaction.txid,
            index=transfer.index,
            asset_symbol=transfer.asset_symbol,
            to_address=transfer.to_address,
            from_address=None,
            amount_raw=transfer.amount_raw,
            block=None,
            matures_at=None,
            inferred=False,
        )
        for transfer in transaction.transfers
    ]


async def known_deposits(network: str, txids: Collection[str]) -> dict[tuple[str, int], list[KnownDeposit]]:
    """Deposits without a block of these transactions, or replaced by them, by (the transaction's id, address id)."""
    found: defaultdict[tuple[str, int], list[KnownDeposit]] = defaultdict(list)
    for known in await sightings_repository.without_block(network, txids):
        for txid in {known.txid, known.replaced_by} & set(txids):
            found[str(txid), known.deposit_address].append(known)
    return found


def same_transfer(sighting: Sighting, known: Sequence[KnownDeposit]) -> KnownDeposit | None:
    """The deposit without a block that this is. A log's index counts from its block's start, so it may differ in
    another block: then the first one with the same asset and amount in the transaction is taken."""
    same = [one for one in known if one.txid == sighting.txid and _alike(sighting, one)]
    exact = [one for one in same if one.log_index == sighting.index]
    return next(iter(exact or same), None)


def first_made_at(sighting: Sighting, known: Sequence[KnownDeposit], now: datetime) -> datetime:
    """When a payment was first made: in this or an earlier block, or in the pool. A transaction that replaces another
    one with the same payment, as one with a higher fee does, was made when that one was."""
    alike = [one.made_at for one in known if one.txid == sighting.txid or _alike(sighting, one)]
    return min([sighting.made_at(now), *alike])


async def store(
    network: str,
    sighting: Sighting,
    address_id: int,
    found: Match,
    known: KnownDeposit | None,
    made_at: datetime,
    now: datetime,
    *,
    has_others: bool,
) -> str | None:
    """Insert the deposit, or update the one that it is; return its id, or None if it is stored already, where it is.

    A known deposit keeps its first time in `made_at`, whichever block it is in now. `has_others`: deposits of the
    transaction are stored from an earlier look, of which one may have the transfer's index.
    """
    if known is not None and known.is_in_pool and sighting.block is None:
        return None
    if has_others and not await _make_room(network, sighting, None if known is None else known.id):
        return None
    if known is not None:
        await sightings_repository.bring_back(
            known.id,
            log_index=sighting.index,
            from_address=sighting.from_address,
            block=sighting.block,
            matures_at=sighting.matures_at,
            verdict=found.verdict.value,
            invoice_id=found.invoice_id,
        )
        return known.id
    deposit = new_deposit(sighting, address_id, found, made_at)
    await sightings_repository.add(network, [deposit], now)
    return deposit.id


def new_deposit(sighting: Sighting, address_id: int, found: Match, made_at: datetime) -> NewDeposit:
    """The deposit that a transfer is where it is seen for the first time."""
    return NewDeposit(
        id=ids.new_id(ids.DEPOSIT),
        txid=sighting.txid,
        log_index=sighting.index,
        asset=sighting.asset_symbol,
        deposit_address=address_id,
        from_address=sighting.from_address,
        amount_raw=sighting.amount_raw,
        block=sighting.block,
        matures_at=sighting.matures_at,
        is_inferred=sighting.inferred,
        made_at=made_at if sighting.block is None or made_at < sighting.block.time else None,
        verdict=found.verdict.value,
        invoice=found.invoice_id,
    )


def _alike(sighting: Sighting, known: KnownDeposit) -> bool:
    return (known.asset, known.amount_raw) == (sighting.asset_symbol, sighting.amount_raw)


async def _make_room(network: str, sighting: Sighting, deposit_id: str | None) -> bool:
    """Free the transfer's index for its deposit, new or known; False if another deposit has it rightly.

    An orphan of the transaction that has the index gets one below all that a chain uses: in another block a transaction
    may move other amounts than before.
    """
    holder = await sightings_repository.lock_holder(network, sighting.txid, sighting.index, deposit_id)
    if holder is None:
        return True
    if holder.status != "orphaned":
        return False
    await sightings_repository.park(holder.id, network, sighting.txid)
    return True
