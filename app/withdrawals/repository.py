"""Statements on `withdrawals`: the request, its steps, and what approvals and the signer read of it.

Approvals and holds have files of their own beside this one; what merchants read is in presented_repository.py.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec
from piccolo.columns import Column
from piccolo.columns.combination import WhereRaw
from piccolo.querystring import QueryString

from app.core import database
from app.core.database import Row
from app.core.statement import Command, Param, Statement, any_of, insert, select
from app.invoices.tables import Invoice
from app.withdrawals.bookings import Money
from app.withdrawals.digest import Intent, digest
from app.withdrawals.states import RELEASES_FUNDS, Status
from app.withdrawals.tables import Withdrawal

Kind = Literal["payout", "refund"]

Conflict = Literal["asked", "holds_key", "member"]
"""`member`: they belong to the merchant now, or did at some time since the withdrawal was requested."""


class NewWithdrawal(msgspec.Struct, frozen=True, kw_only=True):
    """A payout or refund that has passed every check but that of the balance. Amounts are in minor units."""

    id: str
    kind: Kind
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
        """What an approval approves."""
        return Intent(self.id, self.asset, self.network, self.amount_raw, self.destination, self.destination_memo)


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """The columns that a step of a withdrawal needs. `invoice` and `deposit` are what a refund is for."""

    id: str
    kind: Kind
    status: str
    source: str
    network: str
    asset: str
    amount_raw: int
    fee_raw: int
    invoice: str | None
    deposit: str | None
    merchant: str | None
    requested_by: str

    @property
    def money(self) -> Money:
        """Its money, as the books see it."""
        return Money(self.id, self.kind, self.source, self.network, self.asset, self.amount_raw, self.fee_raw)


class RequestedWithdrawal(msgspec.Struct, frozen=True, kw_only=True):
    """What was requested and where it stands, as the database has it. `digest` must be recomputed from `intent`."""

    id: str
    merchant: str | None
    network: str
    asset: str
    source: str
    amount_raw: int
    destination: str
    destination_memo: str | None
    status: str
    held: bool
    digest: bytes
    approvals_required: int

    @property
    def intent(self) -> Intent:
        """What an approval approves."""
        return Intent(self.id, self.asset, self.network, self.amount_raw, self.destination, self.destination_memo)

    @property
    def is_edited(self) -> bool:
        """Whether the row no longer matches its digest."""
        return self.digest != digest(self.intent)


class ToSign(msgspec.Struct, frozen=True, kw_only=True):
    """An approved withdrawal as the database has it. The signer recomputes the digest before it signs."""

    id: str
    kind: Kind
    network: str
    asset: str
    amount_raw: int
    destination: str
    destination_memo: str | None
    digest: bytes
    approvals_required: int
    waiting_reason: str | None
    approved_at: datetime

    @property
    def is_whole(self) -> bool:
        """Whether the row matches its digest: nobody has edited it."""
        intent = Intent(self.id, self.asset, self.network, self.amount_raw, self.destination, self.destination_memo)
        return digest(intent) == self.digest


async def add(new: NewWithdrawal, *, held: bool, now: datetime) -> None:
    """Insert a withdrawal that waits for approval."""
    await _ADD.run(
        id=new.id,
        kind=new.kind,
        merchant=new.merchant_id,
        mode=new.mode,
        network=new.network,
        asset=new.asset,
        source=new.source,
        amount_raw=new.amount_raw,
        fee_raw=new.fee_raw,
        destination=new.destination,
        destination_memo=new.destination_memo,
        status=Status.PENDING_APPROVAL.value,
        held=held,
        requested_by=new.requested_by,
        digest=digest(new.intent),
        approvals_required=new.approvals_required,
        created_at=now,
    )


_ADD = Command(
    insert(
        Withdrawal,
        Withdrawal.id,
        Withdrawal.kind,
        Withdrawal.merchant,
        Withdrawal.mode,
        Withdrawal.network,
        Withdrawal.asset,
        Withdrawal.source,
        Withdrawal.amount_raw,
        Withdrawal.fee_raw,
        Withdrawal.destination,
        Withdrawal.destination_memo,
        Withdrawal.status,
        Withdrawal.held,
        Withdrawal.requested_by,
        Withdrawal.digest,
        Withdrawal.approvals_required,
        Withdrawal.created_at,
    )
)


async def progress(withdrawal_id: str) -> Progress | None:
    """Where a withdrawal stands, and its money."""
    return _progress(await database.fetch_one(f"{_PROGRESS} WHERE w.id = $1", withdrawal_id))


async def lock(withdrawal_id: str) -> Progress | None:
    """Lock a withdrawal's row in the caller's transaction. It must be the last lock that the transaction takes."""
    database.in_transaction()
    return _progress(await database.fetch_one(f"{_PROGRESS} WHERE w.id = $1 FOR UPDATE OF w", withdrawal_id))


# SQL, since no foreign key leads from a withdrawal to its refund.
_PROGRESS = """
    SELECT w.id, w.kind, w.status, w.source, w.network, w.asset, w.amount_raw, w.fee_raw, r.invoice, r.deposit,
        w.merchant, w.requested_by
    FROM withdrawals w LEFT JOIN refunds r ON r.id = w.id
    """


def _progress(row: Row | None) -> Progress | None:
    return None if row is None else Progress(**row)


async def lock_invoice(invoice_id: str) -> None:
    """Lock the invoice that a refund is for, in the caller's transaction: before the withdrawal."""
    database.in_transaction()
    await _LOCK_INVOICE.first(id=invoice_id)


_LOCK_INVOICE = Statement(Invoice.select(Invoice.id).where(Invoice.id == Param("id")).lock_rows("UPDATE"), str)


async def move(withdrawal_id: str, current: str, target: Status, reason: str | None, now: datetime) -> bool:
    """Move a withdrawal from one status to another, with the time of the step. False where it is not in `current`.

    `reason` is shown to the merchant, of a rejection or failure.
    """
    return bool(await _MOVES[target].run(id=withdrawal_id, current=current, reason=reason, now=now))


def _move_to(target: Status, changes: dict[Column | str, Any]) -> Command:
    return Command(
        Withdrawal.update({Withdrawal.status: target.value, **changes}).where(
            Withdrawal.id == Param("id"), Withdrawal.status == Param("current")
        )
    )


_MOVES = {
    Status.APPROVED: _move_to(Status.APPROVED, {Withdrawal.approved_at: Param("now")}),
    Status.SUBMITTED: _move_to(
        Status.SUBMITTED, {Withdrawal.submitted_at: Param("now"), Withdrawal.waiting_reason: None}
    ),
    Status.CONFIRMED: _move_to(
        Status.CONFIRMED,
        {Withdrawal.settled_at: Param("now"), Withdrawal.waiting_reason: None, Withdrawal.held: False},
    ),
    **{
        status: _move_to(
            status,
            {
                Withdrawal.settled_at: Param("now"),
                Withdrawal.decision_reason: Param("reason"),
                Withdrawal.waiting_reason: None,
            },
        )
        for status in RELEASES_FUNDS
    },
}


async def status(withdrawal_id: str) -> Status:
    """The status of a withdrawal that exists. Raises LookupError."""
    return Status(await _STATUS.one(id=withdrawal_id))


_STATUS = Statement(Withdrawal.select(Withdrawal.status).where(Withdrawal.id == Param("id")), str)


async def set_waiting(withdrawal_id: str, reason: str | None) -> None:
    """Write why an approved withdrawal is not sent yet (at most 200 characters); None where nothing delays it."""
    await _SET_WAITING.run(id=withdrawal_id, reason=reason)


_SET_WAITING = Command(
    Withdrawal.update({Withdrawal.waiting_reason: Param("reason")}).where(
        Withdrawal.id == Param("id"),
        WhereRaw("{} IS DISTINCT FROM {}", Withdrawal.waiting_reason, Param("reason")),
        Withdrawal.status.is_in([Status.APPROVED.value, Status.SUBMITTED.value]),
    )
)


async def hold(withdrawal_id: str) -> None:
    """Hold one withdrawal until an operator releases it."""
    await _HOLD.run(id=withdrawal_id)


_HOLD = Command(
    Withdrawal.update({Withdrawal.held: True}).where(Withdrawal.id == Param("id"), Withdrawal.held.eq(False))
)


async def is_held(withdrawal_id: str) -> bool:
    """Whether nothing is sent for a withdrawal until an operator releases it."""
    return bool(await _IS_HELD.one(id=withdrawal_id))


_IS_HELD = Statement(Withdrawal.select(Withdrawal.held).where(Withdrawal.id == Param("id")), bool)


async def requested(withdrawal_id: str) -> RequestedWithdrawal | None:
    """What was requested."""
    return await _REQUESTED.first(id=withdrawal_id)


async def unpaid(network: str, asset: str, amount_raw: int, destination: str) -> list[RequestedWithdrawal]:
    """Withdrawals of just this payment that are pending or approved, the oldest first."""
    return await _UNPAID.all(network=network, asset=asset, amount_raw=amount_raw, destination=destination)


_UNPAID = Statement(
    select(Withdrawal, RequestedWithdrawal)
    .where(
        Withdrawal.network == Param("network"),
        Withdrawal.asset == Param("asset"),
        Withdrawal.amount_raw == Param("amount_raw"),
        Withdrawal.destination == Param("destination"),
        Withdrawal.status.is_in(["pending_approval", "approved"]),
    )
    .order_by(Withdrawal.created_at, Withdrawal.id),
    RequestedWithdrawal,
)


async def with_digests(digests: Sequence[bytes]) -> list[str]:
    """The withdrawals with these digests."""
    return await _WITH_DIGESTS.all(digests=list(digests))


_WITH_DIGESTS = Statement(
    Withdrawal.select(Withdrawal.id).where(any_of(Withdrawal.digest, Param("digests"))).order_by(Withdrawal.id), str
)


async def lock_requested(withdrawal_id: str) -> RequestedWithdrawal | None:
    """What was requested, its row locked for the caller's transaction."""
    database.in_transaction()
    return await _LOCK_REQUESTED.first(id=withdrawal_id)


_REQUESTED = Statement(select(Withdrawal, RequestedWithdrawal).where(Withdrawal.id == Param("id")), RequestedWithdrawal)
_LOCK_REQUESTED = Statement(
    select(Withdrawal, RequestedWithdrawal).where(Withdrawal.id == Param("id")).lock_rows("UPDATE"),
    RequestedWithdrawal,
)


async def withdrawals_to_sign(network: str, limit: int = 1_000) -> list[ToSign]:
    """Approved withdrawals of a network that are not held, oldest approval first."""
    return await _TO_SIGN.all(network=network, limit=limit)


_TO_SIGN = Statement(
    select(Withdrawal, ToSign)
    .where(
        Withdrawal.network == Param("network"),
        Withdrawal.status == Status.APPROVED.value,
        Withdrawal.held.eq(False),
    )
    .order_by(Withdrawal.approved_at, Withdrawal.id),
    ToSign,
    limited=True,
)


async def conflict_of(withdrawal_id: str, account_id: str) -> Conflict | None:
    """The conflict of interest that an account has with a withdrawal; None where it has none."""
    return await _CONFLICT.first(id=withdrawal_id, account=account_id)


_CONFLICT: Statement[Conflict] = Statement(
    Withdrawal.select(QueryString("withdrawal_conflict(withdrawals, {})", Param("account"), alias="conflict")).where(
        Withdrawal.id == Param("id")
    ),
    str,  # type: ignore[arg-type] # the function in Postgres returns these words alone
)
