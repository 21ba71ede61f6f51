"""Statements on `coins` and `change_addresses` for those that spend: which coins there are, and in which blocks our
transactions are. coin_book_repository.py keeps the rows up to date."""

from collections.abc import Collection, Sequence
from datetime import datetime

import msgspec
from piccolo.query.functions import Max

from app.core import database
from app.core.statement import Command, Param, Statement, any_of, insert
from app.networks.bitcoin.coins import Coin
from app.withdrawals.tables import ChangeAddress
from app.withdrawals.tables import Coin as CoinRow


async def spendable(network: str, height: int) -> list[Coin]:
    """The coins that may be spent, the largest first: unspent, and claimed by no transaction of ours that may be mined.

    Coins of others are in blocks up to `height`, and rewards are mature there. Our own change may be in a later block,
    or in none: then its transaction is the last attempt of its lineage, a node has accepted it, and no block excludes
    it. What such a coin comes from is not told (`Coin.ancestors` is 0): a node's pool knows it.
    """
    # SQL, since no foreign key leads from a coin to the claims on it.
    rows = await database.fetch_all(
        """
        SELECT c.txid, c.vout, c.amount_raw, c.address, c.branch, c.index, c.height, c.is_change FROM coins c
        WHERE c.network = $1 AND c.spent_by IS NULL
            AND (c.height <= $2 OR c.is_change) AND (c.matures_at IS NULL OR c.matures_at <= $2)
            AND NOT EXISTS (
                SELECT 1 FROM outgoing_claims o JOIN outgoing_transactions t ON t.id = o.transaction
                WHERE o.network = $1 AND o.claim = 'coin:' || c.txid || ':' || c.vout AND t.status <> 'replaced')
            AND (c.height IS NOT NULL OR EXISTS (
                SELECT 1 FROM outgoing_transactions t
                WHERE t.network = $1 AND t.txid = c.txid AND t.status = 'submitted'
                    AND NOT EXISTS (SELECT 1 FROM outgoing_transactions l WHERE l.lineage = t.lineage AND l.id > t.id)
                    AND NOT EXISTS (
                        SELECT 1 FROM outgoing_claims o JOIN coins spent ON spent.network = $1
                            AND spent.txid = split_part(o.claim, ':', 2)
                            AND spent.vout = split_part(o.claim, ':', 3)::integer
                        WHERE o.transaction = t.id AND spent.spent_by IS NOT NULL)))
        ORDER BY c.amount_raw DESC, c.txid, c.vout
        """,
        network,
        height,
    )
    return [Coin(**row) for row in rows]


async def by_claims(network: str, claims: Collection[str]) -> list[Coin]:
    """Our coins of these claims (`Coin.claim`), spent or not. Claims of no coin of ours are left out."""
    # SQL, since the builder knows no unnest.
    rows = await database.fetch_all(
        """
        SELECT c.txid, c.vout, c.amount_raw, c.address, c.branch, c.index, c.height, c.is_change
        FROM unnest($2::text[]) AS wanted (claim) JOIN coins c ON c.network = $1
            AND c.txid = split_part(wanted.claim, ':', 2) AND c.vout = split_part(wanted.claim, ':', 3)::integer
        ORDER BY c.txid, c.vout
        """,
        network,
        list(claims),
    )
    return [Coin(**row) for row in rows]


async def next_change_index(network: str) -> int:
    """The number of the next unused address of the change branch, from 1 on."""
    last = await _LAST_CHANGE_INDEX.first(network=network)
    return 1 if last is None else last + 1


_LAST_CHANGE_INDEX = Statement(
    ChangeAddress.select(Max(ChangeAddress.index)).where(ChangeAddress.network == Param("network")), int
)


async def add_change_address(network: str, index: int, address: str) -> None:
    """Store an address of the change branch, before a transaction that may pay it is signed; one that is there stays.

    It is committed before anything is sent, with the signed transaction at the latest: the watcher asks for it.
    """
    await _ADD_CHANGE_ADDRESS.run(network=network, index=index, address=address)


_ADD_CHANGE_ADDRESS = Command(
    insert(ChangeAddress).on_conflict(target=(ChangeAddress.network, ChangeAddress.index), action="DO NOTHING")
)


async def add_change(network: str, coin: Coin, now: datetime) -> None:
    """Store the change of a transaction that was just signed, in the transaction that stores that one.

    The watcher adds its block. A coin that is there already stays as it is.
    """
    database.in_transaction()
    await _ADD_CHANGE.run(
        network=network,
        txid=coin.txid,
        vout=coin.vout,
        amount_raw=coin.amount_raw,
        address=coin.address,
        branch=coin.branch,
        index=coin.index,
        is_change=True,
        seen_at=now,
    )


_ADD_CHANGE = Command(
    insert(
        CoinRow,
        CoinRow.network,
        CoinRow.txid,
        CoinRow.vout,
        CoinRow.amount_raw,
        CoinRow.address,
        CoinRow.branch,
        CoinRow.index,
        CoinRow.is_change,
        CoinRow.seen_at,
    ).on_conflict(target=(CoinRow.network, CoinRow.txid, CoinRow.vout), action="DO NOTHING")
)


async def mined_in(network: str, txids: Collection[str]) -> dict[str, str]:
    """By txid, the hash of the block in which our own scan has found a transaction of ours; others are left out.

    All that a transaction of ours spends is ours, so the coins that it has spent name its block.
    """
    found = await _MINED_IN.all(network=network, txids=list(txids))
    return {mined.spent_by: mined.spent_hash for mined in found}


class _Mined(msgspec.Struct, frozen=True):
    spent_by: str
    spent_hash: str


_MINED_IN = Statement(
    CoinRow.select(CoinRow.spent_by, CoinRow.spent_hash)
    .distinct()
    .where(CoinRow.network == Param("network"), any_of(CoinRow.spent_by, Param("txids"))),
    _Mined,
)


class Spender(msgspec.Struct, frozen=True):
    """The transaction that spends a coin, in the block at `height`."""

    txid: str
    height: int


async def spenders(network: str, claims: Collection[str]) -> dict[str, Spender]:
    """By claim, which transaction in a block has spent a coin of ours; coins that none has spent are left out."""
    # SQL, since the builder knows no unnest.
    rows = await database.fetch_all(
        """
        SELECT wanted.claim, c.spent_by, c.spent_height
        FROM unnest($2::text[]) AS wanted (claim) JOIN coins c ON c.network = $1
            AND c.txid = split_part(wanted.claim, ':', 2) AND c.vout = split_part(wanted.claim, ':', 3)::integer
        WHERE c.spent_by IS NOT NULL
        """,
        network,
        list(claims),
    )
    return {row["claim"]: Spender(row["spent_by"], row["spent_height"]) for row in rows}


async def unknown_spends(network: str) -> Sequence[str]:
    """The ids of transactions in blocks that have spent coins of ours and that the signer did not store."""
    # SQL, since no foreign key leads from a coin to the transaction that spends it.
    rows = await database.fetch_all(
        """
        SELECT DISTINCT c.spent_by FROM coins c
        WHERE c.network = $1 AND c.spent_by IS NOT NULL AND NOT EXISTS (
            SELECT 1 FROM outgoing_transactions t WHERE t.network = $1 AND t.txid = c.spent_by)
        ORDER BY 1
        """,
        network,
    )
    return [row["spent_by"] for row in rows]
