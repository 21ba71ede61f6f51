"""What is on hold, as operators read it: ledgers that nothing is sent from, and payments that the signer refuses."""

from datetime import datetime

import msgspec
from piccolo.querystring import QueryString

from app.backoffice.case_filters import EVERY_CASE, CaseFilters, of_merchant
from app.core.keyset import Page, Total
from app.core.statement import Listing, Param
from app.withdrawals.holds_repository import IS_OPEN, IS_REFUSED, withdrawals_held
from app.withdrawals.tables import Withdrawal, WithdrawalHold


class HeldLedger(msgspec.Struct, frozen=True, kw_only=True):
    """A ledger on hold. `source` is a merchant's id or `platform:suspense`, which has no `merchant_name`."""

    id: int
    source: str
    merchant_name: str | None
    network: str
    asset: str
    reason: str
    placed_at: datetime
    withdrawals_held: int


class RefusedPayment(msgspec.Struct, frozen=True, kw_only=True):
    """A payout or refund that the signer has refused. It stays held until an operator releases it."""

    id: str
    kind: str
    merchant_id: str | None
    merchant_name: str | None
    network: str
    asset: str
    amount_raw: int
    destination: str
    reason: str | None
    approved_at: datetime


async def ledgers(limit: int, filters: CaseFilters = EVERY_CASE) -> Page[HeldLedger]:
    """The ledgers on hold, the oldest hold first."""
    return await _LEDGERS.page(None, limit, **filters.values(""), id=None)


async def refused(limit: int, filters: CaseFilters = EVERY_CASE) -> Page[RefusedPayment]:
    """The payments that the signer has refused, the oldest approval first, without those of ledgers on hold."""
    return await _REFUSED.page(None, limit, **filters.values(""), id=None)


async def total(filters: CaseFilters = EVERY_CASE) -> Total:
    """How many ledgers and payments are on hold together."""
    parts = [await listing.total(**filters.values(""), id=None) for listing in (_LEDGERS, _REFUSED)]
    return Total(sum(part.counted for part in parts), all(part.is_exact for part in parts))


async def ledger(hold_id: int) -> HeldLedger | None:
    """One open hold."""
    return next(iter(await _LEDGERS.page(None, 1, id=hold_id)), None)


async def payment(withdrawal_id: str) -> RefusedPayment | None:
    """One payment that the signer has refused."""
    return next(iter(await _REFUSED.page(None, 1, id=withdrawal_id)), None)


_LEDGERS = Listing(
    lambda: WithdrawalHold.select(
        WithdrawalHold.id,
        WithdrawalHold.source,
        QueryString("(SELECT m.name FROM merchants m WHERE m.id = {})", WithdrawalHold.source, alias="merchant_name"),
        WithdrawalHold.network,
        WithdrawalHold.asset,
        WithdrawalHold.reason,
        WithdrawalHold.placed_at,
        withdrawals_held(),
    ).where(IS_OPEN),
    HeldLedger,
    key=(WithdrawalHold.placed_at, WithdrawalHold.id),
    filters={
        "id": WithdrawalHold.id == Param("id"),
        "network": WithdrawalHold.network == Param("network"),
        "asset": WithdrawalHold.asset == Param("asset"),
        "merchant": of_merchant(WithdrawalHold.source),
    },
    oldest_first=True,
)

_REFUSED = Listing(
    lambda: Withdrawal.select(
        Withdrawal.id,
        Withdrawal.kind,
        Withdrawal.merchant.as_alias("merchant_id"),
        Withdrawal.merchant.name.as_alias("merchant_name"),
        Withdrawal.network,
        Withdrawal.asset,
        Withdrawal.amount_raw,
        Withdrawal.destination,
        Withdrawal.waiting_reason.as_alias("reason"),
        Withdrawal.approved_at,
    ).where(IS_REFUSED),
    RefusedPayment,
    key=(Withdrawal.approved_at, Withdrawal.id),
    filters={
        "id": Withdrawal.id == Param("id"),
        "network": Withdrawal.network == Param("network"),
        "asset": Withdrawal.asset == Param("asset"),
        "merchant": of_merchant(Withdrawal.merchant),
    },
    oldest_first=True,
)
