"""Approvals: a withdrawal is sent only after an operator, or two, have said so with a fresh code (contract, 4).

What is approved is the digest, recomputed from the row at that moment. Postgres refuses an approval of other bytes,
one by somebody with a conflict of interest (conflicts.py), and a sent transaction without approvals.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg

from app.accounts import totp
from app.alerts import service as alerts
from app.audit import service as audit
from app.core import database, ids
from app.core.database import Row
from app.core.settings import DataKeys
from app.withdrawals import limits
from app.withdrawals.conflicts import REASONS, conflict_of
from app.withdrawals.digest import Intent, digest
from app.withdrawals.service import WithdrawalService, announce
from app.withdrawals.states import IllegalTransition, Status

EXPIRE_AT_ONCE = 100
"""Requests that one round rejects."""


class ApprovalRefused(Exception):
    """The withdrawal can't be approved or rejected like this; the message is for the operator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A withdrawal that waits for operators."""

    id: str
    kind: str
    merchant: str | None
    network: str
    asset: str
    source: str
    amount_raw: int
    fee_raw: int
    destination: str
    requested_by: str
    held: bool
    approvals: int
    approvals_required: int
    created_at: datetime


class ApprovalService:
    """The verbs of operators on withdrawals. One per process."""

    def __init__(self, withdrawals: WithdrawalService, keys: DataKeys) -> None:
        self._withdrawals = withdrawals
        self._keys = keys

    async def approve(
        self,
        withdrawal_id: str,
        operator_account_id: str,
        totp_code: str,
        now: datetime,
        *,
        shown: bytes | None = None,
        address: str | None = None,
    ) -> Status:
        """Approve; the state afterwards: still pending where a second operator must.

        `shown` is the digest of what the operator had before their eyes, `address` where they sit. Raises
        CodeRefused, ApprovalRefused. Not inside a transaction.
        """
        await refuse_non_operator(operator_account_id)
        await totp.verify(self._keys, operator_account_id, totp_code, now)
        async with database.transaction():
            row = await _lock_undecided(withdrawal_id)
            tampered = row["digest"] != digest(intent_of(row))
            if not tampered:
                if shown is not None and shown != row["digest"]:
                    raise ApprovalRefused("it is not what you were shown: look at it again")
                await refuse_unfit(row, operator_account_id)
                status = await self.record(row, operator_account_id, now, address)
        if tampered:
            await _raise_alarm(row, now)
            raise ApprovalRefused("the row is not what was asked for: somebody has edited it")
        await announce()
        return status

    async def reject(
        self, withdrawal_id: str, operator_account_id: str, reason: str, now: datetime, *, address: str | None = None
    ) -> None:
        """Reject, with a reason that the merchant reads; the money is available again.

        An approved one can be taken back while nothing is signed for it. An operator who belongs to the merchant may
        stop its payouts, but not decide that it keeps a refund. The caller has made sure who the operator is.
        Raises ApprovalRefused.
        """
        await refuse_non_operator(operator_account_id)
        if not reason.strip():
            raise ApprovalRefused("a reason is required")
        if (
            withdrawal_id.startswith(f"{ids.REFUND}-")
            and await conflict_of(withdrawal_id, operator_account_id) == "member"
        ):
            raise ApprovalRefused(REASONS["member"])
        await reject(self._withdrawals, withdrawal_id, f"account:{operator_account_id}", reason, now, address=address)

    async def record(self, row: Row, operator_id: str, now: datetime, address: str | None) -> Status:
        """Write the approval of a locked row that is fit for it; approve the withdrawal if it was the last that it
        needs. Needs the caller's transaction. Raises ApprovalRefused."""
        database.in_transaction()
        try:
            await database.execute(
                "INSERT INTO approvals (withdrawal, account, digest, created_at) VALUES ($1, $2, $3, $4)",
                row["id"],
                operator_id,
                digest(intent_of(row)),
                now,
            )
        except asyncpg.UniqueViolationError:
            raise ApprovalRefused("you have approved it already: another operator must") from None
        # Of operators of today: an approval ends with the right to give one.
        count: int = await database.fetch_value(
            """
            SELECT count(DISTINCT p.account) FROM approvals p JOIN accounts a ON a.id = p.account AND a.is_operator
            WHERE p.withdrawal = $1
            """,
            row["id"],
        )
        await _audit(row, "withdrawal.approved", f"account:{operator_id}", now, address, approvals=count)
        if count < row["approvals_required"]:
            return Status.PENDING_APPROVAL
        await self._withdrawals.approve(row["id"], now)
        return Status.APPROVED


async def reject(
    withdrawals: WithdrawalService,
    withdrawal_id: str,
    actor: str,
    reason: str,
    now: datetime,
    *,
    address: str | None = None,
) -> None:
    """Reject in a transaction of its own, with its audit row. Raises ApprovalRefused."""
    async with database.transaction():
        try:
            rejected = await withdrawals.give_back(withdrawal_id, Status.REJECTED, reason, now)
        except LookupError:
            raise ApprovalRefused(f"there is no {withdrawal_id}") from None
        except IllegalTransition as error:
            raise ApprovalRefused(f"it can't be rejected any more: {error}") from None
        except asyncpg.RestrictViolationError:
            raise ApprovalRefused("a transaction for it is signed: it can't be taken back") from None
        if not rejected:
            raise ApprovalRefused("it is rejected already")
        row = await database.fetch_one("SELECT * FROM withdrawals WHERE id = $1", withdrawal_id)
        assert row is not None
        await _audit(row, "withdrawal.rejected", actor, now, address, reason=reason)
    await announce_with_invoice(withdrawal_id)


async def announce_with_invoice(withdrawal_id: str) -> None:
    """After a commit that ended a withdrawal: wake the event sequencer, and its invoice's checkout page."""
    await announce(*([invoice] if (invoice := await _invoice_of(withdrawal_id)) else []))


async def expire_stale(withdrawals: WithdrawalService, days: int, now: datetime) -> int:
    """Reject what no operator has decided on within `days`; how many."""
    stale = await database.fetch_all(
        """
        SELECT id FROM withdrawals WHERE status = 'pending_approval' AND created_at <= $1
        ORDER BY created_at, id LIMIT $2
        """,
        now - timedelta(days=days),
        EXPIRE_AT_ONCE,
    )
    expired = 0
    for row in stale:
        try:
            await reject(withdrawals, row["id"], "system", f"not approved within {days} days", now)
        except ApprovalRefused:
            continue  # decided meanwhile
        expired += 1
    return expired


async def waiting() -> list[Waiting]:
    """What waits for operators, oldest first."""
    rows = await database.fetch_all(
        """
        SELECT w.id, w.kind, w.merchant, w.network, w.asset, w.source, w.amount_raw, w.fee_raw, w.destination,
            w.requested_by, w.held, w.approvals_required, w.created_at,
            (SELECT count(*) FROM approvals a WHERE a.withdrawal = w.id) AS approvals
        FROM withdrawals w WHERE w.status = 'pending_approval' ORDER BY w.created_at, w.id
        """
    )
    return [Waiting(**dict(row)) for row in rows]


def intent_of(row: Row) -> Intent:
    """What a row of `withdrawals` asks for."""
    return Intent(
        row["id"], row["asset"], row["network"], row["amount_raw"], row["destination"], row["destination_memo"]
    )


async def _lock_undecided(withdrawal_id: str) -> Row:
    row = await database.fetch_one("SELECT * FROM withdrawals WHERE id = $1 FOR UPDATE", withdrawal_id)
    if row is None:
        raise ApprovalRefused(f"there is no {withdrawal_id}")
    if row["status"] != Status.PENDING_APPROVAL:
        raise ApprovalRefused(f"it is {row['status']}")
    return row


async def refuse_unfit(row: Row, operator_id: str) -> None:
    """Raise ApprovalRefused where this operator must not approve it, or nobody must now."""
    conflict = await conflict_of(row["id"], operator_id)
    if conflict is not None:
        raise ApprovalRefused(REASONS[conflict])
    if row["held"]:
        raise ApprovalRefused("it is on hold: the hold must be released first")
    if stopped := await limits.stopped(row["source"]):
        raise ApprovalRefused(f"the merchant is {stopped}: nothing leaves its balance")


async def refuse_non_operator(account_id: str) -> None:
    """Raise ApprovalRefused for an account that is not an operator's."""
    if not await database.fetch_value("SELECT is_operator FROM accounts WHERE id = $1", account_id):
        raise ApprovalRefused("operators alone decide on withdrawals")


async def _invoice_of(withdrawal_id: str) -> str | None:
    invoice: str | None = await database.fetch_value("SELECT invoice FROM refunds WHERE id = $1", withdrawal_id)
    return invoice


async def _raise_alarm(row: Row, now: datetime) -> None:
    await alerts.raise_alert(
        severity="critical",
        kind="withdrawal_tampered",
        dedupe_key=f"withdrawal_tampered:{row['id']}",
        message=f"{row['id']} is not what was asked for: its digest does not match its row",
        details={"withdrawal": row["id"], "network": row["network"], "asset": row["asset"]},
        now=now,
    )


async def _audit(row: Row, action: str, actor: str, now: datetime, address: str | None, **details: object) -> None:
    await audit.record(
        actor=actor,
        action=action,
        subject=row["id"],
        merchant_id=row["merchant"],
        address=address,
        details={
            "asset": row["asset"],
            "network": row["network"],
            "amount_raw": str(row["amount_raw"]),
            "destination": row["destination"],
            **details,
        },
        now=now,
    )
