"""Statements on `pool_transactions`, and on the deposits of transactions that are in no block."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import msgspec
from piccolo.columns.combination import WhereRaw
from piccolo.query.methods.select import Select

from app.core import database
from app.core.statement import Command, Param, Statement, any_of, select
from app.deposits.tables import Deposit, PoolTransaction
from app.networks import port


class Waiting(msgspec.Struct, frozen=True):
    """A transaction that was in the pool at the last look, and what it spends."""

    txid: str
    spends: list[str]


class PoolDeposit(msgspec.Struct, frozen=True):
    """A deposit that waits for a block."""

    id: str
    txid: str
    invoice: str | None


async def waiting(network: str) -> list[Waiting]:
    """The transactions that were in the pool at the last look, and that no scanned block has."""
    return await _WAITING.all(network=network)


_WAITING = Statement(
    select(PoolTransaction, Waiting).where(
        PoolTransaction.network == Param("network"), WhereRaw("NOT {}", PoolTransaction.is_gone)
    ),
    Waiting,
)


async def add(network: str, transactions: Sequence[port.PoolTransaction], now: datetime) -> None:
    """Write transactions that are in the pool; one that was there before and is back keeps its first time."""
    # SQL, since the arrays of what each spends have different lengths, and UNNEST takes none such.
    for transaction in transactions:
        await database.execute(
            """
            INSERT INTO pool_transactions (network, txid, spends, fee_rate_raw, is_replaceable, seen_at)
            VALUES ($1, $2, $3, $4, $5, $6)
            ON CONFLICT (network, txid) DO UPDATE SET is_gone = false
            """,
            network,
            transaction.txid,
            list(transaction.spends),
            transaction.fee_rate_raw,
            transaction.is_replaceable,
            now,
        )


async def remove(network: str, txids: Collection[str]) -> None:
    """Delete transactions that a block has."""
    await _REMOVE.run(network=network, txids=list(txids))


_IS_ONE_OF = (PoolTransaction.network == Param("network")) & any_of(PoolTransaction.txid, Param("txids"))
_REMOVE = Command(PoolTransaction.delete().where(_IS_ONE_OF))


async def mark_gone(network: str, txids: Collection[str]) -> None:
    """Store that transactions are in the pool no more, and in no block."""
    await _MARK_GONE.run(network=network, txids=list(txids))


_MARK_GONE = Command(PoolTransaction.update({PoolTransaction.is_gone: True}).where(_IS_ONE_OF))


async def deposits_of(network: str, txids: Collection[str]) -> list[PoolDeposit]:
    """The deposits of these transactions that wait for a block."""
    return await _DEPOSITS_OF.all(network=network, txids=list(txids))


async def lock_deposits_of(network: str, txids: Collection[str]) -> list[PoolDeposit]:
    """Like `deposits_of`, and lock the deposits in the caller's transaction."""
    return await _LOCK_DEPOSITS_OF.all(network=network, txids=list(txids))


def _without_block() -> "Select[Any]":
    return (
        select(Deposit, PoolDeposit)
        .where(
            Deposit.network == Param("network"),
            any_of(Deposit.txid, Param("txids")),
            Deposit.status == "seen",
            Deposit.block_height.is_null(),
        )
        .order_by(Deposit.id)
    )


_DEPOSITS_OF = Statement(_without_block(), PoolDeposit)
_LOCK_DEPOSITS_OF = Statement(_without_block().lock_rows("UPDATE"), PoolDeposit)
