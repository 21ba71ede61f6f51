"""Statements on `hot_wallet_receipts` and `hot_wallet_looks`, and those that book network fees."""

from collections.abc import Mapping
from datetime import datetime

import msgspec
from piccolo.columns.combination import WhereRaw
from piccolo.query.functions import Count
from piccolo.querystring import QueryString

from app.core import database
from app.core.statement import Command, Param, Statement
from app.ledger.tables import LedgerEntry
from app.networks.port import Transfer
from app.withdrawals.tables import HotWalletReceipt, OutgoingTransaction

MAX_AT_ONCE = 500
"""Top-ups, or transactions' fees, that one round books."""


class TopUp(msgspec.Struct, frozen=True):
    """A transfer to the hot wallet that is not one of our own. The amount is in minor units."""

    id: int
    asset: str
    amount_raw: int
    txid: str


class UnbookedFee(msgspec.Struct, frozen=True):
    """What a final transaction has cost, and what is booked of that already, in minor units of the native coin."""

    id: int
    fee_raw: int
    booked_raw: int


async def record_receipt(network: str, transfer: Transfer, now: datetime) -> None:
    """Record a transfer to the hot wallet as `seen`.

    One that a reorganisation had orphaned before it was booked is the same again; a booked one that was reversed
    stays reversed, and the transfer gets a new row.
    """
    # SQL, since the builder knows no ON CONFLICT of a partial index.
    await database.execute(
        """
        INSERT INTO hot_wallet_receipts (network, txid, log_index, asset, from_address, amount_raw,
            block_height, block_hash, seen_at, status)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'seen')
        ON CONFLICT (network, txid, log_index) WHERE status <> 'reversed' DO UPDATE SET
            block_height = excluded.block_height, block_hash = excluded.block_hash, status = 'seen'
        WHERE hot_wallet_receipts.status = 'orphaned'
        """,
        network,
        transfer.txid,
        transfer.index,
        transfer.asset_symbol,
        transfer.from_address,
        transfer.amount_raw,
        transfer.block.height,
        transfer.block.hash,
        now,
    )


async def orphan_unbooked(network: str, above_height: int) -> None:
    """Mark receipts of dead blocks that were not booked yet."""
    await _ORPHAN.run(network=network, height=above_height)


_ORPHAN = Command(
    HotWalletReceipt.update({HotWalletReceipt.status: "orphaned"}).where(
        HotWalletReceipt.network == Param("network"),
        HotWalletReceipt.block_height > Param("height"),
        HotWalletReceipt.status == "seen",
    )
)


async def reverse_booked(network: str, above_height: int) -> list[TopUp]:
    """Mark booked receipts of dead blocks as reversed, and return them."""
    return await _REVERSE.all(network=network, height=above_height)


_TOP_UP_COLUMNS = tuple(getattr(HotWalletReceipt, name) for name in TopUp.__struct_fields__)
_REVERSE = Statement(
    HotWalletReceipt.update({HotWalletReceipt.status: "reversed"})
    .where(
        HotWalletReceipt.network == Param("network"),
        HotWalletReceipt.block_height > Param("height"),
        HotWalletReceipt.status == "booked",
    )
    .returning(*_TOP_UP_COLUMNS),
    TopUp,
)


async def is_any_seen(network: str, up_to_height: int) -> bool:
    """Whether a receipt up to a height waits to be booked."""
    return await _ANY_SEEN.first(network=network, height=up_to_height) is not None


_ANY_SEEN = Statement(
    HotWalletReceipt.select(HotWalletReceipt.id)
    .where(
        HotWalletReceipt.network == Param("network"),
        HotWalletReceipt.block_height <= Param("height"),
        HotWalletReceipt.status == "seen",
    )
    .limit(1),
    int,
)


async def mark_booked(network: str, up_to_height: int, now: datetime) -> list[TopUp]:
    """Mark receipts up to a height as booked, oldest first, at most MAX_AT_ONCE, and return them."""
    return await _MARK_BOOKED.all(network=network, height=up_to_height, now=now)


_MARK_BOOKED = Statement(
    HotWalletReceipt.update({HotWalletReceipt.status: "booked", HotWalletReceipt.settled_at: Param("now")})
    .where(
        HotWalletReceipt.id.is_in(
            HotWalletReceipt.select(HotWalletReceipt.id)
            .where(
                HotWalletReceipt.network == Param("network"),
                HotWalletReceipt.block_height <= Param("height"),
                HotWalletReceipt.status == "seen",
            )
            .order_by(HotWalletReceipt.id)
            .limit(MAX_AT_ONCE)
        )
    )
    .returning(*_TOP_UP_COLUMNS),
    TopUp,
)


async def unbooked_fees(network: str) -> list[UnbookedFee]:
    """Final transactions whose fee the books don't have yet, oldest first, at most MAX_AT_ONCE."""
    return await _UNBOOKED_FEES.all(network=network, limit=MAX_AT_ONCE)


_UNBOOKED_FEES = Statement(
    OutgoingTransaction.select(
        OutgoingTransaction.id,
        OutgoingTransaction.fee_raw,
        QueryString("coalesce({}, 0)", OutgoingTransaction.fee_booked_raw, alias="booked_raw"),
    )
    .where(
        OutgoingTransaction.network == Param("network"),
        WhereRaw("{} IS DISTINCT FROM {}", OutgoingTransaction.fee_raw, OutgoingTransaction.fee_booked_raw),
        OutgoingTransaction.fee_raw.is_not_null(),
    )
    .order_by(OutgoingTransaction.id),
    UnbookedFee,
    limited=True,
)


async def mark_fee_booked(fee: UnbookedFee) -> bool:
    """Store that a transaction's fee is booked; False where another process was first."""
    return bool(await _MARK_FEE_BOOKED.run(id=fee.id, fee_raw=fee.fee_raw, booked_raw=fee.booked_raw))


_MARK_FEE_BOOKED = Command(
    OutgoingTransaction.update({OutgoingTransaction.fee_booked_raw: Param("fee_raw")}).where(
        OutgoingTransaction.id == Param("id"),
        WhereRaw("coalesce({}, 0) = {}", OutgoingTransaction.fee_booked_raw, Param("booked_raw")),
    )
)


async def promised_fees_raw(network: str) -> int:
    """The most that transactions under way may cost, and the cost of final ones that is not booked yet."""
    # SQL, since the builder knows no sum over a query that groups.
    promised_raw: int = await database.fetch_value(
        """
        SELECT coalesce(sum(budget), 0) FROM (
            SELECT max(coalesce(fee_raw - coalesce(fee_booked_raw, 0), fee_cap_raw)) AS budget
            FROM outgoing_transactions
            WHERE network = $1 AND (status IN ('signed', 'submitted')
                OR (fee_raw IS NOT NULL AND fee_booked_raw IS NULL))
            GROUP BY lineage) AS open
        """,
        network,
    )
    return promised_raw


async def fee_bookings_count(ledger_id: int, transaction_id: int) -> int:
    """How often a fee of a transaction was booked: once, and once more after each reorganisation that changed it."""
    return await _FEE_BOOKINGS.one(ledger=ledger_id, transaction=str(transaction_id))


_FEE_BOOKINGS = Statement(
    LedgerEntry.select(Count(alias="bookings")).where(
        LedgerEntry.ledger == Param("ledger"),
        LedgerEntry.kind == "network_fee",
        LedgerEntry.reference_type == "transaction",
        WhereRaw("split_part({}, '#', 1) = {}", LedgerEntry.reference_id, Param("transaction")),
    ),
    int,
)


async def record_snapshot(
    network: str,
    held_raw: Mapping[str, int],
    free_raw: Mapping[str, int],
    gas_left_raw: Mapping[str, int],
    now: datetime,
    again_before: datetime,
) -> None:
    """Record the hot wallet's balances by asset, where they have changed or were last recorded `again_before`."""
    symbols = sorted(held_raw)
    # SQL, since the builder knows no unnest and no INSERT … SELECT.
    await database.execute(
        """
        INSERT INTO hot_wallet_looks (network, asset, held_raw, free_raw, gas_left_raw, looked_at)
        SELECT $1, look.asset, look.held, look.free, look.gas_left, $6
        FROM unnest($2::text[], $3::numeric[], $4::numeric[], $5::numeric[]) AS look (asset, held, free, gas_left)
        ON CONFLICT (network, asset) DO UPDATE SET held_raw = excluded.held_raw, free_raw = excluded.free_raw,
            gas_left_raw = excluded.gas_left_raw, looked_at = excluded.looked_at
        WHERE (hot_wallet_looks.held_raw, hot_wallet_looks.free_raw, hot_wallet_looks.gas_left_raw)
                IS DISTINCT FROM (excluded.held_raw, excluded.free_raw, excluded.gas_left_raw)
            OR hot_wallet_looks.looked_at <= $7
        """,
        network,
        symbols,
        [held_raw[symbol] for symbol in symbols],
        [free_raw[symbol] for symbol in symbols],
        [gas_left_raw.get(symbol) for symbol in symbols],
        now,
        again_before,
    )
