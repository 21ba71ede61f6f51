"""What happens to payouts and refunds. The only writer of `withdrawals`; every step goes through `_move`.

The verbs here take no transaction of their own: whoever calls has another fact that must be true at the same
time (a stored transaction, an approval, a replay). Locks are taken in one order: ledger heads, invoice,
withdrawal. After the commit the caller says `announce()`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol, cast

from app.core import database
from app.core.database import Row
from app.events import service as events
from app.invoices.service import InvoiceService
from app.invoices.service import announce as announce_invoices
from app.ledger import service as ledger
from app.withdrawals import bookings
from app.withdrawals.bookings import Money
from app.withdrawals.digest import Intent, digest
from app.withdrawals.presentation import Body, event_data
from app.withdrawals.queries import WithdrawalReader, confirmed_refunds_raw
from app.withdrawals.states import GIVES_BACK, Status, check_transition


class Returns(Protocol):
    """Whoever must know how the return of a deposit ended: its review case (deposits/reviews.py)."""

    async def return_confirmed(self, deposit_id: str, refund_id: str, now: datetime) -> None:
        """The deposit has been sent back. The caller holds the invoice's lock and the transaction."""

    async def return_failed(self, deposit_id: str, refund_id: str, now: datetime) -> None:
        """The deposit is still there. The caller holds the invoice's lock and the transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewWithdrawal:
    """A payout or refund that has passed every check but that of the balance. Amounts are in minor units."""

    id: str
    kind: Literal["payout", "refund"]
    merchant_id: str | None
    mode: str
    network: str
    asset: str
    source: str
    amount_raw: int
    fee_raw: int
    destination: str
    destination_memo: str | None
    requested_by: str
    approvals_required: int

    @property
    def money(self) -> Money:
        """Its money, as the books see it."""
        return Money(self.id, self.kind, self.source, self.network, self.asset, self.amount_raw, self.fee_raw)

    @property
    def intent(self) -> Intent:
        """What an approval will approve."""
        return Intent(self.id, self.asset, self.network, self.amount_raw, self.destination, self.destination_memo)


class WithdrawalService:
    """The verbs of a withdrawal's life. All need their caller's transaction."""

    def __init__(self, reader: WithdrawalReader, invoices: InvoiceService, returns: Returns) -> None:
        self._reader = reader
        self._invoices = invoices
        self._returns = returns

    async def mark_submitted(self, withdrawal_id: str, now: datetime) -> bool:
        """Its transaction was sent, or is about to be. False if that was known already."""
        row = await _lock(withdrawal_id)
        if row["status"] in (Status.SUBMITTED, Status.CONFIRMED):
            return False
        await self._move(row, Status.SUBMITTED, now, {"submitted_at": now, "waiting_reason": None})
        return True

    async def confirm(self, withdrawal_id: str, now: datetime) -> bool:
        """Its transaction is final: the money leaves the locked balance, the fee becomes the platform's.

        A refund rolls its invoice up to `partially_refunded` or `refunded`; the return of a deposit closes its
        review case. False if that was done already.
        """
        money = await self._lock_before(withdrawal_id)
        row = await _lock(withdrawal_id)
        if row["status"] == Status.CONFIRMED:
            return False
        await self._move(row, Status.CONFIRMED, now, {"settled_at": now, "waiting_reason": None})
        await ledger.post(bookings.settle(money), now)
        await self._roll_up(row, now)
        return True

    async def fail(self, withdrawal_id: str, reason: str, now: datetime) -> bool:
        """It can never be sent any more: the lock is returned. `reason` is shown to the merchant.

        Only for a transaction that certainly has no effect: reverted, or its nonce taken by another that is
        final. False if that was done already.
        """
        return await self.give_back(withdrawal_id, Status.FAILED, reason, now)

    async def give_back(self, withdrawal_id: str, target: Status, reason: str | None, now: datetime) -> bool:
        """End it without a transfer (`target` is one of GIVES_BACK) and return the lock. False if it is there."""
        assert target in GIVES_BACK
        money = await self._lock_before(withdrawal_id)
        row = await _lock(withdrawal_id)
        if row["status"] == target:
            return False
        changes = {"settled_at": now, "decision_reason": reason, "waiting_reason": None}
        await self._move(row, target, now, changes)
        await ledger.post(bookings.give_back(money), now)
        if row["deposit"] is not None:
            await self._returns.return_failed(row["deposit"], withdrawal_id, now)
        return True

    async def lock(self, withdrawal_id: str) -> None:
        """Take every lock that confirming a withdrawal needs, in their order. Raises LookupError."""
        await self._lock_before(withdrawal_id)
        await _lock(withdrawal_id)

    async def approve(self, withdrawal_id: str, now: datetime) -> None:
        """Enough operators have approved (withdrawals/approvals.py, the only caller). Postgres counts again."""
        row = await _lock(withdrawal_id)
        await self._move(row, Status.APPROVED, now, {"approved_at": now})

    async def request(self, new: NewWithdrawal, now: datetime) -> None:
        """Write it down and lock its money. Raises INSUFFICIENT_BALANCE. The noun's own row and `tell` follow."""
        await ledger.lock(new.money.chains[:1])
        held = await database.fetch_value(
            """
            SELECT EXISTS (SELECT 1 FROM withdrawal_holds
                WHERE source = $1 AND network = $2 AND asset = $3 AND released_at IS NULL)
            """,
            new.source,
            new.network,
            new.asset,
        )
        await database.execute(
            """
            INSERT INTO withdrawals (id, kind, merchant, mode, network, asset, source, amount_raw, fee_raw,
                destination, destination_memo, status, held, requested_by, digest, approvals_required, created_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 'pending_approval', $12, $13, $14, $15, $16)
            """,
            new.id,
            new.kind,
            new.merchant_id,
            new.mode,
            new.network,
            new.asset,
            new.source,
            new.amount_raw,
            new.fee_raw,
            new.destination,
            new.destination_memo,
            held,
            new.requested_by,
            digest(new.intent),
            new.approvals_required,
            now,
        )
        await ledger.post(bookings.lock(new.money), now)

    async def tell(self, withdrawal_id: str, now: datetime) -> Body:
        """Write the event of the state that it is in; its outside form."""
        body = await self._reader.get_any(withdrawal_id)
        row = await database.fetch_one("SELECT merchant, kind FROM withdrawals WHERE id = $1", withdrawal_id)
        assert row is not None
        if row["merchant"] is not None:
            await events.record(
                merchant_id=row["merchant"],
                mode=body.mode,
                type=f"{row['kind']}.{body.status}",
                subject_id=withdrawal_id,
                data=event_data(body),
                override_url=None,
                now=now,
            )
        return body

    async def _lock_before(self, withdrawal_id: str) -> Money:
        """Lock what comes before a withdrawal: its ledgers' heads, then its invoice. Its money never changes."""
        database.in_transaction()
        row = await database.fetch_one(f"{_SELECT} WHERE w.id = $1", withdrawal_id)
        if row is None:
            raise LookupError(withdrawal_id)
        money = _money(row)
        await ledger.lock(money.chains)
        if row["invoice"] is not None:
            await database.execute("SELECT 1 FROM invoices WHERE id = $1 FOR UPDATE", row["invoice"])
        return money

    async def _roll_up(self, row: Row, now: datetime) -> None:
        """What a confirmed refund means to its invoice, or to the deposit that it returned."""
        if row["deposit"] is not None:
            await self._returns.return_confirmed(row["deposit"], row["id"], now)
        elif row["invoice"] is not None:
            await self._invoices.refund(row["invoice"], await confirmed_refunds_raw(row["invoice"]), now)

    async def _move(self, row: Row, target: Status, now: datetime, changes: Mapping[str, object]) -> None:
        """Take a locked withdrawal to `target` with other columns' `changes`, and write the event."""
        current = Status(row["status"])
        check_transition(current, target)
        assignments = {"status": target.value, **changes}
        columns = ", ".join(f"{name} = ${place}" for place, name in enumerate(assignments, start=3))
        moved = await database.execute(
            f"UPDATE withdrawals SET {columns} WHERE id = $1 AND status = $2",
            row["id"],
            current.value,
            *assignments.values(),
        )
        if moved != 1:
            raise RuntimeError(f"{row['id']} is not {current} although it is locked")
        await self.tell(row["id"], now)


async def set_waiting(withdrawal_id: str, reason: str | None) -> None:
    """Say why an approved withdrawal is not sent yet (at most 200 characters), or that nothing is in its way."""
    await database.execute(
        """
        UPDATE withdrawals SET waiting_reason = $2
        WHERE id = $1 AND waiting_reason IS DISTINCT FROM $2 AND status IN ('approved', 'submitted')
        """,
        withdrawal_id,
        reason,
    )


async def may_be_sent(withdrawal_id: str) -> bool:
    """Whether bytes that were signed for it may be handed to a node: not once its lock was returned."""
    status = await database.fetch_value("SELECT status FROM withdrawals WHERE id = $1", withdrawal_id)
    return Status(status) not in GIVES_BACK


async def announce(*invoice_ids: str) -> None:
    """After a commit: wake the event sequencer, and the checkout pages of refunded invoices."""
    await events.announce()
    await announce_invoices(*invoice_ids)


async def _lock(withdrawal_id: str) -> Row:
    """Lock a withdrawal's row; it is the last lock that is taken."""
    database.in_transaction()
    row = await database.fetch_one(f"{_SELECT} WHERE w.id = $1 FOR UPDATE OF w", withdrawal_id)
    if row is None:
        raise LookupError(withdrawal_id)
    return row


_SELECT = """
    SELECT w.id, w.kind, w.status, w.source, w.network, w.asset, w.amount_raw, w.fee_raw, r.invoice, r.deposit
    FROM withdrawals w LEFT JOIN refunds r ON r.id = w.id
    """


def _money(row: Row) -> Money:
    return Money(
        row["id"],
        cast(Literal["payout", "refund"], row["kind"]),
        row["source"],
        row["network"],
        row["asset"],
        row["amount_raw"],
        row["fee_raw"],
    )
