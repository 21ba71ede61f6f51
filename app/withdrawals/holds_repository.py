"""Statements on `withdrawal_holds`, and those that hold and release withdrawals."""

from datetime import datetime

import msgspec
from piccolo.columns.combination import WhereRaw
from piccolo.querystring import QueryString

from app.core import database
from app.core.statement import Command, Param, Statement
from app.ledger.hashchain import ChainId
from app.withdrawals.states import Status
from app.withdrawals.tables import Withdrawal, WithdrawalHold


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """An open hold. `source` is a merchant's id or `platform:suspense`."""

    id: int
    source: str
    network: str
    asset: str
    reason: str
    placed_at: datetime
    withdrawals_held: int


class HeldLedger(msgspec.Struct, frozen=True):
    """The ledger of an open hold. `is_own`: the operator belongs to its merchant, or did when it was placed."""

    source: str
    network: str
    asset: str
    is_own: bool

    @property
    def chain(self) -> ChainId:
        """The ledger."""
        return ChainId(owner=self.source, network=self.network, asset=self.asset)


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """A withdrawal that the signer has refused. It stays held until an operator releases it."""

    id: str
    kind: str
    merchant: str | None
    network: str
    asset: str
    amount_raw: int
    destination: str
    reason: str | None
    approved_at: datetime


class ReleasedWithdrawal(msgspec.Struct, frozen=True):
    """A withdrawal that is held no longer."""

    merchant: str | None
    network: str
    asset: str


IS_OPEN = WithdrawalHold.released_at.is_null()
"""The condition that a hold is open."""

_IS_SOURCE = (
    (Withdrawal.source == Param("source"))
    & (Withdrawal.network == Param("network"))
    & (Withdrawal.asset == Param("asset"))
)


async def add(source: ChainId, reason: str, now: datetime) -> None:
    """Open a hold. One that is open already stays open, with its first reason."""
    # SQL, since the builder knows no ON CONFLICT of a partial index.
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


async def is_open(source: str, network: str, asset: str) -> bool:
    """Whether a ledger has an open hold."""
    return await _OPEN_OF.first(source=source, network=network, asset=asset) is not None


_OPEN_OF = Statement(
    WithdrawalHold.select(WithdrawalHold.id).where(
        WithdrawalHold.source == Param("source"),
        WithdrawalHold.network == Param("network"),
        WithdrawalHold.asset == Param("asset"),
        IS_OPEN,
    ),
    int,
)


async def hold_unsent(source: ChainId) -> None:
    """Hold the withdrawals that a ledger pays and that are not sent yet."""
    await _HOLD_UNSENT.run(source=source.owner, network=source.network, asset=source.asset)


_HOLD_UNSENT = Command(
    Withdrawal.update({Withdrawal.held: True}).where(
        _IS_SOURCE,
        Withdrawal.status.is_in([Status.PENDING_APPROVAL.value, Status.APPROVED.value]),
        Withdrawal.held.eq(False),
    )
)


async def release_held(source: ChainId) -> int:
    """Release the held withdrawals of a ledger, and return how many."""
    return await _RELEASE_HELD.run(source=source.owner, network=source.network, asset=source.asset)


_RELEASE_HELD = Command(Withdrawal.update({Withdrawal.held: False}).where(_IS_SOURCE, Withdrawal.held.eq(True)))


def withdrawals_held() -> QueryString:
    """The column of a hold that counts the payments which wait because of it."""
    return QueryString(
        """(SELECT count(*) FROM withdrawals w WHERE w.held AND w.status IN ('pending_approval', 'approved')
        AND (w.source, w.network, w.asset) = ({}, {}, {}))""",
        WithdrawalHold.source,
        WithdrawalHold.network,
        WithdrawalHold.asset,
        alias="withdrawals_held",
    )


async def open_holds() -> list[Hold]:
    """Every open hold, oldest first."""
    return await _OPEN.all()


_OPEN = Statement(
    WithdrawalHold.select(
        *(getattr(WithdrawalHold, name) for name in Hold.__struct_fields__ if name != "withdrawals_held"),
        withdrawals_held(),
    )
    .where(IS_OPEN)
    .order_by(WithdrawalHold.placed_at, WithdrawalHold.id),
    Hold,
)


async def open_hold(hold_id: int, operator_id: str) -> HeldLedger | None:
    """The ledger of an open hold, as this operator sees it."""
    return await _OPEN_HOLD.first(id=hold_id, operator=operator_id)


_OPEN_HOLD = Statement(
    WithdrawalHold.select(
        WithdrawalHold.source,
        WithdrawalHold.network,
        WithdrawalHold.asset,
        QueryString(
            "belonged_since({}, {}, {})",
            WithdrawalHold.source,
            Param("operator"),
            WithdrawalHold.placed_at,
            alias="is_own",
        ),
    ).where(WithdrawalHold.id == Param("id"), IS_OPEN),
    HeldLedger,
)


async def close(hold_id: int, *, by: str, reason: str, now: datetime) -> bool:
    """Close an open hold; False where it is not open. `by` is an actor."""
    return bool(await _CLOSE.run(id=hold_id, by=by, reason=reason, now=now))


_CLOSE = Command(
    WithdrawalHold.update(
        {
            WithdrawalHold.released_at: Param("now"),
            WithdrawalHold.released_by: Param("by"),
            WithdrawalHold.release_reason: Param("reason"),
        }
    ).where(WithdrawalHold.id == Param("id"), IS_OPEN)
)


IS_REFUSED = (
    Withdrawal.held.eq(True)
    & (Withdrawal.status.is_in([Status.APPROVED.value, Status.SUBMITTED.value]))
    & WhereRaw(
        """NOT EXISTS (SELECT 1 FROM withdrawal_holds h WHERE h.released_at IS NULL
        AND (h.source, h.network, h.asset) = ({}, {}, {}))""",
        Withdrawal.source,
        Withdrawal.network,
        Withdrawal.asset,
    )
)
"""The condition that the signer has refused a withdrawal, and its ledger is not on hold."""


async def refused() -> list[Refused]:
    """Withdrawals that the signer has refused (signer/policy.py), oldest approval first, without ledgers on hold."""
    return await _REFUSED.all()


_REFUSED = Statement(
    Withdrawal.select(
        Withdrawal.id,
        Withdrawal.kind,
        Withdrawal.merchant,
        Withdrawal.network,
        Withdrawal.asset,
        Withdrawal.amount_raw,
        Withdrawal.destination,
        Withdrawal.waiting_reason.as_alias("reason"),
        Withdrawal.approved_at,
    )
    .where(IS_REFUSED)
    .order_by(Withdrawal.approved_at, Withdrawal.id),
    Refused,
)


async def release_refused(withdrawal_id: str) -> ReleasedWithdrawal | None:
    """Release a withdrawal that the signer has refused; None where it has not."""
    return await _RELEASE_REFUSED.first(id=withdrawal_id)


_RELEASE_REFUSED = Statement(
    Withdrawal.update({Withdrawal.held: False, Withdrawal.waiting_reason: None})
    .where(Withdrawal.id == Param("id"), IS_REFUSED)
    .returning(Withdrawal.merchant, Withdrawal.network, Withdrawal.asset),
    ReleasedWithdrawal,
)
