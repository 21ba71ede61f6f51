"""Statements on `outgoing_transactions`: signed transactions, until they are final or replaced."""

from collections.abc import Mapping, Sequence, Set
from datetime import datetime, timedelta
from typing import Literal

import msgspec
from piccolo.query.functions import Coalesce
from piccolo.query.functions.aggregate import Sum

from app.core import database
from app.core.statement import Command, Param, Statement, any_of, insert, select
from app.networks.port import Draft, Receipt, Signed
from app.signer import nonces_repository
from app.withdrawals.tables import OutgoingTransaction

Purpose = Literal["withdrawal", "sweep", "gas"]


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """A stored transaction: the columns that sending and tracking need."""

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
        """The bytes to send, and to send again where a node has lost them."""
        return Signed(self.txid, self.signed_bytes)

    @property
    def draft(self) -> Draft:
        """What was signed, by the row."""
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


_IS_OPEN = OutgoingTransaction.status.is_in(["signed", "submitted"])


async def add(
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
    """Insert a signed transaction and increment the next nonce, in the transaction that has locked the nonce."""
    database.in_transaction()
    if replaces is None:
        await nonces_repository.set_nonce(network, from_address, draft.nonce + 1)
    return await _add(network, purpose, withdrawal, from_address, draft, signed, replaces, now)


async def adopt(
    *, network: str, withdrawal: str, from_address: str, draft: Draft, signed: Signed, receipt: Receipt, now: datetime
) -> None:
    """Insert a final transaction of a withdrawal that the books did not have. Needs the caller's transaction.

    The next nonce becomes the first one, from where the books are, that no transaction of theirs has used: after a
    restored backup several may be adopted in any order, and the last one brings the books level with the chain.
    """
    nonce = await nonces_repository.lock_nonce(network, from_address, 0)
    stored = await _add(network, "withdrawal", withdrawal, from_address, draft, signed, None, now)
    await finish([stored], signed.txid, receipt, True, now)
    used = set(await _USED_NONCES.all(network=network, from_address=from_address, nonce=nonce))
    while nonce in used:
        nonce += 1
    await nonces_repository.set_nonce(network, from_address, nonce)


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


async def _add(
    network: str,
    purpose: Purpose,
    withdrawal: str | None,
    from_address: str,
    draft: Draft,
    signed: Signed,
    replaces: int | None,
    now: datetime,
) -> Stored:
    return await _ADD.one(
        network=network,
        purpose=purpose,
        withdrawal=withdrawal,
        from_address=from_address,
        to_address=draft.to_address,
        asset=draft.asset_symbol,
        amount_raw=draft.amount_raw,
        nonce=draft.nonce,
        replaces=replaces,
        txid=signed.txid,
        signed_bytes=signed.raw,
        gas_limit=draft.gas_limit,
        max_fee_raw=draft.max_fee_raw,
        priority_fee_raw=draft.priority_fee_raw,
        data_fee_raw=draft.data_fee_raw,
        status="signed",
        created_at=now,
    )


_ADD = Statement(
    insert(
        OutgoingTransaction,
        OutgoingTransaction.network,
        OutgoingTransaction.purpose,
        OutgoingTransaction.withdrawal,
        OutgoingTransaction.from_address,
        OutgoingTransaction.to_address,
        OutgoingTransaction.asset,
        OutgoingTransaction.amount_raw,
        OutgoingTransaction.nonce,
        OutgoingTransaction.replaces,
        OutgoingTransaction.txid,
        OutgoingTransaction.signed_bytes,
        OutgoingTransaction.gas_limit,
        OutgoingTransaction.max_fee_raw,
        OutgoingTransaction.priority_fee_raw,
        OutgoingTransaction.data_fee_raw,
        OutgoingTransaction.status,
        OutgoingTransaction.created_at,
    ).returning(*(getattr(OutgoingTransaction, name) for name in Stored.__struct_fields__)),
    Stored,
)


async def under_way(network: str) -> list[list[Stored]]:
    """Transactions that are signed and not final, in lines: a line has those of one sender and nonce, oldest first.
    The last of a line is the one to send."""
    lines: dict[tuple[str, int], list[Stored]] = {}
    for stored in await _UNDER_WAY.all(network=network):
        lines.setdefault((stored.from_address, stored.nonce), []).append(stored)
    return list(lines.values())


_UNDER_WAY = Statement(
    select(OutgoingTransaction, Stored)
    .where(OutgoingTransaction.network == Param("network"), _IS_OPEN)
    .order_by(OutgoingTransaction.from_address, OutgoingTransaction.nonce, OutgoingTransaction.id),
    Stored,
)


async def lock_open(transaction_id: int) -> bool:
    """Lock a transaction that is not final, in the caller's transaction; False if it is final by now."""
    database.in_transaction()
    return await _LOCK_OPEN.first(id=transaction_id) is not None


_LOCK_OPEN = Statement(
    OutgoingTransaction.select(OutgoingTransaction.id)
    .where(OutgoingTransaction.id == Param("id"), _IS_OPEN)
    .lock_rows("UPDATE"),
    int,
)


async def mark_submitted(transaction_id: int, now: datetime) -> None:
    """Store that a node has accepted the transaction."""
    await _MARK_SUBMITTED.run(id=transaction_id, now=now)


_MARK_SUBMITTED = Command(
    OutgoingTransaction.update(
        {OutgoingTransaction.status: "submitted", OutgoingTransaction.submitted_at: Param("now")}
    ).where(OutgoingTransaction.id == Param("id"), OutgoingTransaction.status == "signed")
)


async def mark_block(transaction_id: int, height: int | None, block_hash: str | None) -> None:
    """Store the block that includes the transaction; None where no block does any more."""
    await _MARK_BLOCK.run(id=transaction_id, height=height, block_hash=block_hash)


_MARK_BLOCK = Command(
    OutgoingTransaction.update(
        {OutgoingTransaction.block_height: Param("height"), OutgoingTransaction.block_hash: Param("block_hash")}
    ).where(OutgoingTransaction.id == Param("id"))
)


async def finish(line: Sequence[Stored], txid: str, receipt: Receipt, moved: bool, now: datetime) -> None:
    """Store that one of a line's transactions is final; the others can never be. Needs the caller's transaction.

    `moved`: it transferred the money. One that did not is `reverted`, whatever its receipt says.
    """
    database.in_transaction()
    # SQL, since one statement decides each column by whether the row is the final one: the builder's CASE knows no
    # parameters without a cast of its own.
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


async def mark_replaced(line: Sequence[Stored], now: datetime) -> None:
    """Store that a final transaction that is not ours has used the nonce. Needs the caller's transaction."""
    database.in_transaction()
    await _MARK_REPLACED.run(ids=[stored.id for stored in line], now=now)


_MARK_REPLACED = Command(
    OutgoingTransaction.update(
        {
            OutgoingTransaction.status: "replaced",
            OutgoingTransaction.block_height: None,
            OutgoingTransaction.block_hash: None,
            OutgoingTransaction.settled_at: Param("now"),
        }
    ).where(any_of(OutgoingTransaction.id, Param("ids")), _IS_OPEN)
)


async def reopen(network: str, above_height: int) -> list[int]:
    """Reopen final transactions whose blocks are dead, and return their ids. Needs the caller's transaction.

    A transaction that they replaced may be mined now, so the whole line is reopened. Their gas stays booked until one
    is final again, and then the difference is booked.
    """
    database.in_transaction()
    # SQL, since the builder knows no UPDATE … FROM.
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
    """Those of these withdrawals for which a transaction was ever signed."""
    return set(await _SIGNED_FOR.all(ids=list(withdrawal_ids)))


_SIGNED_FOR = Statement(
    OutgoingTransaction.select(OutgoingTransaction.withdrawal)
    .distinct()
    .where(any_of(OutgoingTransaction.withdrawal, Param("ids"))),
    str,
)


async def signed_within_raw(network: str, asset: str, period: timedelta, now: datetime) -> int:
    """What was signed for withdrawals in the last `period`, whatever its outcome. A bump counts nothing again."""
    return await _SIGNED_WITHIN.one(network=network, asset=asset, since=now - period)


_SIGNED_WITHIN = Statement(
    OutgoingTransaction.select(Coalesce(Sum(OutgoingTransaction.amount_raw), 0, alias="total_raw")).where(
        OutgoingTransaction.network == Param("network"),
        OutgoingTransaction.asset == Param("asset"),
        OutgoingTransaction.created_at > Param("since"),
        OutgoingTransaction.purpose == "withdrawal",
        OutgoingTransaction.replaces.is_null(),
    ),
    int,
)


async def unmined_count(network: str, address: str) -> int:
    """How many nonces of an address are signed and in no block."""
    # SQL, since the builder counts no rows of a query that groups.
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


async def unmined_raw(network: str, address: str, native_symbol: str) -> Mapping[str, int]:
    """The most that an address's transactions that are in no block yet can spend, in minor units by asset."""
    # SQL, since the builder knows no sums over a query with DISTINCT ON.
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
    spent = {row["asset"]: row["amount_raw"] for row in rows}
    spent[native_symbol] = spent.get(native_symbol, 0) + sum(row["gas_raw"] for row in rows)
    return spent


async def own_moves(network: str, txids: Sequence[str]) -> Set[tuple[str, str, str]]:
    """Those of these transactions that are sweeps or gas of our own, as (txid, recipient, asset)."""
    return {(move.txid, move.to_address, move.asset) for move in await _OWN_MOVES.all(network=network, txids=txids)}


class OwnMove(msgspec.Struct, frozen=True):
    """A transaction between our own addresses."""

    txid: str
    to_address: str
    asset: str


_OWN_MOVES = Statement(
    select(OutgoingTransaction, OwnMove).where(
        OutgoingTransaction.network == Param("network"),
        any_of(OutgoingTransaction.txid, Param("txids")),
        OutgoingTransaction.purpose.is_in(["sweep", "gas"]),
    ),
    OwnMove,
)
