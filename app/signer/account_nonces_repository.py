"""Statements on the accounts that we send from: the next nonce of each, and what its unmined transactions can spend."""

from collections.abc import Mapping, Sequence

import msgspec
from piccolo.columns.combination import WhereRaw

from app.core import database
from app.core.statement import Command, Param, Statement, any_of, insert
from app.withdrawals.tables import OutgoingTransaction, WalletNonce

_IS_NONCE_OF = (WalletNonce.network == Param("network")) & (WalletNonce.address == Param("address"))


async def lock_nonce(network: str, address: str, chain_nonce: int) -> int:
    """Lock the nonce of an address and return the next one; `set_nonce` steps it. Needs the caller's transaction.

    `chain_nonce` is how many transactions of the address are in blocks: a deposit address that somebody else has
    emptied follows the chain. For the hot wallet the signer refuses that (account_funds.py). It never goes back.
    """
    database.in_transaction()
    await _ADD_NONCE.run(network=network, address=address, next_nonce=chain_nonce)
    return max(await _LOCK_NONCE.one(network=network, address=address), chain_nonce)


_ADD_NONCE = Command(insert(WalletNonce).on_conflict(action="DO NOTHING"))
_LOCK_NONCE = Statement(WalletNonce.select(WalletNonce.next_nonce).where(_IS_NONCE_OF).lock_rows("UPDATE"), int)


async def next_nonce(network: str, address: str) -> int:
    """The next nonce of an address by the books."""
    return await _NEXT_NONCE.first(network=network, address=address) or 0


_NEXT_NONCE = Statement(WalletNonce.select(WalletNonce.next_nonce).where(_IS_NONCE_OF), int)


async def adopt_nonce(network: str, address: str, nonce: int) -> bool:
    """Continue at `nonce`, which is the next one by the chain; False where the books are there already or further.

    Needs the caller's transaction, with the operator who has accounted for every transaction before it.
    """
    database.in_transaction()
    return bool(await _ADOPT_NONCE.run(network=network, address=address, next_nonce=nonce))


_ADOPT_NONCE = Command(
    insert(WalletNonce).on_conflict(
        target=(WalletNonce.network, WalletNonce.address),
        action="DO UPDATE",
        values=[WalletNonce.next_nonce],
        where=WhereRaw("{} < excluded.next_nonce", WalletNonce.next_nonce),
    )
)


async def set_nonce(network: str, address: str, nonce: int) -> None:
    """Write the next nonce of an address, in the transaction that has locked it."""
    database.in_transaction()
    await _SET_NONCE.run(network=network, address=address, nonce=nonce)


_SET_NONCE = Command(WalletNonce.update({WalletNonce.next_nonce: Param("nonce")}).where(_IS_NONCE_OF))


async def step_past_used(network: str, address: str) -> None:
    """Set the next nonce to the first one, from where the books are, that no transaction of theirs has used.

    Needs the caller's transaction. After a restored backup several transactions may be adopted in any order, and the
    last one brings the books level with the chain.
    """
    nonce = await lock_nonce(network, address, 0)
    used = set(await _USED_NONCES.all(network=network, from_address=address, nonce=nonce))
    while nonce in used:
        nonce += 1
    await set_nonce(network, address, nonce)


_USED_NONCES = Statement(
    OutgoingTransaction.select(OutgoingTransaction.nonce)
    .distinct()
    .where(
        OutgoingTransaction.network == Param("network"),
        OutgoingTransaction.from_address == Param("from_address"),
        OutgoingTransaction.nonce >= Param("nonce"),
    ),
    int,
)


class KnownNonce(msgspec.Struct, frozen=True):
    """The next nonce of an address that we have sent from, by the books. `id` is its row's."""

    id: int
    address: str
    next_nonce: int


async def known_nonces(network: str, after_id: int, limit: int) -> list[KnownNonce]:
    """Addresses that we have sent from, in the order of their rows, from after a row on."""
    return await _KNOWN.all(network=network, after_id=after_id, limit=limit)


_KNOWN = Statement(
    WalletNonce.select(WalletNonce.id, WalletNonce.address, WalletNonce.next_nonce)
    .where(WalletNonce.network == Param("network"), WalletNonce.id > Param("after_id"))
    .order_by(WalletNonce.id),
    KnownNonce,
    limited=True,
)


async def next_nonces(network: str, addresses: Sequence[str]) -> Mapping[str, int]:
    """The next nonces of these addresses by the books; those that never sent are left out."""
    found = await _NEXT_NONCES.all(network=network, addresses=list(addresses))
    return {known.address: known.next_nonce for known in found}


_NEXT_NONCES = Statement(
    WalletNonce.select(WalletNonce.id, WalletNonce.address, WalletNonce.next_nonce).where(
        WalletNonce.network == Param("network"), any_of(WalletNonce.address, Param("addresses"))
    ),
    KnownNonce,
)


async def unmined_count(network: str, address: str) -> int:
    """How many lineages of an address are signed and in no block."""
    # SQL, since the builder counts no rows of a query that groups.
    count: int = await database.fetch_value(
        """
        SELECT count(*) FROM (
            SELECT lineage FROM outgoing_transactions
            WHERE network = $1 AND from_address = $2 AND status IN ('signed', 'submitted')
            GROUP BY lineage HAVING count(block_height) = 0) AS open
        """,
        network,
        address,
    )
    return count


async def unmined_raw(network: str, address: str, native_symbol: str) -> Mapping[str, int]:
    """The most that an address's transactions that are in no block yet can spend, or stake, in minor units by
    asset."""
    # SQL, since the builder knows no sums over a query with DISTINCT ON.
    rows = await database.fetch_all(
        """
        WITH open AS (
            SELECT DISTINCT ON (t.lineage) t.id, t.fee_cap_raw FROM outgoing_transactions t
            WHERE t.network = $1 AND t.from_address = $2 AND t.status IN ('signed', 'submitted') AND NOT EXISTS (
                SELECT 1 FROM outgoing_transactions m WHERE m.lineage = t.lineage AND m.block_height IS NOT NULL)
            ORDER BY t.lineage, t.id DESC
        )
        SELECT asset, sum(raw) AS raw FROM (
            SELECT p.asset, p.amount_raw AS raw FROM open JOIN outgoing_payments p ON p.transaction = open.id
            UNION ALL SELECT $3, fee_cap_raw FROM open
            UNION ALL SELECT $3, r.amount_raw FROM open JOIN stake_requests r ON r.transaction = open.id
                WHERE r.action = 'stake') AS spent
        GROUP BY asset
        """,
        network,
        address,
        native_symbol,
    )
    return {row["asset"]: row["raw"] for row in rows}
