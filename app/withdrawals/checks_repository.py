"""Statements for the checks of a new withdrawal: its merchant, the switches, the cap, and our own addresses."""

from datetime import datetime

from piccolo.query.functions import Coalesce
from piccolo.query.functions.aggregate import Sum

from app.addresses.tables import DepositAddress
from app.core.statement import Param, Statement, any_of
from app.merchants.tables import Merchant, MerchantAsset, Switch
from app.withdrawals.states import LIVE
from app.withdrawals.tables import ChangeAddress, Withdrawal


async def merchant_status_among(merchant_id: str, statuses: tuple[str, ...]) -> str | None:
    """A merchant's status if it is one of these; None for every other, and where there is no such merchant."""
    return await _MERCHANT_STATUS.first(id=merchant_id, statuses=list(statuses))


_MERCHANT_STATUS = Statement(
    Merchant.select(Merchant.status).where(Merchant.id == Param("id"), any_of(Merchant.status, Param("statuses"))), str
)


async def is_paused(kind: str) -> bool:
    """Whether operators have paused new payouts or refunds."""
    return await _PAUSED.first(name=kind) is not None


_PAUSED = Statement(Switch.select(Switch.name).where(Switch.name == Param("name")), str)


async def cap_raw(merchant_id: str, network: str, asset: str) -> int | None:
    """A merchant's cap for an asset in minor units; None where there is none."""
    return await _CAP.first(merchant=merchant_id, network=network, asset=asset)


_CAP = Statement(
    MerchantAsset.select(MerchantAsset.daily_cap_raw).where(
        MerchantAsset.merchant == Param("merchant"),
        MerchantAsset.network == Param("network"),
        MerchantAsset.asset == Param("asset"),
    ),
    int,
)


async def requested_since_raw(source: str, network: str, asset: str, since: datetime) -> int:
    """The total requested of a ledger after `since`, in minor units, without fees and without released withdrawals."""
    return await _REQUESTED_SINCE.one(source=source, network=network, asset=asset, since=since)


_REQUESTED_SINCE = Statement(
    Withdrawal.select(Coalesce(Sum(Withdrawal.amount_raw), 0, alias="total_raw")).where(
        Withdrawal.source == Param("source"),
        Withdrawal.network == Param("network"),
        Withdrawal.asset == Param("asset"),
        Withdrawal.created_at > Param("since"),
        Withdrawal.status.is_in([status.value for status in LIVE]),
    ),
    int,
)


async def is_deposit_address(network: str, address: str) -> bool:
    """Whether an address is one of our deposit addresses."""
    return await _DEPOSIT_ADDRESS.first(network=network, address=address) is not None


_DEPOSIT_ADDRESS = Statement(
    DepositAddress.select(DepositAddress.id).where(
        DepositAddress.network == Param("network"), DepositAddress.address == Param("address")
    ),
    int,
)


async def is_change_address(network: str, address: str) -> bool:
    """Whether an address is one of our change."""
    return await _CHANGE_ADDRESS.first(network=network, address=address) is not None


_CHANGE_ADDRESS = Statement(
    ChangeAddress.select(ChangeAddress.id).where(
        ChangeAddress.network == Param("network"), ChangeAddress.address == Param("address")
    ),
    int,
)
