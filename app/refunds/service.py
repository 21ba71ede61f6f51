"""Refunds of what an invoice was credited, at the merchant's wish. Returns of what was not: refunds/returns.py."""

from dataclasses import dataclass, replace
from datetime import datetime

import msgspec

from app.core import database, ids
from app.core.errors import ApiError, Code
from app.core.money import format_amount, parse_amount
from app.invoices.states import Status as InvoiceStatus
from app.invoices.states import can_refund
from app.ledger import service as ledger
from app.ledger.hashchain import ChainId
from app.merchants.members import Member
from app.merchants.roles import Permission
from app.merchants.terms import Mode
from app.networks.config import Asset
from app.networks.registry import Networks
from app.web import idempotency
from app.web.idempotency import Replay
from app.withdrawals import destinations, limits
from app.withdrawals.queries import live_refunds_raw
from app.withdrawals.service import NewWithdrawal, WithdrawalService, announce


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRefund:
    """What the merchant asks for, checked for form. `requested_by` is `api_key:…` or `account:ACC-…`."""

    amount: str
    refund_address: str
    refund_address_memo: str | None = None
    reason: str | None = None
    customer_visible_reason: str | None = None
    requested_by: str


class RefundService:
    """The use cases of a refund. One per process."""

    def __init__(self, networks: Networks, withdrawals: WithdrawalService) -> None:
        self._networks = networks
        self._withdrawals = withdrawals

    async def ask(
        self, by: Member, mode: Mode, invoice_id: str, new: NewRefund, replay: Replay, now: datetime
    ) -> bytes:
        """Ask for a refund in the cabinet: the member is the requester. Raises Forbidden, and what `create` raises."""
        by.require(Permission.REFUNDS_WRITE)
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
        """Ask for a refund and lock its amount; its JSON, the very bytes that a replay gives. It costs no fee.

        `by` is who asks, if not a key. Raises INVOICE_NOT_FOUND, INVALID_INPUT, INVALID_DESTINATION,
        MEMO_NOT_ALLOWED, REFUNDS_DISABLED, INVOICE_NOT_REFUNDABLE, REFUND_EXCEEDS_NET, DAILY_CAP_EXCEEDED,
        INSUFFICIENT_BALANCE, and ReplayExists.
        """
        invoice = await database.fetch_one(
            "SELECT network, asset FROM invoices WHERE id = $1 AND merchant = $2 AND mode = $3",
            invoice_id,
            merchant_id,
            mode,
        )
        if invoice is None:
            raise ApiError(Code.INVOICE_NOT_FOUND, "no such invoice")
        network = self._networks.get(invoice["network"])
        asset = network.asset(invoice["asset"])
        assert asset is not None, "assets are never removed from a network that has invoices"
        amount_raw = parse_amount(new.amount, asset.decimals)
        destination = await destinations.check(
            self._networks, network, new.refund_address, new.refund_address_memo, field="refund_address"
        )
        refund_id = ids.new_id(ids.REFUND)
        async with database.transaction():
            await ledger.lock([ChainId(owner=merchant_id, network=network.key, asset=asset.symbol)])
            if replay is not None:
                await idempotency.refuse_repeat(replay)
            await limits.refuse_if_paused("refunds")
            await _refuse_beyond_net(invoice_id, amount_raw, asset)
            await limits.refuse_beyond_cap(merchant_id, network, asset, amount_raw, now)
            await self._withdrawals.request(
                NewWithdrawal(
                    id=refund_id,
                    kind="refund",
                    merchant_id=merchant_id,
                    mode=mode,
                    network=network.key,
                    asset=asset.symbol,
                    source=merchant_id,
                    amount_raw=amount_raw,
                    fee_raw=0,
                    destination=destination,
                    destination_memo=None,
                    requested_by=new.requested_by,
                    approvals_required=asset.approvals_required(amount_raw),
                ),
                now,
            )
            await insert(
                refund_id,
                invoice_id=invoice_id,
                deposit_id=None,
                reason=new.reason,
                customer_visible_reason=new.customer_visible_reason,
            )
            if by is not None:
                await by.record(
                    "refund.requested",
                    refund_id,
                    now,
                    invoice=invoice_id,
                    asset=asset.symbol,
                    amount_raw=str(amount_raw),
                    destination=destination,
                )
            body = msgspec.json.encode(await self._withdrawals.tell(refund_id, now))
            if replay is not None:
                await idempotency.store(replay, 201, body, now)
        await announce()
        return body


async def insert(
    refund_id: str,
    *,
    invoice_id: str | None,
    deposit_id: str | None,
    reason: str | None,
    customer_visible_reason: str | None,
) -> None:
    """Write what a refund has beyond a withdrawal, in the caller's transaction."""
    database.in_transaction()
    await database.execute(
        "INSERT INTO refunds (id, invoice, deposit, reason, customer_visible_reason) VALUES ($1, $2, $3, $4, $5)",
        refund_id,
        invoice_id,
        deposit_id,
        reason,
        customer_visible_reason,
    )


async def _refuse_beyond_net(invoice_id: str, amount_raw: int, asset: Asset) -> None:
    """Lock the invoice and raise INVOICE_NOT_REFUNDABLE or REFUND_EXCEEDS_NET."""
    invoice = await database.fetch_one("SELECT status, credited_raw FROM invoices WHERE id = $1 FOR UPDATE", invoice_id)
    assert invoice is not None
    status = InvoiceStatus(invoice["status"])
    if not can_refund(status):
        raise ApiError(Code.INVOICE_NOT_REFUNDABLE, f"the invoice is {status}")
    left_raw = (invoice["credited_raw"] or 0) - await live_refunds_raw(invoice_id)
    if amount_raw > left_raw:
        left = format_amount(max(0, left_raw), asset.decimals)
        raise ApiError(Code.REFUND_EXCEEDS_NET, f"amount: {left} {asset.symbol} of the invoice's net are left")
