"""Holds: nothing that a ledger pays in an asset is sent until an operator has looked (contract, section 4).

A deep reorganisation places one (deposits/reversals.py). The table's open row is the truth for what is requested
later; `withdrawals.held` is what the signer, approvals and the database's own guard look at.
"""

from dataclasses import dataclass
from datetime import datetime

from app.audit import service as audit
from app.core import database
from app.ledger import service as ledger
from app.ledger.hashchain import ChainId


class HoldRefused(Exception):
    """There is no such hold, or it is released; the message is for the operator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """An open hold. `source` is a merchant's id or `platform:suspense`."""

    id: int
    source: str
    network: str
    asset: str
    reason: str
    placed_at: datetime
    withdrawals_held: int


async def place(source: ChainId, reason: str, now: datetime) -> None:
    """Hold what this ledger pays, sent things excepted. The caller holds its head and the transaction.

    Where a hold is open already it stays, with its first reason.
    """
    database.in_transaction()
    await database.execute(
        """
        INSERT INTO withdrawal_holds (source, network, asset, reason, placed_at) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (source, network, asset) WHERE released_at IS NULL DO NOTHING
        """,
        source.owner,
        source.network,
        source.asset,
        reason,
        now,
    )
    await database.execute(
        """
        UPDATE withdrawals SET held = true
        WHERE source = $1 AND network = $2 AND asset = $3 AND status IN ('pending_approval', 'approved') AND NOT held
        """,
        source.owner,
        source.network,
        source.asset,
    )


async def open_holds() -> list[Hold]:
    """Every open hold, oldest first."""
    rows = await database.fetch_all(
        """
        SELECT h.id, h.source, h.network, h.asset, h.reason, h.placed_at,
            (SELECT count(*) FROM withdrawals w WHERE w.held AND w.status IN ('pending_approval', 'approved')
                AND (w.source, w.network, w.asset) = (h.source, h.network, h.asset)) AS withdrawals_held
        FROM withdrawal_holds h WHERE h.released_at IS NULL ORDER BY h.placed_at, h.id
        """
    )
    return [Hold(**dict(row)) for row in rows]


async def release(hold_id: int, operator_id: str, reason: str, now: datetime) -> None:
    """Let what was held go on. Raises HoldRefused. The caller has made sure who the operator is."""
    if not reason.strip():
        raise HoldRefused("a reason is required")
    async with database.transaction():
        found = await database.fetch_one(
            "SELECT source, network, asset FROM withdrawal_holds WHERE id = $1 AND released_at IS NULL", hold_id
        )
        if found is None:
            raise HoldRefused(f"there is no open hold {hold_id}")
        # At the head wait those who request meanwhile: they see the hold, and are released, or see none.
        await ledger.lock([ChainId(owner=found["source"], network=found["network"], asset=found["asset"])])
        released = await database.execute(
            """
            UPDATE withdrawal_holds SET released_at = $2, released_by = $3, release_reason = $4
            WHERE id = $1 AND released_at IS NULL
            """,
            hold_id,
            now,
            f"account:{operator_id}",
            reason,
        )
        if not released:
            raise HoldRefused(f"there is no open hold {hold_id}")
        freed = await database.execute(
            "UPDATE withdrawals SET held = false WHERE source = $1 AND network = $2 AND asset = $3 AND held",
            *found.values(),
        )
        await audit.record(
            actor=f"account:{operator_id}",
            action="hold.released",
            subject=f"hold {hold_id}",
            merchant_id=None if found["source"].startswith("platform:") else found["source"],
            address=None,
            details={"asset": found["asset"], "network": found["network"], "reason": reason, "withdrawals": freed},
            now=now,
        )
