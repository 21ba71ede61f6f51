"""Statements that store deposits seen on chain: new ones, and those that are back after a reorganisation."""

from collections.abc import Collection
from datetime import datetime

import msgspec
from piccolo.columns.combination import WhereRaw
from piccolo.querystring import QueryString

from app.core import database
from app.core.statement import Command, Param, Statement, any_of, insert, select
from app.deposits.tables import Deposit

PARKED_INDEX = -1_000_000_000
"""Indices below this one are those of orphans whose own index another transfer of the transaction has now."""


class Orphan(msgspec.Struct, frozen=True):
    """A deposit whose block a reorganisation has removed.

    `made_at` is when it was first made: a payment that was in a block in time stays in time, whichever block it ends
    up in.
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
    made_at: datetime


class Holder(msgspec.Struct, frozen=True):
    """The deposit that has an index of a transaction."""

    id: str
    status: str


async def orphans(network: str, txids: Collection[str]) -> list[Orphan]:
    """Orphaned deposits of these transactions, in the order of their indices."""
    return await _ORPHANS.all(network=network, txids=list(txids))


_ORPHANS = Statement(
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
        QueryString(
            "coalesce({}, least({}, {}))", Deposit.made_at, Deposit.block_time, Deposit.seen_at, alias="made_at"
        ),
    )
    .where(Deposit.network == Param("network"), any_of(Deposit.txid, Param("txids")), Deposit.status == "orphaned")
    .order_by(Deposit.log_index),
    Orphan,
)


async def add(
    deposit_id: str,
    *,
    network: str,
    txid: str,
    log_index: int,
    asset: str,
    deposit_address: int,
    from_address: str,
    amount_raw: int,
    block_height: int,
    block_hash: str,
    block_time: datetime,
    verdict: str,
    invoice_id: str | None,
    now: datetime,
) -> None:
    """Insert a deposit that is seen for the first time."""
    await _ADD.run(
        id=deposit_id,
        network=network,
        txid=txid,
        log_index=log_index,
        asset=asset,
        deposit_address=deposit_address,
        from_address=from_address,
        amount_raw=amount_raw,
        block_height=block_height,
        block_hash=block_hash,
        block_time=block_time,
        seen_at=now,
        status="seen",
        verdict=verdict,
        invoice=invoice_id,
    )


_ADD = Command(
    insert(
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
        Deposit.seen_at,
        Deposit.status,
        Deposit.verdict,
        Deposit.invoice,
    )
)


async def bring_back(
    deposit_id: str,
    *,
    log_index: int,
    block_height: int,
    block_hash: str,
    block_time: datetime,
    verdict: str,
    invoice_id: str | None,
) -> None:
    """Store that an orphan is in a block again. It keeps its first time in `made_at`, whichever block it is in now."""
    await _BRING_BACK.run(
        id=deposit_id,
        log_index=log_index,
        block_height=block_height,
        block_hash=block_hash,
        block_time=block_time,
        verdict=verdict,
        invoice=invoice_id,
    )


_BRING_BACK = Command(
    Deposit.update(
        {
            Deposit.log_index: Param("log_index"),
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
    ).where(Deposit.id == Param("id"), Deposit.status == "orphaned")
)


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
