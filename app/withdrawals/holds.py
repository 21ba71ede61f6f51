"""Holds: nothing that a ledger pays in an asset is sent until an operator has decided (contract, section 4).

A deep reorganisation places one (deposits/reversals.py). A request reads the open hold; `withdrawals.held` is what
the signer, approvals and the trigger in Postgres read.
"""

from datetime import datetime

from app.audit import service as audit
from app.core import database
from app.ledger import service as ledger
from app.ledger.hashchain import ChainId
from app.withdrawals import holds_repository as repository
from app.withdrawals.conflicts import REASONS, conflict_of
from app.withdrawals.holds_repository import Hold, Refused, open_holds, refused

__all__ = ["Hold", "HoldRefused", "Refused", "open_holds", "place", "refused", "release", "release_refused"]


class HoldRefused(Exception):
    """There is no such hold, or this operator must not release it; the message is for the operator."""


async def place(source: ChainId, reason: str, now: datetime) -> None:
    """Hold the unsent withdrawals that this ledger pays. The caller's transaction has locked the ledger's head.

    A hold that is open already stays open, with its first reason.
    """
    database.in_transaction()
    await repository.add(source, reason, now)
    await repository.hold_unsent(source)


async def release_refused(
    withdrawal_id: str, operator_id: str, reason: str, now: datetime, *, address: str | None = None
) -> None:
    """Release a withdrawal that the signer has refused, so that it checks it again: a ceiling was raised, for example.

    The signer makes every check as before, so an edited withdrawal is refused again. Raises HoldRefused. The caller
    has made sure who the operator is.
    """
    if not reason.strip():
        raise HoldRefused("a reason is required")
    if (conflict := await conflict_of(withdrawal_id, operator_id)) is not None:
        raise HoldRefused(REASONS[conflict])
    async with database.transaction():
        released = await repository.release_refused(withdrawal_id)
        if released is None:
            raise HoldRefused(f"the signer does not hold {withdrawal_id}")
        await audit.record(
            actor=f"account:{operator_id}",
            action="withdrawal.released",
            subject=withdrawal_id,
            merchant_id=released.merchant,
            address=address,
            details={"asset": released.asset, "network": released.network, "reason": reason},
            now=now,
        )


async def release(hold_id: int, operator_id: str, reason: str, now: datetime, *, address: str | None = None) -> None:
    """Close a hold and release what it held. Raises HoldRefused. The caller has made sure who the operator is."""
    if not reason.strip():
        raise HoldRefused("a reason is required")
    async with database.transaction():
        found = await repository.open_hold(hold_id, operator_id)
        if found is None:
            raise HoldRefused(f"there is no open hold {hold_id}")
        if found.is_own:
            raise HoldRefused("it holds the money of a merchant that you belong to: another operator must decide")
        held = found.chain
        # Requests wait for the same lock: each sees the hold and is released below, or sees none.
        await ledger.lock([held])
        if not await repository.close(hold_id, by=f"account:{operator_id}", reason=reason, now=now):
            raise HoldRefused(f"there is no open hold {hold_id}")
        released = await repository.release_held(held)
        await audit.record(
            actor=f"account:{operator_id}",
            action="hold.released",
            subject=f"hold {hold_id}",
            merchant_id=None if held.owner.startswith("platform:") else held.owner,
            address=address,
            details={"asset": held.asset, "network": held.network, "reason": reason, "withdrawals": released},
            now=now,
        )
