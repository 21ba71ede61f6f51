"""Payouts: requested and cancelled by the merchant. The steps between are those of every withdrawal."""

from datetime import datetime

import msgspec
from msgspec.structs import replace

from app.core import database, ids
from app.core.errors import ApiError, Code, Problems, invalid
from app.core.money import format_amount, parse_amount
from app.ledger import repository as ledger_repository
from app.ledger.hashchain import ChainId
from app.merchants.members import Member
from app.merchants.roles import Permission
from app.merchants.terms import Mode
from app.networks.config import Asset, NetworkConfig
from app.networks.registry import Networks, UnknownNetwork
from app.payouts import fees, repository
from app.web.idempotency import Replay
from app.withdrawals import destinations, limits, requests
from app.withdrawals.presentation import PayoutBody
from app.withdrawals.reader import WithdrawalReader
from app.withdrawals.requests import MerchantRequest
from app.withdrawals.service import WithdrawalService, announce
from app.withdrawals.states import IllegalTransition, Status


class NewPayout(msgspec.Struct, frozen=True, kw_only=True):
    """What the merchant requests, checked for form. `requested_by` is `api_key:…` or `account:ACC-…`."""

    asset: str
    chain: str
    amount: str
    destination: str
    destination_memo: str | None = None
    description: str | None = None
    metadata: bytes = b"{}"
    requested_by: str


class Costs(msgspec.Struct, frozen=True, kw_only=True):
    """The costs of a payout if it were requested now. Amounts are in minor units."""

    asset: Asset
    amount_raw: int
    fee_raw: int
    available_raw: int

    @property
    def total_raw(self) -> int:
        """What leaves the balance: the fee comes on top."""
        return self.amount_raw + self.fee_raw

    @property
    def left_raw(self) -> int:
        """What would be left; below zero where the balance is not enough."""
        return self.available_raw - self.total_raw


class Quote(Costs, frozen=True, kw_only=True):
    """The costs of a payout whose destination was checked, and how many operators must approve it."""

    network: NetworkConfig
    destination: str
    approvals_required: int


class PayoutService:
    """Requests, quotes and cancels payouts. One per process."""

    def __init__(self, networks: Networks, withdrawals: WithdrawalService, reader: WithdrawalReader) -> None:
        self._networks = networks
        self._withdrawals = withdrawals
        self._reader = reader

    async def request(self, by: Member, mode: Mode, new: NewPayout, replay: Replay, now: datetime) -> bytes:
        """Request a payout in the cabinet: the member is the requester, and so can't approve it as an operator.

        Raises Forbidden, and what `create` raises.
        """
        by.require(Permission.PAYOUTS_WRITE, mode)
        return await self.create(by.merchant_id, mode, replace(new, requested_by=by.actor), replay, now, by)

    async def create(
        self,
        merchant_id: str,
        mode: Mode,
        new: NewPayout,
        replay: Replay | None,
        now: datetime,
        by: Member | None = None,
    ) -> bytes:
        """Request a payout, lock amount and fee, and return its JSON, the same bytes that a replay returns.

        `by` is the member who requests it, if it is not a key. Raises INVALID_INPUT, AMOUNT_TOO_SMALL,
        INVALID_DESTINATION, MEMO_NOT_ALLOWED, PAYOUTS_DISABLED, DAILY_CAP_EXCEEDED, INSUFFICIENT_BALANCE, and
        ReplayExists where `replay` is already there.
        """
        network, asset, amount_raw, destination = await self._checked(mode, new)
        payout_id = ids.new_id(ids.PAYOUT)

        async def check() -> None:
            await limits.refuse_if_paused("payouts")

        async def insert() -> None:
            await repository.add(payout_id, new.description, new.metadata)

        request = MerchantRequest(
            id=payout_id,
            kind="payout",
            merchant_id=merchant_id,
            mode=mode,
            network=network,
            asset=asset,
            amount_raw=amount_raw,
            fee_raw=fees.quote(amount_raw, asset),
            destination=destination,
            requested_by=new.requested_by,
            by=by,
            replay=replay,
            details={"network": network.key},
        )
        return await requests.request(self._withdrawals, request, check=check, insert=insert, now=now)

    async def quote(self, by: Member, mode: Mode, new: NewPayout) -> Quote:
        """What a payout would cost and leave. Balance, cap and switch are checked when it is requested.

        Raises Forbidden, INVALID_INPUT, AMOUNT_TOO_SMALL, INVALID_DESTINATION, MEMO_NOT_ALLOWED.
        """
        by.require(Permission.PAYOUTS_WRITE, mode)
        network, asset, amount_raw, destination = await self._checked(mode, new)
        return Quote(
            network=network,
            asset=asset,
            destination=destination,
            amount_raw=amount_raw,
            fee_raw=fees.quote(amount_raw, asset),
            available_raw=await _available_raw(by.merchant_id, network, asset),
            approvals_required=asset.approvals_required(amount_raw),
        )

    async def costs(self, by: Member, mode: Mode, new: NewPayout) -> Costs:
        """What the amount of a payout would cost and leave, wherever it goes.

        Raises Forbidden, INVALID_INPUT, AMOUNT_TOO_SMALL.
        """
        by.require(Permission.PAYOUTS_WRITE)
        network, asset = configured(self._networks, new.chain, new.asset, mode)
        amount_raw = _amount_raw(new.amount, asset)
        return Costs(
            asset=asset,
            amount_raw=amount_raw,
            fee_raw=fees.quote(amount_raw, asset),
            available_raw=await _available_raw(by.merchant_id, network, asset),
        )

    async def cancel_by(self, by: Member, mode: Mode, payout_id: str, now: datetime) -> PayoutBody:
        """Cancel in the cabinet. Raises Forbidden, and what `cancel` raises."""
        by.require(Permission.PAYOUTS_WRITE, mode)
        return await self.cancel(by.merchant_id, mode, payout_id, now, by)

    async def cancel(
        self, merchant_id: str, mode: Mode, payout_id: str, now: datetime, by: Member | None = None
    ) -> PayoutBody:
        """Cancel for the merchant while no operator has decided. `by` is the member who cancels, if it is not a key.

        Raises PAYOUT_NOT_FOUND, PAYOUT_NOT_CANCELLABLE.
        """
        payout = await self._reader.payout(merchant_id, mode, payout_id)
        if payout is None:
            raise ApiError(Code.PAYOUT_NOT_FOUND, "no such payout")
        async with database.transaction():
            try:
                cancelled = await self._withdrawals.release_funds(payout_id, Status.CANCELLED, None, now)
            except IllegalTransition:
                cancelled = False
            if not cancelled:
                raise ApiError(Code.PAYOUT_NOT_CANCELLABLE, "the payout is not awaiting approval any more")
            if by is not None:
                await by.record("payout.cancelled", payout_id, now)
            payout = await self._reader.payout(merchant_id, mode, payout_id)
        assert payout is not None
        await announce()
        return payout

    async def _checked(self, mode: Mode, new: NewPayout) -> tuple[NetworkConfig, Asset, int, str]:
        """Check a request; its network, asset, raw amount, and the destination in canonical form."""
        network, asset = configured(self._networks, new.chain, new.asset, mode)
        problems = Problems()
        with problems.gathered():
            amount_raw = _amount_raw(new.amount, asset)
        with problems.gathered():
            destination = await destinations.check(network, new.destination, new.destination_memo, field="destination")
        problems.refuse()
        destinations.refuse_dust(network, asset, amount_raw, destination)
        return network, asset, amount_raw, destination


def _amount_raw(amount: str, asset: Asset) -> int:
    """The amount in minor units. Raises INVALID_INPUT, AMOUNT_TOO_SMALL."""
    amount_raw = parse_amount(amount, asset.decimals)
    if amount_raw < asset.payout_min_raw:
        least = format_amount(asset.payout_min_raw, asset.decimals)
        raise ApiError(Code.AMOUNT_TOO_SMALL, f"amount: must be at least {least} {asset.symbol}")
    return amount_raw


async def _available_raw(merchant_id: str, network: NetworkConfig, asset: Asset) -> int:
    head = await ledger_repository.head(ChainId(owner=merchant_id, network=network.key, asset=asset.symbol))
    return 0 if head is None else head.state.available_raw


def configured(networks: Networks, chain: str, symbol: str, mode: Mode) -> tuple[NetworkConfig, Asset]:
    """The network and asset that a body names. Raises INVALID_INPUT."""
    try:
        network = networks.by(chain, mode)
    except UnknownNetwork:
        raise invalid("chain", "is not a known chain") from None
    asset = network.asset(symbol)
    if asset is None:
        raise invalid("asset", "is not an asset of that chain")
    return network, asset
