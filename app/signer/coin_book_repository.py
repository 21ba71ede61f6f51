"""Statements that keep `coins`: what blocks make and spend of them, and what a reorganisation takes back.

They are SQL, since each works on many rows at once, and joins tables that no foreign key connects.
"""

from collections.abc import Collection, Mapping, Sequence, Set
from datetime import datetime

import msgspec

from app.core import database
from app.core.statement import Param, Statement, any_of
from app.networks.port import BlockRef, Spend, Transfer
from app.withdrawals.tables import ChangeAddress


class Spent(msgspec.Struct, frozen=True):
    """A coin of ours that a block spends, and by which transaction. `is_known`: that one is of the signer."""

    txid: str
    vout: int
    amount_raw: int
    spent_by: str
    is_known: bool


async def change_among(network: str, addresses: Collection[str]) -> Set[str]:
    """Those of these addresses that are of our change."""
    return set(await _CHANGE_AMONG.all(network=network, addresses=list(addresses)))


_CHANGE_AMONG = Statement(
    ChangeAddress.select(ChangeAddress.address).where(
        ChangeAddress.network == Param("network"), any_of(ChangeAddress.address, Param("addresses"))
    ),
    str,
)


async def add_change_addresses(network: str, addresses: Mapping[int, str]) -> None:
    """Store addresses of the change branch by their numbers; those that are there stay."""
    await database.execute(
        """
        INSERT INTO change_addresses (network, index, address)
        SELECT $1, added.* FROM unnest($2::int[], $3::text[]) AS added ON CONFLICT DO NOTHING
        """,
        network,
        list(addresses.keys()),
        list(addresses.values()),
    )


async def change_of(network: str, txids: Collection[str]) -> Set[tuple[str, str]]:
    """What these transactions return to us, as (txid, address): those that the signer has stored, and all others that
    have spent coins of ours."""
    rows = await database.fetch_all(
        """
        SELECT c.txid, c.address FROM coins c
        WHERE c.network = $1 AND c.txid = ANY($2) AND c.branch = 1
            AND (c.is_change OR EXISTS (SELECT 1 FROM coins s WHERE s.network = $1 AND s.spent_by = c.txid))
            AND NOT EXISTS (
            SELECT 1 FROM outgoing_transactions t JOIN outgoing_payments p ON p.transaction = t.id
            WHERE t.network = $1 AND t.txid = c.txid AND p.to_address = c.address AND p.withdrawal IS NOT NULL)
        """,
        network,
        list(txids),
    )
    return {(row["txid"], row["address"]) for row in rows}


async def coins_among(network: str, claims: Collection[str]) -> Set[str]:
    """Those of these claims that are of coins of ours."""
    rows = await database.fetch_all(
        """
        SELECT wanted.claim FROM unnest($2::text[]) AS wanted (claim)
        WHERE EXISTS (SELECT 1 FROM coins c WHERE c.network = $1
            AND c.txid = split_part(wanted.claim, ':', 2) AND c.vout = split_part(wanted.claim, ':', 3)::integer)
        """,
        network,
        list(claims),
    )
    return {row["claim"] for row in rows}


async def make(network: str, hot_wallet: str | None, transfers: Sequence[Transfer], now: datetime) -> None:
    """Store the coins of a block's transfers to our addresses; those that are known are in this block now."""
    database.in_transaction()
    await database.execute(
        """
        INSERT INTO coins (network, txid, vout, amount_raw, address, branch, index, height, block_hash, matures_at,
            is_change, seen_at)
        SELECT $1, made.txid, made.vout, made.amount_raw, made.address, ours.branch, ours.index, made.height,
            made.block_hash, made.matures_at,
            EXISTS (SELECT 1 FROM outgoing_transactions t WHERE t.network = $1 AND t.txid = made.txid), $2
        FROM unnest($4::text[], $5::int[], $6::numeric[], $7::text[], $8::bigint[], $9::text[], $10::bigint[])
            AS made (txid, vout, amount_raw, address, height, block_hash, matures_at)
        CROSS JOIN LATERAL (
            SELECT 0 AS branch, a.derivation_index AS index FROM deposit_addresses a
                WHERE a.network = $1 AND a.address = made.address
            UNION ALL SELECT 1, a.index FROM change_addresses a WHERE a.network = $1 AND a.address = made.address
            UNION ALL SELECT 1, 0 WHERE made.address = $3
            LIMIT 1
        ) ours
        ON CONFLICT (network, txid, vout) DO UPDATE SET
            height = excluded.height, block_hash = excluded.block_hash, matures_at = excluded.matures_at
        """,
        network,
        now,
        hot_wallet,
        [transfer.txid for transfer in transfers],
        [transfer.index for transfer in transfers],
        [transfer.amount_raw for transfer in transfers],
        [transfer.to_address for transfer in transfers],
        [transfer.block.height for transfer in transfers],
        [transfer.block.hash for transfer in transfers],
        [transfer.matures_at for transfer in transfers],
    )


async def spend(network: str, spends: Sequence[tuple[Spend, BlockRef]]) -> list[Spent]:
    """Store what blocks spend of our coins, and return these coins."""
    database.in_transaction()
    rows = await database.fetch_all(
        """
        UPDATE coins c SET spent_by = spend.txid, spent_height = spend.height, spent_hash = spend.block_hash
        FROM unnest($2::text[], $3::text[], $4::bigint[], $5::text[]) AS spend (claim, txid, height, block_hash)
        WHERE c.network = $1 AND c.txid = split_part(spend.claim, ':', 2)
            AND c.vout = split_part(spend.claim, ':', 3)::integer
        RETURNING c.txid, c.vout, c.amount_raw, c.spent_by,
            EXISTS (SELECT 1 FROM outgoing_transactions t WHERE t.network = $1 AND t.txid = c.spent_by)
        """,
        network,
        [one.claim for one, _ in spends],
        [one.txid for one, _ in spends],
        [block.height for _, block in spends],
        [block.hash for _, block in spends],
    )
    return [Spent(*row) for row in rows]


async def take_back(network: str, above_height: int) -> None:
    """Take back what the blocks above a height have made and spent of our coins.

    Of what they have made, our own change and what a transaction of ours spends stay, in no block. The rest is
    forgotten: it comes again with its block.
    """
    database.in_transaction()
    await database.execute(
        """
        UPDATE coins SET spent_by = NULL, spent_height = NULL, spent_hash = NULL
        WHERE network = $1 AND spent_height > $2
        """,
        network,
        above_height,
    )
    await database.execute(
        """
        DELETE FROM coins c WHERE c.network = $1 AND c.height > $2 AND NOT c.is_change AND NOT EXISTS (
            SELECT 1 FROM outgoing_claims o
            WHERE o.network = $1 AND o.claim = 'coin:' || c.txid || ':' || c.vout)
        """,
        network,
        above_height,
    )
    await database.execute(
        "UPDATE coins SET height = NULL, block_hash = NULL, matures_at = NULL WHERE network = $1 AND height > $2",
        network,
        above_height,
    )
