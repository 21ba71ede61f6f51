"""What our addresses should hold, from what was seen to come in and what we have sent.

The large statements are SQL, since each sums and compares several tables at once.
"""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from app.addresses.tables import DepositAddress
from app.core import database
from app.core.statement import Param, Statement
from app.ledger.tables import LedgerHead


class ExpectedBalance(msgspec.Struct, frozen=True):
    """What an address should hold of an asset at a height, in minor units. `moving`: a transaction of ours is under
    way there, or final only above the height."""

    expected_raw: int
    moving: bool


class ExpectedAt(msgspec.Struct, frozen=True):
    """What a deposit address should hold of an asset, in minor units."""

    address: str
    expected_raw: int
    moving: bool


async def expected_in_hot_wallet(
    network: str, address: str, symbol: str, height: int, *, is_native: bool
) -> ExpectedBalance:
    """What the hot wallet should hold at a height: top-ups and sweeps, less what it sent; of the native coin, less
    gas too."""
    row = await database.fetch_one(
        """
        SELECT
            (SELECT coalesce(sum(amount_raw), 0) FROM hot_wallet_receipts
                WHERE network = $1 AND asset = $3 AND status IN ('seen', 'booked'))
            + (SELECT coalesce(sum(p.amount_raw), 0)
                FROM outgoing_payments p JOIN outgoing_transactions t ON t.id = p.transaction
                WHERE t.network = $1 AND p.to_address = $2 AND p.withdrawal IS NULL AND p.asset = $3
                    AND t.status = 'confirmed')
            - (SELECT coalesce(sum(p.amount_raw), 0)
                FROM outgoing_transactions t JOIN outgoing_payments p ON p.transaction = t.id
                WHERE t.network = $1 AND t.from_address = $2 AND p.asset = $3 AND t.status = 'confirmed')
            - (SELECT coalesce(sum(fee_raw), 0) FROM outgoing_transactions
                WHERE $5 AND network = $1 AND from_address = $2)
            AS expected_raw,
            EXISTS (SELECT 1 FROM hot_wallet_receipts WHERE network = $1 AND asset = $3
                AND status IN ('seen', 'booked') AND block_height > $4)
            OR EXISTS (SELECT 1 FROM outgoing_transactions t
                WHERE t.network = $1 AND (t.status IN ('signed', 'submitted') OR t.block_height > $4)
                    AND (t.from_address = $2 OR EXISTS (SELECT 1 FROM outgoing_payments p
                        WHERE p.transaction = t.id AND p.to_address = $2))) AS moving
        """,
        network,
        address,
        symbol,
        height,
        is_native,
    )
    assert row is not None
    return ExpectedBalance(*row)


async def watched_addresses(network: str, *, released_after: datetime) -> list[int]:
    """The row ids of deposit addresses that customers may pay to: those of an invoice, and those that were released
    after a time."""
    return await _WATCHED.all(network=network, released_after=released_after)


_WATCHED = Statement(
    DepositAddress.select(DepositAddress.id)
    .where(
        DepositAddress.network == Param("network"),
        DepositAddress.invoice_id.is_not_null()
        | ((DepositAddress.lease_count > 0) & (DepositAddress.available_at > Param("released_after"))),
    )
    .order_by(DepositAddress.id),
    int,
)


async def expected_at_addresses(network: str, symbol: str, height: int, ids: Sequence[int]) -> list[ExpectedAt]:
    """What deposit addresses should hold at a height, by their rows' ids."""
    rows = await database.fetch_all(
        """
        SELECT a.address,
            (SELECT coalesce(sum(d.amount_raw), 0) FROM deposits d
                WHERE d.deposit_address = a.id AND d.asset = $2 AND d.status <> 'orphaned')
            + (SELECT coalesce(sum(p.amount_raw), 0)
                FROM outgoing_payments p JOIN outgoing_transactions t ON t.id = p.transaction
                WHERE t.network = $1 AND p.to_address = a.address AND p.withdrawal IS NULL AND t.purpose = 'gas'
                    AND t.status = 'confirmed')
            - (SELECT coalesce(sum(p.amount_raw), 0)
                FROM outgoing_transactions t JOIN outgoing_payments p ON p.transaction = t.id
                WHERE t.network = $1 AND t.from_address = a.address AND p.asset = $2 AND t.status = 'confirmed')
            - (SELECT coalesce(sum(t.fee_raw), 0) FROM outgoing_transactions t
                WHERE t.network = $1 AND t.from_address = a.address)
            AS expected_raw,
            EXISTS (SELECT 1 FROM deposits d WHERE d.deposit_address = a.id AND d.asset = $2
                AND d.status <> 'orphaned' AND d.block_height > $3)
            OR EXISTS (SELECT 1 FROM outgoing_transactions t
                WHERE t.network = $1 AND t.from_address = a.address
                    AND (t.status IN ('signed', 'submitted') OR t.block_height > $3))
            OR EXISTS (SELECT 1 FROM outgoing_payments p JOIN outgoing_transactions t ON t.id = p.transaction
                WHERE t.network = $1 AND p.to_address = a.address AND p.withdrawal IS NULL
                    AND (t.status IN ('signed', 'submitted') OR t.block_height > $3)) AS moving
        FROM unnest($4::bigint[]) AS given (id) JOIN deposit_addresses a ON a.id = given.id
        """,
        network,
        symbol,
        height,
        ids,
    )
    return [ExpectedAt(*row) for row in rows]


async def available_raw(owner: str, network: str, asset: str) -> int | None:
    """What a ledger has available, in minor units; None where nothing was ever booked."""
    return await _AVAILABLE.first(owner=owner, network=network, asset=asset)


_AVAILABLE = Statement(
    LedgerHead.select(LedgerHead.available_raw).where(
        LedgerHead.owner == Param("owner"), LedgerHead.network == Param("network"), LedgerHead.asset == Param("asset")
    ),
    int,
)
