"""Approvals: a withdrawal is sent only after one operator, or two, have approved it with a fresh code (contract, 4).

What is approved is the digest, recomputed from the row at that moment. Postgres refuses an approval of another digest,
one by an operator with a conflict of interest (conflicts.py), and a transaction without the approvals that it needs.
"""

from datetime import datetime, timedelta

import asyncpg

from app.accounts import totp
from app.accounts.passkeys import Passkeys
from app.accounts.passkeys_repository import StoredPasskey
from app.alerts import service as alerts
from app.audit import service as audit
from app.core import database, ids
from app.core.settings import DataKeys
from app.core.webauthn import to_text
from app.withdrawals import approvals_repository, limits, repository
from app.withdrawals.approvals_repository import Waiting, waiting
from app.withdrawals.conflicts import REASONS, conflict_of
from app.withdrawals.digest import digest
from app.withdrawals.presented_repository import invoice_of
from app.withdrawals.repository import RequestedWithdrawal
from app.withdrawals.service import WithdrawalService, announce
from app.withdrawals.states import IllegalTransition, Status

__all__ = ["ApprovalRefused", "ApprovalService", "Waiting", "expire_stale", "reject", "stop_approved_by", "waiting"]

EXPIRE_AT_ONCE = 100
"""Requests that one round rejects."""


DISOWNED = "an operator who approved it says that somebody else was signed in as them: ask for it again"
"""The reason that a merchant reads."""

EDITED = "the row is not what was requested: somebody has edited it"
ON_HOLD = "it is on hold: the hold must be released first"


class ApprovalRefused(Exception):
    """The withdrawal can't be approved or rejected like this; the message is for the operator."""


class ApprovalService:
    """Approves and rejects withdrawals for operators. One per process."""

    def __init__(self, withdrawals: WithdrawalService, keys: DataKeys, passkeys: Passkeys) -> None:
        self._withdrawals = withdrawals
        self._passkeys = passkeys
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
        """Approve a withdrawal and return its status: still pending where a second operator must approve it too.

        `shown` is the digest of what the page showed the operator, `address` the client's. Raises CodeRefused,
        ApprovalRefused. Not inside a transaction.
        """
        await self.prove_operator(operator_account_id, totp_code, now)
        async with database.transaction():
            row = await _lock_pending(withdrawal_id)
            if not row.is_edited:
                refuse_other_than_shown(row, shown)
                await refuse_unfit(row, operator_account_id)
                status = await self.record(row, operator_account_id, now, address)
        if row.is_edited:
            await _alert_edited(row, now)
            raise ApprovalRefused(EDITED)
        await announce()
        return status

    async def approve_by_passkey(
        self,
        withdrawal_id: str,
        operator_account_id: str,
        answer: str,
        now: datetime,
        *,
        shown: bytes | None = None,
        address: str | None = None,
    ) -> Status:
        """Approve a withdrawal by a passkey that has signed its digest, and return its status, as `approve` does.

        An approved one that waits for signatures is signed too: by an operator who has approved it with a code, or by
        another one. Raises PasskeyRefused, ApprovalRefused. Not inside a transaction.
        """
        await refuse_non_operator(operator_account_id)
        async with database.transaction():
            row = await _lock_undecided(withdrawal_id)
            if not row.is_edited:
                refuse_other_than_shown(row, shown)
                passkey = await self._passkeys.check_approval(operator_account_id, answer, digest(row.intent), now)
                await refuse_unfit(row, operator_account_id)
                status = Status.APPROVED
                if row.status == Status.PENDING_APPROVAL:
                    status = await self._approved_or_counted(row, operator_account_id, now, address)
                await self._record_signature(row, operator_account_id, passkey, answer, now, address)
        if row.is_edited:
            await _alert_edited(row, now)
            raise ApprovalRefused(EDITED)
        await announce()
        return status

    async def _approved_or_counted(
        self, row: RequestedWithdrawal, operator_id: str, now: datetime, address: str | None
    ) -> Status:
        """Record the approval; one that the operator has given by a code already stands."""
        if await approvals_repository.has_approved(row.id, operator_id):
            return Status.PENDING_APPROVAL
        return await self.record(row, operator_id, now, address)

    async def _record_signature(
        self,
        row: RequestedWithdrawal,
        operator_id: str,
        passkey: StoredPasskey,
        answer: str,
        now: datetime,
        address: str | None,
    ) -> None:
        try:
            await approvals_repository.add_signature(row.id, operator_id, digest(row.intent), passkey.name, answer, now)
        except asyncpg.UniqueViolationError:
            raise ApprovalRefused("you have signed it already: another operator must") from None
        signature = {"digest": row.digest.hex(), "public_key": to_text(passkey.public_key), "answer": answer}
        await _audit(row, "withdrawal.signed_by_passkey", f"account:{operator_id}", now, address, **signature)

    async def reject(
        self, withdrawal_id: str, operator_account_id: str, reason: str, now: datetime, *, address: str | None = None
    ) -> None:
        """Reject a withdrawal, with a reason that the merchant reads; its money is available again.

        An approved one can be rejected while nothing is signed for it. An operator who belongs to the merchant may
        reject its payouts, but not its refunds, which pay customers. The caller has made sure who the operator is.
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

    async def prove_operator(self, account_id: str, totp_code: str, now: datetime) -> None:
        """Raise ApprovalRefused for an account that is not an operator's, CodeRefused for a wrong or used code."""
        await refuse_non_operator(account_id)
        await totp.verify(self._keys, account_id, totp_code, now)

    async def record(self, row: RequestedWithdrawal, operator_id: str, now: datetime, address: str | None) -> Status:
        """Record an approval of a locked withdrawal that is fit for it, and approve the withdrawal if it needs no
        other. Needs the caller's transaction. Raises ApprovalRefused."""
        database.in_transaction()
        try:
            await approvals_repository.add(row.id, operator_id, digest(row.intent), now)
        except asyncpg.UniqueViolationError:
            raise ApprovalRefused("you have approved it already: another operator must") from None
        count = await approvals_repository.operators_count(row.id)
        await _audit(row, "withdrawal.approved", f"account:{operator_id}", now, address, approvals=count)
        if count < row.approvals_required:
            return Status.PENDING_APPROVAL
        await self._withdrawals.approve(row.id, now)
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
            rejected = await withdrawals.release_funds(withdrawal_id, Status.REJECTED, reason, now)
        except LookupError:
            raise ApprovalRefused(f"there is no {withdrawal_id}") from None
        except IllegalTransition as error:
            raise ApprovalRefused(f"it can't be rejected any more: {error}") from None
        except asyncpg.RestrictViolationError:
            raise ApprovalRefused("a transaction for it is signed: it can't be taken back") from None
        if not rejected:
            raise ApprovalRefused("it is rejected already")
        row = await repository.requested(withdrawal_id)
        assert row is not None
        await _audit(row, "withdrawal.rejected", actor, now, address, reason=reason)
    await announce_with_invoice(withdrawal_id)


async def announce_with_invoice(withdrawal_id: str) -> None:
    """After the commit that ends a withdrawal: wake the event sequencer, and its invoice's checkout page."""
    await announce(*([invoice] if (invoice := await invoice_of(withdrawal_id)) else []))


async def expire_stale(withdrawals: WithdrawalService, days: int, now: datetime) -> int:
    """Reject the withdrawals that no operator has decided on within `days`, and return how many."""
    expired = 0
    for withdrawal_id in await approvals_repository.waiting_since(now - timedelta(days=days), EXPIRE_AT_ONCE):
        try:
            await reject(withdrawals, withdrawal_id, "system", f"not approved within {days} days", now)
        except ApprovalRefused:
            continue  # decided meanwhile
        expired += 1
    return expired


async def stop_approved_by(
    withdrawals: WithdrawalService, account_id: str, since: datetime, now: datetime
) -> list[str]:
    """Reject what an operator has approved since a moment, where nothing is signed for it yet; return which.

    For an operator who says that somebody else was signed in as them. Not inside a transaction; safe to run twice.
    """
    stopped = []
    for withdrawal_id in await approvals_repository.unsigned_of(account_id, since):
        try:
            await reject(withdrawals, withdrawal_id, "system", DISOWNED, now)
        except ApprovalRefused:
            continue  # signed or decided meanwhile
        stopped.append(withdrawal_id)
    return stopped


def refuse_other_than_shown(row: RequestedWithdrawal, shown: bytes | None) -> None:
    """Raise ApprovalRefused where an operator was shown something else than the row says by now."""
    if shown is not None and shown != row.digest:
        raise ApprovalRefused("it is not what you were shown: look at it again")


async def refuse_unfit(row: RequestedWithdrawal, operator_id: str) -> None:
    """Raise ApprovalRefused where this operator must not approve it, or no operator may now."""
    await refuse_conflict(row.id, operator_id)
    if row.held:
        raise ApprovalRefused(ON_HOLD)
    if stopped := await limits.stopped(row.source):
        raise ApprovalRefused(f"the merchant is {stopped}: nothing leaves its balance")


async def refuse_conflict(withdrawal_id: str, operator_id: str) -> None:
    """Raise ApprovalRefused where this operator has a conflict of interest."""
    if (conflict := await conflict_of(withdrawal_id, operator_id)) is not None:
        raise ApprovalRefused(REASONS[conflict])


async def refuse_non_operator(account_id: str) -> None:
    """Raise ApprovalRefused for an account that is not an operator's."""
    if not await approvals_repository.is_operator(account_id):
        raise ApprovalRefused("operators alone decide on payouts and refunds")


async def _lock_pending(withdrawal_id: str) -> RequestedWithdrawal:
    row = await repository.lock_requested(withdrawal_id)
    if row is None:
        raise ApprovalRefused(f"there is no {withdrawal_id}")
    if row.status != Status.PENDING_APPROVAL:
        raise ApprovalRefused(f"it is {row.status}")
    return row


async def _lock_undecided(withdrawal_id: str) -> RequestedWithdrawal:
    """Lock a withdrawal that waits for approvals, or for the signer, which may ask for signatures."""
    row = await repository.lock_requested(withdrawal_id)
    if row is None:
        raise ApprovalRefused(f"there is no {withdrawal_id}")
    if row.status not in (Status.PENDING_APPROVAL, Status.APPROVED):
        raise ApprovalRefused(f"it is {row.status}")
    return row


async def _alert_edited(row: RequestedWithdrawal, now: datetime) -> None:
    await alerts.raise_alert(
        severity="critical",
        kind="withdrawal_tampered",
        dedupe_key=f"withdrawal_tampered:{row.id}",
        message=f"{row.id} is not what was requested: its digest does not match its row",
        details={"withdrawal": row.id, "network": row.network, "asset": row.asset},
        now=now,
    )


async def _audit(
    row: RequestedWithdrawal, action: str, actor: str, now: datetime, address: str | None, **details: object
) -> None:
    await audit.record(
        actor=actor,
        action=action,
        subject=row.id,
        merchant_id=row.merchant,
        address=address,
        details={**facts_of(row), **details},
        now=now,
    )


def facts_of(row: RequestedWithdrawal) -> dict[str, object]:
    """The details of a withdrawal for its audit rows."""
    return {
        "asset": row.asset,
        "network": row.network,
        "amount_raw": str(row.amount_raw),
        "destination": row.destination,
    }
