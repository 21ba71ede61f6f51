"""The steps of payouts and refunds, from the request to the end. All go through `_move`.

Nothing here opens a transaction: each caller has another fact that must become true at the same time (a stored
transaction, an approval, a replay). Locks are taken in one order: ledger heads, invoice, withdrawal. After the commit
the caller calls `announce`.
"""

from datetime import datetime
from typing import Protocol

from app.core import database
from app.events import service as events
from app.invoices.service import InvoiceService
from app.invoices.service import announce as announce_invoices
from app.ledger import service as ledger
from app.live import notices, topics
from app.merchants import notices as merchant_notices
from app.withdrawals import bookings, holds_repository, repository
from app.withdrawals.presentation import Body, PayoutBody, WithdrawalPresenter, event_data
from app.withdrawals.presented_repository import confirmed_refunds_raw, presented
from app.withdrawals.repository import NewWithdrawal, Progress
from app.withdrawals.states import RELEASES_FUNDS, Status, check_transition
from app.worth import service as worth

TOLD = frozenset({Status.CONFIRMED, Status.REJECTED, Status.FAILED})
"""Ends about which the merchant gets an email."""


class Returns(Protocol):
    """Closes or reopens the review of a deposit when its return has ended (deposits/reviews.py)."""

    async def return_confirmed(self, deposit_id: str, refund_id: str, now: datetime) -> None:
        """The deposit has been sent back. The caller holds the invoice's lock and the transaction."""

    async def return_failed(self, deposit_id: str, refund_id: str, now: datetime) -> None:
        """The deposit was not sent back. The caller holds the invoice's lock and the transaction."""


class WithdrawalService:
    """The steps of a withdrawal. All need their caller's transaction. One per process."""

    def __init__(self, presenter: WithdrawalPresenter, invoices: InvoiceService, returns: Returns) -> None:
        self._presenter = presenter
        self._invoices = invoices
        self._returns = returns

    async def request(self, new: NewWithdrawal, now: datetime) -> None:
        """Insert a withdrawal and lock its money. Raises INSUFFICIENT_BALANCE.

        The caller then inserts the payout or refund, and calls `record_event`.
        """
        await ledger.lock(new.money.chains[:1])
        held = await holds_repository.is_open(new.source, new.network, new.asset)
        await repository.add(new, held=held, now=now)
        await ledger.post(bookings.lock(new.money), now)

    async def approve(self, withdrawal_id: str, now: datetime) -> None:
        """Mark as approved. Only withdrawals/approvals.py calls it; Postgres counts the approvals again."""
        await self._move(await _lock(withdrawal_id), Status.APPROVED, now)

    async def mark_submitted(self, withdrawal_id: str, now: datetime) -> bool:
        """Mark as submitted: its transaction was sent, or is about to be. False if it was marked already."""
        current = await _lock(withdrawal_id)
        if current.status in (Status.SUBMITTED, Status.CONFIRMED):
            return False
        await self._move(current, Status.SUBMITTED, now)
        return True

    async def confirm(self, withdrawal_id: str, now: datetime) -> bool:
        """Confirm, when its transaction is final: the money leaves the locked balance, the fee becomes the platform's.

        A refund changes its invoice to `partially_refunded` or `refunded`; the return of a deposit closes its
        review. False if that was done already.
        """
        current = await self._lock_all(withdrawal_id)
        if current.status == Status.CONFIRMED:
            return False
        await worth.post(bookings.settle(current.money), now)  # first, since the event tells what it is worth
        await self._move(current, Status.CONFIRMED, now)
        if current.deposit is not None:
            await self._returns.return_confirmed(current.deposit, current.id, now)
        elif current.invoice is not None:
            await self._invoices.refund(current.invoice, await confirmed_refunds_raw(current.invoice), now)
        return True

    async def fail(self, withdrawal_id: str, reason: str, now: datetime) -> bool:
        """Mark as failed: it can't be sent any more, and its money is available again. The merchant reads `reason`.

        Only for a transaction that certainly has no effect: reverted, or its nonce used by another one that is
        final. False if that was done already.
        """
        return await self.release_funds(withdrawal_id, Status.FAILED, reason, now)

    async def release_funds(self, withdrawal_id: str, target: Status, reason: str | None, now: datetime) -> bool:
        """End it without a transfer; its locked money is available again. `target` is one of RELEASES_FUNDS.

        False if it is in that status already.
        """
        assert target in RELEASES_FUNDS
        current = await self._lock_all(withdrawal_id)
        if current.status == target:
            return False
        await self._move(current, target, now, reason)
        await ledger.post(bookings.release(current.money), now)
        if current.deposit is not None:
            await self._returns.return_failed(current.deposit, withdrawal_id, now)
        return True

    async def lock(self, *withdrawal_ids: str) -> None:
        """Take every lock that ending these withdrawals together needs, in their order: ledger heads, invoices,
        withdrawals. Raises LookupError."""
        database.in_transaction()
        found = [await _progress(withdrawal_id) for withdrawal_id in sorted(set(withdrawal_ids))]
        await ledger.lock({chain for one in found for chain in one.money.chains})
        for invoice_id in sorted({one.invoice for one in found if one.invoice is not None}):
            await repository.lock_invoice(invoice_id)
        for one in found:
            await _lock(one.id)

    async def record_event(self, withdrawal_id: str, now: datetime) -> Body:
        """Record the event of the withdrawal's status, and return its public form."""
        row = await presented(withdrawal_id)
        body = self._presenter.body(row)
        if row.merchant is not None:
            await events.record(
                merchant_id=row.merchant,
                mode=body.mode,
                type=f"{row.kind}.{body.status}",
                subject_id=withdrawal_id,
                data=event_data(body),
                override_url=None,
                now=now,
            )
        of_invoice = topics.of_invoices(row.invoice) if row.invoice is not None else []
        await notices.changed(*topics.of_withdrawal(row.kind, withdrawal_id), *of_invoice)
        return body

    async def _lock_all(self, withdrawal_id: str) -> Progress:
        """Lock the heads of its ledgers, then its invoice, then the withdrawal. Raises LookupError."""
        database.in_transaction()
        found = await _progress(withdrawal_id)
        await ledger.lock(found.money.chains)
        if found.invoice is not None:
            await repository.lock_invoice(found.invoice)
        return await _lock(withdrawal_id)

    async def _move(self, current: Progress, target: Status, now: datetime, reason: str | None = None) -> None:
        """Move a locked withdrawal to `target` and record the event."""
        check_transition(Status(current.status), target)
        if not await repository.move(current.id, current.status, target, reason, now):
            raise RuntimeError(f"{current.id} is not {current.status} although it is locked")
        body = await self.record_event(current.id, now)
        if target in TOLD:
            await _tell(body, current, now)


async def may_be_sent(withdrawal_id: str) -> bool:
    """Whether a transaction that was signed for it may be sent: not after its money was released."""
    return await repository.status(withdrawal_id) not in RELEASES_FUNDS


async def announce(*invoice_ids: str) -> None:
    """After a commit: wake the event sequencer, and the checkout pages of refunded invoices."""
    await events.announce()
    await announce_invoices(*invoice_ids)


async def _progress(withdrawal_id: str) -> Progress:
    """Where a withdrawal stands, unlocked. Raises LookupError."""
    found = await repository.progress(withdrawal_id)
    if found is None:
        raise LookupError(withdrawal_id)
    return found


async def _lock(withdrawal_id: str) -> Progress:
    """Lock a withdrawal's row, after every other lock. Raises LookupError."""
    locked = await repository.lock(withdrawal_id)
    if locked is None:
        raise LookupError(withdrawal_id)
    return locked


async def _tell(body: Body, current: Progress, now: datetime) -> None:
    """Have the merchant's people told by email how it ended."""
    if current.merchant is None:
        return
    await merchant_notices.record(
        f"{current.kind}.{body.status}",
        merchant_id=current.merchant,
        mode=body.mode,
        subject=body.id,
        actor=current.requested_by,
        facts={
            "amount": f"{body.amount_decimal} {body.asset}",
            "destination": body.destination if isinstance(body, PayoutBody) else body.refund_address,
            "chain": body.chain,
            "txid": body.txid or "none",
            "reason": body.status_reason or "none was given",
        },
        now=now,
    )
