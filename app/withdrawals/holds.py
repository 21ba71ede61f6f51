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
from app.withdrawals.conflicts import REASONS, conflict_of


class HoldRefused(Exception):
    """There is no such hold, or it is not this operator's to release; the message is for the operator."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A withdrawal that the signer has refused, and keeps refusing to look at until an operator lets it go on."""

    id: str
    kind: str
    merchant: str | None
    network: str
    asset: str
    amount_raw: int
    destination: str
    reason: str | None
    approved_at: datetime


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


async def refused() -> list[Refused]:
    """What the signer holds (signer/policy.py), oldest first. A ledger's holds are not in here."""
    rows = await database.fetch_all(
        """
        SELECT w.id, w.kind, w.merchant, w.network, w.asset, w.amount_raw, w.destination, w.waiting_reason AS reason,
            w.approved_at
        FROM withdrawals w WHERE w.held AND w.status = 'approved'
            AND NOT EXISTS (SELECT 1 FROM withdrawal_holds h WHERE h.released_at IS NULL
                AND (h.source, h.network, h.asset) = (w.source, w.network, w.asset))
        ORDER BY w.approved_at, w.id
        """
    )
    return [Refused(**dict(row)) for row in rows]


async def release_refused(
    withdrawal_id: str, operator_id: str, reason: str, now: datetime, *, address: str | None = None
) -> None:
    """Have the signer look again at what it refused: a ceiling was raised, an address corrected.

    It checks everything as before, so what was edited is refused again. Raises HoldRefused.
    """
    if not reason.strip():
        raise HoldRefused("a reason is required")
    if (conflict := await conflict_of(withdrawal_id, operator_id)) is not None:
        raise HoldRefused(REASONS[conflict])
    async with database.transaction():
        row = await database.fetch_one(
            """
            UPDATE withdrawals w SET held = false, waiting_reason = NULL
            WHERE w.id = $1 AND w.held AND w.status = 'approved'
                AND NOT EXISTS (SELECT 1 FROM withdrawal_holds h WHERE h.released_at IS NULL
                    AND (h.source, h.network, h.asset) = (w.source, w.network, w.asset))
            RETURNING w.merchant, w.network, w.asset
            """,
            withdrawal_id,
        )
        if row is None:
            raise HoldRefused(f"the signer does not hold {withdrawal_id}")
        await audit.record(
            actor=f"account:{operator_id}",
            action="withdrawal.released",
            subject=withdrawal_id,
            merchant_id=row["merchant"],
            address=address,
            details={"asset": row["asset"], "network": row["network"], "reason": reason},
            now=now,
        )


async def release(hold_id: int, operator_id: str, reason: str, now: datetime, *, address: str | None = None) -> None:
    """Let what was held go on. Raises HoldRefused. The caller has made sure who the operator is."""
    if not reason.strip():
        raise HoldRefused("a reason is required")
    async with database.transaction():
        found = await database.fetch_one(
            """
            SELECT source, network, asset, belonged_since(source, $2, placed_at) AS is_own FROM withdrawal_holds
            WHERE id = $1 AND released_at IS NULL
            """,
            hold_id,
            operator_id,
        )
        if found is None:
            raise HoldRefused(f"there is no open hold {hold_id}")
        if found["is_own"]:
            raise HoldRefused("it keeps the money of a merchant that you belong to: another operator must decide")
        held = ChainId(owner=found["source"], network=found["network"], asset=found["asset"])
        # At the head wait those who request meanwhile: they see the hold, and are released, or see none.
        await ledger.lock([held])
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
            held.owner,
            held.network,
            held.asset,
        )
        await audit.record(
            actor=f"account:{operator_id}",
            action="hold.released",
            subject=f"hold {hold_id}",
            merchant_id=None if held.owner.startswith("platform:") else held.owner,
            address=address,
            details={"asset": held.asset, "network": held.network, "reason": reason, "withdrawals": freed},
            now=now,
        )
