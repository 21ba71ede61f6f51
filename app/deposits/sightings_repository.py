"""Statements that store deposits: new ones, and known ones that are in a block or in the pool again."""

from collections.abc import Collection, Sequence, Set
from datetime import datetime

import msgspec
from piccolo.columns.combination import WhereRaw
from piccolo.querystring import QueryString

from app.core import database
from app.core.statement import Command, InsertEach, Param, Statement, any_of, select
from app.deposits.tables import Deposit
from app.networks.port import BlockRef

PARKED_INDEX = -1_000_000_000
"""Indices below this one are those of orphans whose own index another transfer of the transaction has now."""


class KnownDeposit(msgspec.Struct, frozen=True):
    """A deposit that is in no block: it waits in the pool (`is_in_pool`), or is orphaned.

    `made_at` is when it was first made: a payment that was in the pool or in a block in time stays in time, whichever
    block it ends up in.
    """

    id: str
    txid: str
    log_index: int
    deposit_address: int
    asset: str
    amount_raw: int
    verdict: str
    invoice: str | None
    times_reversed: int
    replaced_by: str | None
    is_in_pool: bool
    made_at: datetime


class Holder(msgspec.Struct, frozen=True):
    """The deposit that has an index of a transaction."""

    id: str
    status: str


async def without_block(network: str, txids: Collection[str]) -> list[KnownDeposit]:
    """The deposits of these transactions, or replaced by these, that are in no block, in the order of their indices."""
    return await _WITHOUT_BLOCK.all(network=network, txids=list(txids))


_WITHOUT_BLOCK = Statement(
    Deposit.select(
        Deposit.id,
        Deposit.txid,
        Deposit.log_index,
        Deposit.deposit_address,
        Deposit.asset,
        Deposit.amount_raw,
        Deposit.verdict,
        Deposit.invoice,
        Deposit.times_reversed,
        Deposit.replaced_by,
        QueryString("{} = 'seen'", Deposit.status, alias="is_in_pool"),
        QueryString(
            "coalesce({}, least({}, {}))", Deposit.made_at, Deposit.block_time, Deposit.seen_at, alias="made_at"
        ),
    )
    .where(
        Deposit.network == Param("network"),
        any_of(Deposit.txid, Param("txids")) | any_of(Deposit.replaced_by, Param("txids")),
        (Deposit.status == "orphaned") | ((Deposit.status == "seen") & Deposit.block_height.is_null()),
    )
    .order_by(Deposit.log_index),
    KnownDeposit,
)


async def stored_txids(network: str, txids: Collection[str]) -> Set[str]:
    """Those of these transactions of which a deposit is stored."""
    return set(await _STORED_TXIDS.all(network=network, txids=list(txids)))


_STORED_TXIDS = Statement(
    Deposit.select(Deposit.txid)
    .distinct()
    .where(Deposit.network == Param("network"), any_of(Deposit.txid, Param("txids"))),
    str,
)


class NewDeposit(msgspec.Struct, frozen=True, kw_only=True):
    """A deposit that is seen for the first time. `made_at` is needed where it may be earlier than its block."""

    id: str
    txid: str
    log_index: int
    asset: str
    deposit_address: int
    from_address: str | None
    amount_raw: int
    block: BlockRef | None
    matures_at: int | None
    is_inferred: bool
    made_at: datetime | None
    verdict: str
    invoice: str | None


async def add(network: str, deposits: Sequence[NewDeposit], now: datetime) -> None:
    """Insert new deposits."""
    await _ADD.run(
        [
            {
                **msgspec.structs.asdict(each),
                **_columns(each.block),
                "network": network,
                "seen_at": now,
                "status": "seen",
            }
            for each in deposits
        ]
    )


_ADD = InsertEach(
    Deposit,
    Deposit.id,
    Deposit.network,
    Deposit.txid,
    Deposit.log_index,
    Deposit.asset,
    Deposit.deposit_address,
    Deposit.from_address,
    Deposit.amount_raw,
    Deposit.block_height,
    Deposit.block_hash,
    Deposit.block_time,
    Deposit.matures_at,
    Deposit.is_inferred,
    Deposit.made_at,
    Deposit.seen_at,
    Deposit.status,
    Deposit.verdict,
    Deposit.invoice,
)


async def bring_back(
    deposit_id: str,
    *,
    log_index: int,
    from_address: str | None,
    block: BlockRef | None,
    matures_at: int | None,
    verdict: str,
    invoice_id: str | None,
) -> None:
    """Store that a deposit without a block is in this block, or in the pool again. It keeps its first time in
    `made_at`, whichever block it is in now."""
    await _BRING_BACK.run(
        id=deposit_id,
        log_index=log_index,
        from_address=from_address,
        **_columns(block),
        matures_at=matures_at,
        verdict=verdict,
        invoice=invoice_id,
    )


_BRING_BACK = Command(
    Deposit.update(
        {
            Deposit.log_index: Param("log_index"),
            Deposit.from_address: Param("from_address"),
            Deposit.matures_at: Param("matures_at"),
            Deposit.gone_because: None,
            Deposit.replaced_by: None,
            Deposit.block_height: Param("block_height"),
            Deposit.block_hash: Param("block_hash"),
            Deposit.block_time: Param("block_time"),
            Deposit.verdict: Param("verdict"),
            Deposit.invoice: Param("invoice"),
            Deposit.status: "seen",
            Deposit.made_at: QueryString(
                "coalesce({}, least({}, {}))", Deposit.made_at, Deposit.seen_at, Deposit.block_time
            ),
        }
    ).where(
        Deposit.id == Param("id"),
        (Deposit.status == "orphaned") | ((Deposit.status == "seen") & Deposit.block_height.is_null()),
    )
)


def _columns(block: BlockRef | None) -> dict[str, object]:
    """A deposit's columns that say in which block it is."""
    if block is None:
        return {"block_height": None, "block_hash": None, "block_time": None}
    return {"block_height": block.height, "block_hash": block.hash, "block_time": block.time}


async def lock_holder(network: str, txid: str, log_index: int, but: str | None) -> Holder | None:
    """Lock the deposit that has an index of a transaction; None where that is the deposit `but`, or none."""
    return await _LOCK_HOLDER.first(network=network, txid=txid, log_index=log_index, but=but)


_LOCK_HOLDER = Statement(
    select(Deposit, Holder)
    .where(
        Deposit.network == Param("network"),
        Deposit.txid == Param("txid"),
        Deposit.log_index == Param("log_index"),
        WhereRaw("{} IS DISTINCT FROM {}", Deposit.id, Param("but")),
    )
    .lock_rows("UPDATE"),
    Holder,
)


async def park(deposit_id: str, network: str, txid: str) -> None:
    """Give an orphan an index below all that a chain uses, and below those of its transaction."""
    # SQL, since the new value is an aggregate over other rows of the table.
    await database.execute(
        """
        UPDATE deposits SET log_index =
            (SELECT least(min(log_index), $2) - 1 FROM deposits WHERE network = $3 AND txid = $4)
        WHERE id = $1
        """,
        deposit_id,
        PARKED_INDEX,
        network,
        txid,
    )
