"""Statements on `energy_loans`, `dear_sweep_approvals` and `stake_requests`: where transactions take energy."""

from datetime import datetime, timedelta
from typing import Literal

import msgspec

from app.core import database
from app.core.statement import Command, Param, Statement, insert
from app.withdrawals.tables import DearSweepApproval, EnergyLoan, StakeRequest

StakeAction = Literal["stake", "unstake", "withdraw"]


class Loan(msgspec.Struct, frozen=True):
    """Energy that an address has on loan, by the staked coin that gives it."""

    id: int
    to_address: str
    stake_raw: int


async def add_loan(network: str, to_address: str, stake_raw: int, lent_by: int) -> None:
    """Insert a loan, with the transaction that makes it. Needs the transaction that stores that one."""
    database.in_transaction()
    await _ADD_LOAN.run(network=network, to_address=to_address, stake_raw=stake_raw, lent_by=lent_by)


_ADD_LOAN = Command(
    insert(EnergyLoan, EnergyLoan.network, EnergyLoan.to_address, EnergyLoan.stake_raw, EnergyLoan.lent_by)
)


async def loans_over(network: str, unused_after: timedelta, now: datetime) -> list[Loan]:
    """The loans that are to be taken back, the oldest first: their address has swept since, or has not for so long.

    None of their address's transactions is under way, nor one that takes the loan back.
    """
    # SQL, since each condition is about another row of the transactions.
    rows = await database.fetch_all(
        """
        SELECT l.id, l.to_address, l.stake_raw FROM energy_loans l
        JOIN outgoing_transactions lent ON lent.id = l.lent_by
        LEFT JOIN outgoing_transactions back ON back.id = l.reclaimed_by
        WHERE l.network = $1 AND lent.status = 'confirmed'
            AND (l.reclaimed_by IS NULL OR back.status IN ('reverted', 'replaced'))
            AND (lent.settled_at <= $2 OR EXISTS (SELECT 1 FROM outgoing_transactions s
                WHERE s.network = l.network AND s.from_address = l.to_address AND s.id > l.lent_by
                    AND s.status IN ('confirmed', 'reverted')))
            AND NOT EXISTS (SELECT 1 FROM outgoing_transactions s
                WHERE s.network = l.network AND s.from_address = l.to_address AND s.status IN ('signed', 'submitted'))
        ORDER BY l.id
        """,
        network,
        now - unused_after,
    )
    return [Loan(*row) for row in rows]


async def open_loans(network: str) -> list[Loan]:
    """The loans that are lent and not back yet, the oldest first."""
    # SQL, since the builder joins a table only once, and here are two transactions.
    rows = await database.fetch_all(
        """
        SELECT l.id, l.to_address, l.stake_raw FROM energy_loans l
        JOIN outgoing_transactions lent ON lent.id = l.lent_by
        LEFT JOIN outgoing_transactions back ON back.id = l.reclaimed_by
        WHERE l.network = $1 AND lent.status = 'confirmed' AND back.status IS DISTINCT FROM 'confirmed'
        ORDER BY l.id
        """,
        network,
    )
    return [Loan(*row) for row in rows]


async def set_reclaimed(loan_id: int, transaction_id: int) -> None:
    """Store which transaction takes a loan back. Needs the transaction that stores that one."""
    database.in_transaction()
    await _SET_RECLAIMED.run(id=loan_id, transaction=transaction_id)


_SET_RECLAIMED = Command(
    EnergyLoan.update({EnergyLoan.reclaimed_by: Param("transaction")}).where(EnergyLoan.id == Param("id"))
)


_HOLDS = DearSweepApproval.used_by.is_null() & DearSweepApproval.revoked_at.is_null()


async def add_dear_approval(
    network: str, asset: str, address: str, up_to_raw: int, approved_by: str, now: datetime
) -> None:
    """Insert an approval. Raises asyncpg.UniqueViolationError where one holds. Needs the caller's transaction."""
    database.in_transaction()
    await _ADD_DEAR.run(
        network=network, asset=asset, address=address, up_to_raw=up_to_raw, approved_by=approved_by, approved_at=now
    )


_ADD_DEAR = Command(
    insert(
        DearSweepApproval,
        DearSweepApproval.network,
        DearSweepApproval.asset,
        DearSweepApproval.address,
        DearSweepApproval.up_to_raw,
        DearSweepApproval.approved_by,
        DearSweepApproval.approved_at,
    )
)


async def use_dear_approval(network: str, asset: str, address: str, transaction_id: int) -> None:
    """Store that a sweep has used the approval that holds, if one does. Needs the transaction that stores the sweep."""
    database.in_transaction()
    await _USE_DEAR.run(network=network, asset=asset, address=address, transaction=transaction_id)


_OF_ADDRESS = (
    (DearSweepApproval.network == Param("network"))
    & (DearSweepApproval.asset == Param("asset"))
    & (DearSweepApproval.address == Param("address"))
    & _HOLDS
)
_USE_DEAR = Command(DearSweepApproval.update({DearSweepApproval.used_by: Param("transaction")}).where(_OF_ADDRESS))


async def revoke_dear_approval(network: str, asset: str, address: str, revoked_by: str, now: datetime) -> int | None:
    """Revoke the approval that holds, and return what it allowed; None where none does. Needs the caller's
    transaction."""
    database.in_transaction()
    return await _REVOKE_DEAR.first(network=network, asset=asset, address=address, revoked_by=revoked_by, now=now)


_REVOKE_DEAR = Statement(
    DearSweepApproval.update(
        {DearSweepApproval.revoked_by: Param("revoked_by"), DearSweepApproval.revoked_at: Param("now")}
    )
    .where(_OF_ADDRESS)
    .returning(DearSweepApproval.up_to_raw),
    int,
)


class OpenRequest(msgspec.Struct, frozen=True):
    """What an operator asks of the stake, and is not done yet. `status` is its transaction's, None before one is
    signed."""

    id: int
    action: StakeAction
    amount_raw: int
    waiting_reason: str | None
    transaction: int | None
    status: str | None


async def open_requests(network: str) -> list[OpenRequest]:
    """The requests of a network that have not ended, the oldest first."""
    return await _OPEN_REQUESTS.all(network=network)


_OPEN_REQUESTS = Statement(
    StakeRequest.select(
        StakeRequest.id,
        StakeRequest.action,
        StakeRequest.amount_raw,
        StakeRequest.waiting_reason,
        StakeRequest.transaction,
        StakeRequest.transaction.status.as_alias("status"),
    )
    .where(StakeRequest.network == Param("network"), StakeRequest.outcome.is_null())
    .order_by(StakeRequest.id),
    OpenRequest,
)


async def add_request(network: str, action: str, amount_raw: int, requested_by: str, now: datetime) -> int:
    """Insert a request and return its number. Needs the caller's transaction."""
    database.in_transaction()
    return await _ADD_REQUEST.one(
        network=network, action=action, amount_raw=amount_raw, requested_by=requested_by, requested_at=now
    )


_ADD_REQUEST = Statement(
    insert(
        StakeRequest,
        StakeRequest.network,
        StakeRequest.action,
        StakeRequest.amount_raw,
        StakeRequest.requested_by,
        StakeRequest.requested_at,
    ).returning(StakeRequest.id),
    int,
)

_IS_OPEN = (StakeRequest.id == Param("id")) & StakeRequest.outcome.is_null()


async def lock_unsigned_request(request_id: int) -> bool:
    """Lock a request that nothing is signed for, in the caller's transaction; False where it has ended."""
    database.in_transaction()
    return await _LOCK_REQUEST.first(id=request_id) is not None


_LOCK_REQUEST = Statement(
    StakeRequest.select(StakeRequest.id).where(_IS_OPEN, StakeRequest.transaction.is_null()).lock_rows("UPDATE"),
    int,
)


async def set_request_transaction(request_id: int, transaction_id: int) -> None:
    """Store what is signed for a request. Needs the transaction that stores that."""
    database.in_transaction()
    await _SET_TRANSACTION.run(id=request_id, transaction=transaction_id)


_SET_TRANSACTION = Command(
    StakeRequest.update({StakeRequest.transaction: Param("transaction"), StakeRequest.waiting_reason: None}).where(
        _IS_OPEN
    )
)


async def set_request_waiting(request_id: int, reason: str) -> None:
    """Store why nothing is signed for a request yet."""
    await _SET_WAITING.run(id=request_id, reason=reason)


_SET_WAITING = Command(StakeRequest.update({StakeRequest.waiting_reason: Param("reason")}).where(_IS_OPEN))


async def end_request(request_id: int, outcome: Literal["done", "failed"], now: datetime) -> None:
    """Store how a request has ended."""
    await _END.run(id=request_id, outcome=outcome, now=now)


_END = Command(
    StakeRequest.update({StakeRequest.outcome: Param("outcome"), StakeRequest.ended_at: Param("now")}).where(_IS_OPEN)
)


class Cancelled(msgspec.Struct, frozen=True):
    """A request that was cancelled."""

    action: StakeAction
    amount_raw: int


async def cancel_request(network: str, request_id: int, cancelled_by: str, now: datetime) -> Cancelled | None:
    """Cancel a request, and return it; None where it is not there or has ended. Raises
    asyncpg.RestrictViolationError where a transaction for it is signed. Needs the caller's transaction."""
    database.in_transaction()
    return await _CANCEL.first(network=network, id=request_id, cancelled_by=cancelled_by, now=now)


_CANCEL = Statement(
    StakeRequest.update(
        {
            StakeRequest.outcome: "cancelled",
            StakeRequest.ended_at: Param("now"),
            StakeRequest.cancelled_by: Param("cancelled_by"),
        }
    )
    .where(StakeRequest.network == Param("network"), _IS_OPEN)
    .returning(StakeRequest.action, StakeRequest.amount_raw),
    Cancelled,
)
