"""Refunds of an invoice, requested by its merchant. Deposits that were never credited: refunds/returns.py."""

from datetime import datetime

import msgspec
from msgspec.structs import replace

from app.core import ids
from app.core.errors import ApiError, Code, Problems
from app.core.money import format_amount, parse_amount
from app.invoices.states import Status as InvoiceStatus
from app.invoices.states import can_refund
from app.merchants.members import Member
from app.merchants.roles import Permission
from app.merchants.terms import Mode
from app.networks.config import Asset, NetworkConfig
from app.networks.registry import Networks
from app.refunds import repository
from app.web.idempotency import Replay
from app.withdrawals import destinations, limits, requests
from app.withdrawals.presented_repository import live_refunds_raw
from app.withdrawals.requests import MerchantRequest
from app.withdrawals.service import WithdrawalService


class NewRefund(msgspec.Struct, frozen=True, kw_only=True):
    """What the merchant requests, checked for form. `requested_by` is `api_key:…` or `account:ACC-…`."""

    amount: str
    refund_address: str
    refund_address_memo: str | None = None
    reason: str | None = None
    customer_visible_reason: str | None = None
    requested_by: str


class RefundService:
    """Requests refunds. One per process."""

    def __init__(self, networks: Networks, withdrawals: WithdrawalService) -> None:
        self._networks = networks
        self._withdrawals = withdrawals

    async def request(
        self, by: Member, mode: Mode, invoice_id: str, new: NewRefund, replay: Replay, now: datetime
    ) -> bytes:
        """Request a refund in the cabinet: the member is the requester. Raises Forbidden, and what `create` raises."""
        by.require(Permission.REFUNDS_WRITE, mode)
        new = replace(new, requested_by=by.actor)
        return await self.create(by.merchant_id, mode, invoice_id, new, replay, now, by)

    async def create(
        self,
        merchant_id: str,
        mode: Mode,
        invoice_id: str,
        new: NewRefund,
        replay: Replay | None,
        now: datetime,
        by: Member | None = None,
    ) -> bytes:
        """Request a refund, lock its amount, and return its JSON, the same bytes that a replay returns. It costs no
        fee.

        `by` is the member who requests it, if it is not a key. Raises INVOICE_NOT_FOUND, INVALID_INPUT,
        INVALID_DESTINATION, MEMO_NOT_ALLOWED, REFUNDS_DISABLED, INVOICE_NOT_REFUNDABLE, REFUND_EXCEEDS_NET,
        DAILY_CAP_EXCEEDED, INSUFFICIENT_BALANCE, and ReplayExists where `replay` is already there.
        """
        invoice = await repository.invoice_asset(merchant_id, mode, invoice_id)
        if invoice is None:
            raise ApiError(Code.INVOICE_NOT_FOUND, "no such invoice")
        if invoice.network is None or invoice.asset is None:
            raise _not_refundable(invoice.status)
        network = self._networks.get(invoice.network)
        asset = network.asset(invoice.asset)
        assert asset is not None, "assets are never removed from a network that has invoices"
        amount_raw, destination = await checked(network, asset, new)
        refund_id = ids.new_id(ids.REFUND)

        async def check() -> None:
            await limits.refuse_if_paused("refunds")
            await _refuse_beyond_net(invoice_id, amount_raw, network, asset)

        async def insert() -> None:
            await repository.add(
                refund_id,
                invoice_id=invoice_id,
                deposit_id=None,
                reason=new.reason,
                customer_visible_reason=new.customer_visible_reason,
            )

        request = MerchantRequest(
            id=refund_id,
            kind="refund",
            merchant_id=merchant_id,
            mode=mode,
            network=network,
            asset=asset,
            amount_raw=amount_raw,
            fee_raw=0,
            destination=destination,
            requested_by=new.requested_by,
            by=by,
            replay=replay,
            details={"invoice": invoice_id},
        )
        return await requests.request(self._withdrawals, request, check=check, insert=insert, now=now)


async def checked(network: NetworkConfig, asset: Asset, new: NewRefund) -> tuple[int, str]:
    """The amount in minor units, and the address in canonical form. Raises what is wrong with them, both together:
    INVALID_INPUT, INVALID_DESTINATION, MEMO_NOT_ALLOWED, AMOUNT_TOO_SMALL."""
    problems = Problems()
    with problems.gathered():
        amount_raw = parse_amount(new.amount, asset.decimals)
    with problems.gathered():
        destination = await destinations.check(
            network, new.refund_address, new.refund_address_memo, field="refund_address", what="refund"
        )
    problems.refuse()
    destinations.refuse_dust(network, asset, amount_raw, destination)
    return amount_raw, destination


def _not_refundable(status: str) -> ApiError:
    return ApiError(Code.INVOICE_NOT_REFUNDABLE, f"the invoice is {status}")


async def _refuse_beyond_net(invoice_id: str, amount_raw: int, network: NetworkConfig, asset: Asset) -> None:
    """Lock the invoice and raise INVOICE_NOT_REFUNDABLE or REFUND_EXCEEDS_NET."""
    invoice = await repository.lock_invoice_credit(invoice_id)
    status = InvoiceStatus(invoice.status)
    if not can_refund(status) or (invoice.network, invoice.asset) != (network.key, asset.symbol):
        raise _not_refundable(status)  # or another quote has just been paid, and the amount was read in its asset
    left_raw = (invoice.credited_raw or 0) - await live_refunds_raw(invoice_id)
    if amount_raw > left_raw:
        left = format_amount(max(0, left_raw), asset.decimals)
        words = f"amount: {left} {asset.symbol} of what was credited are left; the service fee is not returned"
        raise ApiError(Code.REFUND_EXCEEDS_NET, words)
