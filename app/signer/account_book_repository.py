"""Statements on `account_transactions`: what our accounts have sent, by our own scan."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import msgspec

from app.core import database
from app.core.statement import Command, Param, Statement, any_of
from app.withdrawals.tables import AccountTransaction, OutgoingTransaction


class SentIn(msgspec.Struct, frozen=True):
    """A transaction that an account of ours has sent, and its block."""

    txid: str
    address: str
    height: int
    block_hash: str


class Known(msgspec.Struct, frozen=True):
    """A stored transaction. `is_dead`: the signer counts on it that no block can hold it."""

    id: int
    txid: str
    is_dead: bool
    withdrawals: list[str]


async def add(network: str, sent: Sequence[SentIn]) -> None:
    """Store what blocks hold of our accounts' transactions. Needs the watcher's transaction."""
    database.in_transaction()
    # SQL, since the builder knows no unnest.
    await database.execute(
        """
        INSERT INTO account_transactions (network, txid, address, height, block_hash)
        SELECT $1, sent.* FROM unnest($2::text[], $3::text[], $4::bigint[], $5::text[]) AS sent
        ON CONFLICT (network, txid, address) DO UPDATE SET height = excluded.height, block_hash = excluded.block_hash
        """,
        network,
        [one.txid for one in sent],
        [one.address for one in sent],
        [one.height for one in sent],
        [one.block_hash for one in sent],
    )


async def lock_known(network: str, txids: Collection[str]) -> Mapping[str, Known]:
    """Those of these transactions that the signer has stored, by txid, their rows locked for the caller's transaction.

    The signer marks an attempt as dead and then looks here; this looks after the rows are added. The lock makes one of
    the two see what the other has done.
    """
    database.in_transaction()
    # SQL, since the builder has no aggregates of arrays, and no lock beside a subquery.
    rows = await database.fetch_all(
        """
        SELECT t.id, t.txid, t.status = 'replaced' AS is_dead, (SELECT coalesce(array_agg(p.withdrawal), '{}')
            FROM outgoing_payments p WHERE p.transaction = t.id AND p.withdrawal IS NOT NULL) AS withdrawals
        FROM outgoing_transactions t WHERE t.network = $1 AND t.txid = ANY($2) ORDER BY t.id FOR SHARE
        """,
        network,
        list(txids),
    )
    return {row["txid"]: Known(**row) for row in rows}


async def revive(transaction_id: int) -> None:
    """Store that a dead move between our own addresses is under way after all."""
    await _REVIVE.run(id=transaction_id)


_REVIVE = Command(
    OutgoingTransaction.update({OutgoingTransaction.status: "submitted", OutgoingTransaction.settled_at: None}).where(
        OutgoingTransaction.id == Param("id"), OutgoingTransaction.status == "replaced"
    )
)


async def forget_above(network: str, above_height: int) -> None:
    """Delete what the blocks above a height held."""
    await _FORGET.run(network=network, height=above_height)


_FORGET = Command(
    AccountTransaction.delete().where(
        AccountTransaction.network == Param("network"), AccountTransaction.height > Param("height")
    )
)


class _Mined(msgspec.Struct, frozen=True):
    txid: str
    block_hash: str


async def mined_in(network: str, txids: Collection[str]) -> dict[str, str]:
    """By txid, the hash of the block in which our own scan has found a transaction; others are left out."""
    return {mined.txid: mined.block_hash for mined in await _MINED_IN.all(network=network, txids=list(txids))}


_MINED_IN = Statement(
    AccountTransaction.select(AccountTransaction.txid, AccountTransaction.block_hash)
    .distinct()
    .where(AccountTransaction.network == Param("network"), any_of(AccountTransaction.txid, Param("txids"))),
    _Mined,
)


async def unknown(network: str, address: str) -> Sequence[str]:
    """The txids of what an account of ours has sent that the signer did not store and nobody has accounted for, the
    oldest first."""
    # SQL, since no foreign key leads to the stored transaction.
    rows = await database.fetch_all(
        """
        SELECT a.txid FROM account_transactions a
        WHERE a.network = $1 AND a.address = $2 AND a.accounted_at IS NULL AND NOT EXISTS (
            SELECT 1 FROM outgoing_transactions t WHERE t.network = a.network AND t.txid = a.txid)
        ORDER BY a.height, a.id
        """,
        network,
        address,
    )
    return [row["txid"] for row in rows]


async def account_for(network: str, address: str, txid: str, up_to_height: int, now: datetime) -> bool:
    """Store that an operator has accounted for a transaction of an account, in a block up to a height; False where
    there is no such one that waits for that. Needs the caller's transaction."""
    database.in_transaction()
    return bool(await _ACCOUNT_FOR.run(network=network, address=address, txid=txid, height=up_to_height, now=now))


_ACCOUNT_FOR = Command(
    AccountTransaction.update({AccountTransaction.accounted_at: Param("now")}).where(
        AccountTransaction.network == Param("network"),
        AccountTransaction.address == Param("address"),
        AccountTransaction.txid == Param("txid"),
        AccountTransaction.height <= Param("height"),
        AccountTransaction.accounted_at.is_null(),
    )
)
