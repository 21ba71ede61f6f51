"""Signed transactions at rest: storing one with its nonce, and what is known of each. The table's only writer."""

from collections.abc import Sequence, Set
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from app.core import database
from app.core.database import Row
from app.networks.port import Draft, Receipt, Signed

Purpose = Literal["withdrawal", "sweep", "gas"]


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `outgoing_transactions`, as far as sending and tracking it needs."""

    id: int
    purpose: Purpose
    withdrawal: str | None
    from_address: str
    to_address: str
    asset: str
    amount_raw: int
    nonce: int
    replaces: int | None
    txid: str
    signed_bytes: bytes
    gas_limit: int
    max_fee_raw: int
    priority_fee_raw: int
    data_fee_raw: int
    status: str
    block_height: int | None
    block_hash: str | None
    created_at: datetime

    @property
    def signed(self) -> Signed:
        """What is sent, and sent again."""
        return Signed(self.txid, self.signed_bytes)

    @property
    def draft(self) -> Draft:
        """What the row says that was signed."""
        return Draft(
            to_address=self.to_address,
            asset_symbol=self.asset,
            amount_raw=self.amount_raw,
            nonce=self.nonce,
            gas_limit=self.gas_limit,
            max_fee_raw=self.max_fee_raw,
            priority_fee_raw=self.priority_fee_raw,
            data_fee_raw=self.data_fee_raw,
        )


async def take_nonce(network: str, address: str, chain_nonce: int) -> int:
    """Lock the address's nonce row and return the next nonce; `store` steps it. Needs the caller's transaction.

    `chain_nonce` is how many of its transactions are in blocks: a deposit address that somebody else has emptied
    follows the chain. For the hot wallet that is the signer's to refuse (signing.py). It never goes back.
    """
    database.in_transaction()
    await database.execute(
        "INSERT INTO wallet_nonces (network, address, next_nonce) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        network,
        address,
        chain_nonce,
    )
    next_nonce: int = await database.fetch_value(
        "SELECT next_nonce FROM wallet_nonces WHERE network = $1 AND address = $2 FOR UPDATE", network, address
    )
    return max(next_nonce, chain_nonce)


async def store(
    *,
    network: str,
    purpose: Purpose,
    withdrawal: str | None,
    from_address: str,
    draft: Draft,
    signed: Signed,
    replaces: int | None,
    now: datetime,
) -> Stored:
    """Insert a signed transaction and step its nonce, in the transaction that took the nonce."""
    database.in_transaction()
    if replaces is None:
        await _set_next_nonce(network, from_address, draft.nonce + 1)
    return await _insert(network, purpose, withdrawal, from_address, draft, signed, replaces, now)


async def adopt(
    *, network: str, withdrawal: str, from_address: str, draft: Draft, signed: Signed, receipt: Receipt, now: datetime
) -> None:
    """Store a final transaction of a withdrawal that the books did not know. Needs the caller's transaction.

    The next nonce becomes the first one, from where the books are, that no transaction of theirs has used: after a
    restored backup the last of several that were adopted, in whatever order, brings the books level with the chain.
    """
    next_nonce = await take_nonce(network, from_address, 0)
    stored = await _insert(network, "withdrawal", withdrawal, from_address, draft, signed, None, now)
    await finish([stored], signed.txid, receipt, True, now)
    rows = await database.fetch_all(
        "SELECT DISTINCT nonce FROM outgoing_transactions WHERE network = $1 AND from_address = $2 AND nonce >= $3",
        network,
        from_address,
        next_nonce,
    )
    used = {row["nonce"] for row in rows}
    while next_nonce in used:
        next_nonce += 1
    await _set_next_nonce(network, from_address, next_nonce)


async def _set_next_nonce(network: str, address: str, nonce: int) -> None:
    await database.execute(
        "UPDATE wallet_nonces SET next_nonce = $3 WHERE network = $1 AND address = $2", network, address, nonce
    )


async def _insert(
    network: str,
    purpose: Purpose,
    withdrawal: str | None,
    from_address: str,
    draft: Draft,
    signed: Signed,
    replaces: int | None,
    now: datetime,
) -> Stored:
    row = await database.fetch_one(
        f"""
        INSERT INTO outgoing_transactions (network, purpose, withdrawal, from_address, to_address, asset, amount_raw,
            nonce, replaces, txid, signed_bytes, gas_limit, max_fee_raw, priority_fee_raw, data_fee_raw, status,
            created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, 'signed', $16)
        RETURNING {_COLUMNS}
        """,
        network,
        purpose,
        withdrawal,
        from_address,
        draft.to_address,
        draft.asset_symbol,
        draft.amount_raw,
        draft.nonce,
        replaces,
        signed.txid,
        signed.raw,
        draft.gas_limit,
        draft.max_fee_raw,
        draft.priority_fee_raw,
        draft.data_fee_raw,
        now,
    )
    assert row is not None
    return _stored(row)


async def under_way(network: str) -> list[list[Stored]]:
    """What is signed and not final, by sender and nonce; a nonce's transactions oldest first, the last one the
    one that counts."""
    rows = await database.fetch_all(
        f"""
        SELECT {_COLUMNS} FROM outgoing_transactions
        WHERE network = $1 AND status IN ('signed', 'submitted') ORDER BY from_address, nonce, id
        """,
        network,
    )
    lines: dict[tuple[str, int], list[Stored]] = {}
    for row in rows:
        lines.setdefault((row["from_address"], row["nonce"]), []).append(_stored(row))
    return list(lines.values())


async def lock_open(transaction_id: int) -> bool:
    """Lock a transaction that is not final, in the caller's transaction; False if it is final by now."""
    database.in_transaction()
    return (
        await database.fetch_value(
            "SELECT id FROM outgoing_transactions WHERE id = $1 AND status IN ('signed', 'submitted') FOR UPDATE",
            transaction_id,
        )
        is not None
    )


async def mark_submitted(transaction_id: int, now: datetime) -> None:
    """A node has taken it."""
    await database.execute(
        "UPDATE outgoing_transactions SET status = 'submitted', submitted_at = $2 WHERE id = $1 AND status = 'signed'",
        transaction_id,
        now,
    )


async def mark_block(transaction_id: int, height: int | None, block_hash: str | None) -> None:
    """It is in that block, or in none any more."""
    await database.execute(
        "UPDATE outgoing_transactions SET block_height = $2, block_hash = $3 WHERE id = $1",
        transaction_id,
        height,
        block_hash,
    )


async def finish(line: Sequence[Stored], txid: str, receipt: Receipt, moved: bool, now: datetime) -> None:
    """One of a nonce's transactions is final, the others can never be. Needs the caller's transaction.

    `moved`: it did what it was for. One that had no effect is `reverted`, whatever its receipt calls it.
    """
    database.in_transaction()
    await database.execute(
        """
        UPDATE outgoing_transactions SET
            status = CASE WHEN txid <> $2 THEN 'replaced' WHEN $3 THEN 'confirmed' ELSE 'reverted' END,
            block_height = CASE WHEN txid = $2 THEN $4::bigint END,
            block_hash = CASE WHEN txid = $2 THEN $5 END,
            gas_cost_raw = CASE WHEN txid = $2 THEN $6::numeric WHEN gas_booked_raw IS NOT NULL THEN 0 END,
            submitted_at = coalesce(submitted_at, $7), settled_at = $7
        WHERE id = ANY($1) AND status IN ('signed', 'submitted')
        """,
        [stored.id for stored in line],
        txid,
        moved,
        receipt.height,
        receipt.block_hash,
        receipt.gas_cost_raw,
        now,
    )


async def give_up(line: Sequence[Stored], now: datetime) -> None:
    """A stranger's transaction took the nonce, for good. Needs the caller's transaction."""
    database.in_transaction()
    await database.execute(
        "UPDATE outgoing_transactions SET status = 'replaced', block_height = NULL, block_hash = NULL, settled_at = $2"
        " WHERE id = ANY($1) AND status IN ('signed', 'submitted')",
        [stored.id for stored in line],
        now,
    )


async def reopen(network: str, above_height: int) -> list[int]:
    """Final transactions whose blocks are dead are under way again; their ids. Needs the caller's transaction.

    What they replaced may now be the one that comes through, so the whole line is. Their gas stays booked until
    it is final again, and then the difference is.
    """
    database.in_transaction()
    rows = await database.fetch_all(
        """
        UPDATE outgoing_transactions t SET status = 'submitted', block_height = NULL, block_hash = NULL,
            settled_at = NULL
        FROM outgoing_transactions dead
        WHERE dead.network = $1 AND dead.block_height > $2 AND dead.status IN ('confirmed', 'reverted')
            AND (t.network, t.from_address, t.nonce) = (dead.network, dead.from_address, dead.nonce)
        RETURNING t.id
        """,
        network,
        above_height,
    )
    return [row["id"] for row in rows]


async def signed_for(withdrawal_ids: Sequence[str]) -> Set[str]:
    """For which of these withdrawals anything was ever signed."""
    rows = await database.fetch_all(
        "SELECT DISTINCT withdrawal FROM outgoing_transactions WHERE withdrawal = ANY($1)", list(withdrawal_ids)
    )
    return {row["withdrawal"] for row in rows}


async def next_nonce(network: str, address: str) -> int:
    """The next nonce of an address as the books have it."""
    nonce: int | None = await database.fetch_value(
        "SELECT next_nonce FROM wallet_nonces WHERE network = $1 AND address = $2", network, address
    )
    return nonce or 0


async def adopt_nonce(network: str, address: str, nonce: int) -> bool:
    """Go on at `nonce`, which the chain says is next; False where the books are there already or further. Needs
    the caller's transaction, with the operator who has accounted for every transaction before it."""
    database.in_transaction()
    return bool(
        await database.execute(
            """
            INSERT INTO wallet_nonces (network, address, next_nonce) VALUES ($1, $2, $3)
            ON CONFLICT (network, address) DO UPDATE SET next_nonce = excluded.next_nonce
            WHERE wallet_nonces.next_nonce < excluded.next_nonce
            """,
            network,
            address,
            nonce,
        )
    )


async def unmined_count(network: str, address: str) -> int:
    """How many nonces of an address are signed and in no block."""
    count: int = await database.fetch_value(
        """
        SELECT count(*) FROM (
            SELECT nonce FROM outgoing_transactions
            WHERE network = $1 AND from_address = $2 AND status IN ('signed', 'submitted')
            GROUP BY nonce HAVING count(block_height) = 0) AS open
        """,
        network,
        address,
    )
    return count


async def signed_within_raw(network: str, asset: str, period: timedelta, now: datetime) -> int:
    """What was signed away to withdrawals in the last `period`, whatever became of it; a bump repeats nothing."""
    total: int = await database.fetch_value(
        """
        SELECT coalesce(sum(amount_raw), 0) FROM outgoing_transactions
        WHERE network = $1 AND asset = $2 AND created_at > $3 AND purpose = 'withdrawal' AND replaces IS NULL
        """,
        network,
        asset,
        now - period,
    )
    return total


async def unmined_raw(network: str, address: str, native_symbol: str) -> dict[str, int]:
    """What transactions of an address that are in no block yet will take from it at the most, by asset."""
    rows = await database.fetch_all(
        """
        SELECT asset, sum(amount_raw) AS amount_raw, sum(gas_raw) AS gas_raw FROM (
            SELECT DISTINCT ON (nonce) asset, amount_raw, gas_limit * max_fee_raw + data_fee_raw AS gas_raw
            FROM outgoing_transactions t
            WHERE network = $1 AND from_address = $2 AND status IN ('signed', 'submitted') AND NOT EXISTS (
                SELECT 1 FROM outgoing_transactions m WHERE (m.network, m.from_address, m.nonce)
                    = (t.network, t.from_address, t.nonce) AND m.block_height IS NOT NULL)
            ORDER BY nonce, id DESC) AS open
        GROUP BY asset
        """,
        network,
        address,
    )
    taken = {row["asset"]: row["amount_raw"] for row in rows}
    taken[native_symbol] = taken.get(native_symbol, 0) + sum(row["gas_raw"] for row in rows)
    return taken


_COLUMNS = ", ".join(Stored.__struct_fields__)


def _stored(row: Row) -> Stored:
    return Stored(**dict(row))
