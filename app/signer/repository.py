"""Statements on `outgoing_transactions`, `outgoing_payments` and `outgoing_claims`: signed transactions, until they are
final or replaced."""

from collections.abc import Sequence, Set
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec
from piccolo.query.functions import Coalesce
from piccolo.query.functions.aggregate import Sum

from app.core import database
from app.core.statement import Command, Param, Statement, any_of
from app.deposits.tables import NetworkCursor
from app.networks.sending import Draft, Parsed, Payment, Receipt, Signed
from app.withdrawals.tables import OutgoingPayment, OutgoingTransaction

Purpose = Literal["withdrawal", "sweep", "gas", "stake"]


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """A stored transaction: what sending and tracking need.

    `payments` are in the order of the bytes, and `withdrawals` names for each the withdrawal that it pays, None for a
    move between our own addresses. `from_address` is None on chains without accounts, `nonce` where accounts don't
    count their transactions. `form` is JSON.
    """

    id: int
    purpose: Purpose
    lineage: int
    replaces: int | None
    from_address: str | None
    nonce: int | None
    txid: str
    signed_bytes: bytes
    fee_cap_raw: int
    form: str
    status: str
    block_height: int | None
    block_hash: str | None
    created_at: datetime
    payments: tuple[Payment, ...]
    withdrawals: tuple[str | None, ...]
    claims: tuple[str, ...]

    @property
    def signed(self) -> Signed:
        """The bytes to send, and to send again where a node has lost them."""
        return Signed(self.txid, self.signed_bytes)

    @property
    def draft(self) -> Draft:
        """What was signed, by the rows."""
        return Draft(
            payments=self.payments,
            claims=self.claims,
            fee_cap_raw=self.fee_cap_raw,
            form=self.form.encode(),
            sender=self.from_address,
        )

    @property
    def is_living(self) -> bool:
        """Whether it may still be final, or is. One of limited time is not once no block can hold it any more."""
        return self.status != "replaced"

    @property
    def withdrawal_ids(self) -> list[str]:
        """The withdrawals that it pays, none for a move between our own addresses."""
        return [withdrawal for withdrawal in self.withdrawals if withdrawal is not None]


_IS_OPEN = OutgoingTransaction.status.is_in(["signed", "submitted"])


async def add(
    *,
    network: str,
    purpose: Purpose,
    withdrawals: Sequence[str | None],
    draft: Draft,
    parsed: Parsed,
    signed: Signed,
    replaces: Stored | None,
    now: datetime,
) -> Stored:
    """Insert a signed transaction with its payments and claims. Needs the transaction that has locked what it claims.

    `withdrawals` names the withdrawal of each payment. At the commit Postgres checks that nothing else claims the same.
    """
    database.in_transaction()
    # SQL, since one statement inserts into three tables.
    row = await database.fetch_one(
        """
        WITH next AS (SELECT nextval('outgoing_transactions_id_seq') AS id), added AS (
            INSERT INTO outgoing_transactions (id, lineage, network, purpose, replaces, from_address, nonce, txid,
                signed_bytes, fee_cap_raw, form, status, created_at)
            SELECT id, coalesce($1::bigint, id), $2, $3, $4, $5, $6, $7, $8, $9, $10, 'signed', $11 FROM next
            RETURNING id, lineage, network
        ), paid AS (
            INSERT INTO outgoing_payments (transaction, network, position, withdrawal, to_address, asset, amount_raw)
            SELECT a.id, a.network, p.position - 1, p.withdrawal, p.to_address, p.asset, p.amount_raw
            FROM added a CROSS JOIN unnest($12::text[], $13::text[], $14::text[], $15::numeric[]) WITH ORDINALITY
                AS p (withdrawal, to_address, asset, amount_raw, position)
        ), claimed AS (
            INSERT INTO outgoing_claims (network, claim, transaction)
            SELECT a.network, c.claim, a.id FROM added a CROSS JOIN unnest($16::text[]) AS c (claim)
        )
        SELECT id, lineage FROM added
        """,
        None if replaces is None else replaces.lineage,
        network,
        purpose,
        None if replaces is None else replaces.id,
        parsed.sender,
        parsed.nonce,
        signed.txid,
        signed.raw,
        draft.fee_cap_raw,
        draft.form.decode(),
        now,
        list(withdrawals),
        [payment.to_address for payment in draft.payments],
        [payment.asset_symbol for payment in draft.payments],
        [payment.amount_raw for payment in draft.payments],
        list(draft.claims),
    )
    assert row is not None
    return Stored(
        id=row["id"],
        purpose=purpose,
        lineage=row["lineage"],
        replaces=None if replaces is None else replaces.id,
        from_address=parsed.sender,
        nonce=parsed.nonce,
        txid=signed.txid,
        signed_bytes=signed.raw,
        fee_cap_raw=draft.fee_cap_raw,
        form=draft.form.decode(),
        status="signed",
        block_height=None,
        block_hash=None,
        created_at=now,
        payments=draft.payments,
        withdrawals=tuple(withdrawals),
        claims=draft.claims,
    )


class LivingClaim(msgspec.Struct, frozen=True):
    """A claim of a transaction that may still be final, or is."""

    lineage: int
    claim: str


async def living_claims(network: str, claims: Sequence[str], lineage: int | None) -> list[LivingClaim]:
    """What transactions claim that are not replaced: those of these claims, and everything of this lineage."""
    # SQL, since no foreign key leads from a claim's row to the others of its transaction's lineage.
    rows = await database.fetch_all(
        """
        SELECT t.lineage, c.claim FROM outgoing_claims c JOIN outgoing_transactions t ON t.id = c.transaction
        WHERE c.network = $1 AND c.claim = ANY($2) AND t.status <> 'replaced'
        UNION
        SELECT t.lineage, c.claim FROM outgoing_transactions t JOIN outgoing_claims c ON c.transaction = t.id
        WHERE t.lineage = $3 AND t.status <> 'replaced'
        """,
        network,
        list(claims),
        lineage,
    )
    return [LivingClaim(*row) for row in rows]


async def under_way(network: str) -> list[list[Stored]]:
    """Transactions that are signed and not final, by lineage: the attempts of each, oldest first. The last of a lineage
    is the one to send. Earlier ones that no block can hold any more are among them, and not `is_living`."""
    lineages: dict[int, list[Stored]] = {}
    # SQL, since the builder has no aggregates of arrays.
    for row in await database.fetch_all(
        """
        SELECT t.id, t.purpose, t.lineage, t.replaces, t.from_address, t.nonce, t.txid, t.signed_bytes, t.fee_cap_raw,
            t.form, t.status, t.block_height, t.block_hash, t.created_at,
            p.withdrawals, p.to_addresses, p.assets, p.amounts_raw,
            (SELECT array_agg(c.claim ORDER BY c.claim COLLATE "C") FROM outgoing_claims c
                WHERE c.transaction = t.id) AS claims
        FROM outgoing_transactions t
        CROSS JOIN LATERAL (
            SELECT array_agg(withdrawal ORDER BY position) AS withdrawals,
                array_agg(to_address ORDER BY position) AS to_addresses, array_agg(asset ORDER BY position) AS assets,
                array_agg(amount_raw ORDER BY position) AS amounts_raw
            FROM outgoing_payments WHERE transaction = t.id
        ) p
        WHERE t.status IN ('signed', 'submitted', 'replaced') AND t.lineage IN (
            SELECT lineage FROM outgoing_transactions WHERE network = $1 AND status IN ('signed', 'submitted'))
        ORDER BY t.from_address, t.nonce, t.lineage, t.id
        """,
        network,
    ):
        stored = _stored(dict(row))
        lineages.setdefault(stored.lineage, []).append(stored)
    return list(lineages.values())


def _stored(row: dict[str, Any]) -> Stored:
    paid = zip(*(row.pop(name) or () for name in ("to_addresses", "assets", "amounts_raw")), strict=True)
    payments = tuple(Payment(*payment) for payment in paid)
    withdrawals, claims = (tuple(row.pop(name) or ()) for name in ("withdrawals", "claims"))
    return Stored(**row, payments=payments, withdrawals=withdrawals, claims=claims)


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


async def finish(attempts: Sequence[Stored], txid: str, receipt: Receipt, moved: bool, now: datetime) -> None:
    """Store that one of a lineage's attempts is final; the others can never be. Needs the caller's transaction.

    `moved`: it has made its payments. One that did not is `reverted`, whatever its receipt says. It may be one that no
    block could hold, and that is in one after all: then no other attempt is.
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
            fee_raw = CASE WHEN txid = $2 THEN $6::numeric WHEN fee_booked_raw IS NOT NULL THEN 0 END,
            submitted_at = coalesce(submitted_at, $7), settled_at = $7
        WHERE id = ANY($1) AND (status IN ('signed', 'submitted') OR (status = 'replaced' AND txid = $2))
        """,
        [stored.id for stored in attempts],
        txid,
        moved,
        receipt.height,
        receipt.block_hash,
        receipt.fee_raw,
        now,
    )


async def mark_replaced(attempts: Sequence[Stored], now: datetime) -> None:
    """Store that they can't be final any more: a final transaction that is not ours has used what they claim, or no
    block can hold them. Needs the caller's transaction."""
    database.in_transaction()
    await _MARK_REPLACED.run(ids=[stored.id for stored in attempts], now=now)


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

    A transaction that they replaced may be mined now, so the whole lineage is reopened, without attempts that have
    no claim in common with theirs: no block could hold those before the others were signed. Their fees stay booked
    until one is final again, and then the difference is booked.
    """
    database.in_transaction()
    # SQL, since the builder knows no UPDATE … FROM.
    rows = await database.fetch_all(
        """
        UPDATE outgoing_transactions t SET status = 'submitted', block_height = NULL, block_hash = NULL,
            settled_at = NULL
        FROM outgoing_transactions dead
        WHERE dead.network = $1 AND dead.block_height > $2 AND dead.status IN ('confirmed', 'reverted')
            AND t.lineage = dead.lineage AND EXISTS (SELECT 1 FROM outgoing_claims c
                JOIN outgoing_claims o ON o.claim = c.claim WHERE c.transaction = t.id AND o.transaction = dead.id)
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
    OutgoingPayment.select(OutgoingPayment.withdrawal)
    .distinct()
    .where(any_of(OutgoingPayment.withdrawal, Param("ids"))),
    str,
)


async def stored_among(network: str, txids: Sequence[str]) -> list[str]:
    """Those of these transactions that the signer has stored."""
    return await _STORED_AMONG.all(network=network, txids=list(txids))


_STORED_AMONG = Statement(
    OutgoingTransaction.select(OutgoingTransaction.txid).where(
        OutgoingTransaction.network == Param("network"), any_of(OutgoingTransaction.txid, Param("txids"))
    ),
    str,
)


async def signed_within_raw(network: str, asset: str, period: timedelta, now: datetime) -> int:
    """What was signed for withdrawals in the last `period`, whatever its outcome. A bump counts nothing again."""
    return await _SIGNED_WITHIN.one(network=network, asset=asset, since=now - period)


_SIGNED_WITHIN = Statement(
    OutgoingPayment.select(Coalesce(Sum(OutgoingPayment.amount_raw), 0, alias="total_raw")).where(
        OutgoingPayment.transaction.network == Param("network"),
        OutgoingPayment.asset == Param("asset"),
        OutgoingPayment.transaction.created_at > Param("since"),
        OutgoingPayment.transaction.purpose == "withdrawal",
        OutgoingPayment.transaction.replaces.is_null(),
    ),
    int,
)


async def own_moves(network: str, txids: Sequence[str]) -> Set[tuple[str, str, str]]:
    """Those payments of these transactions that move our money between our own addresses, as (txid, recipient,
    asset)."""
    return {(move.txid, move.to_address, move.asset) for move in await _OWN_MOVES.all(network=network, txids=txids)}


class OwnMove(msgspec.Struct, frozen=True):
    """A payment between our own addresses."""

    txid: str
    to_address: str
    asset: str


_OWN_MOVES = Statement(
    OutgoingPayment.select(
        OutgoingPayment.transaction.txid.as_alias("txid"), OutgoingPayment.to_address, OutgoingPayment.asset
    ).where(
        OutgoingPayment.transaction.network == Param("network"),
        any_of(OutgoingPayment.transaction.txid, Param("txids")),
        OutgoingPayment.withdrawal.is_null(),
    ),
    OwnMove,
)


async def scanned_height(network: str) -> int:
    """The last block that the watcher has read, -1 before the first: what is in blocks up to there is in the books."""
    height = await _SCANNED_HEIGHT.first(network=network)
    return -1 if height is None else height


_SCANNED_HEIGHT = Statement(
    NetworkCursor.select(NetworkCursor.scanned_height).where(NetworkCursor.network == Param("network")), int
)
