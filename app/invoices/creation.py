"""Create an invoice: check, price, lease an address, and write all in one statement (creation_repository.py).

Every condition that might fail is in that statement, and a refusal changes nothing. Further queries find the reason
only after a refusal.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import asyncpg
import msgspec

from app.addresses.service import AddressBook, Reservation
from app.core import ids
from app.core.crypto import hmac_sha256
from app.core.errors import ApiError, Code
from app.core.money import format_amount, parse_amount
from app.invoices import creation_repository, repository
from app.invoices.creation_repository import Insertion, NewRows
from app.invoices.presentation import InvoicePresenter
from app.invoices.pricing import FeePayer, price, tail_of_lease
from app.invoices.reading_repository import InvoiceRow
from app.invoices.states import Status
from app.merchants.members import Member
from app.merchants.roles import Permission
from app.merchants.service import terms_of
from app.merchants.terms import Mode, Terms
from app.networks.config import Asset, NetworkConfig
from app.networks.registry import Networks, UnknownNetwork
from app.web import idempotency_repository
from app.web.idempotency import Replay, ReplayExists
from app.webhooks.invoice_overrides import WebhookOverrides

MAX_TRIES = 20
"""Attempts with another address or id before giving up: each fails only by a rare clash."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewInvoice:
    """An invoice that a merchant requests, its form checked; asset and amount are checked when it is created."""

    amount: str
    currency: str
    chain: str
    description: str | None = None
    order_id: str | None = None
    customer_id: str | None = None
    customer_email: str | None = None
    success_url: str | None = None
    fail_url: str | None = None
    webhook_url: str | None = None
    metadata: bytes = b"{}"
    expires_in: timedelta
    fee_payer: FeePayer | None = None


class InvoiceCreation:
    """Creates invoices. One per process."""

    def __init__(
        self,
        networks: Networks,
        book: AddressBook,
        presenter: InvoicePresenter,
        overrides: WebhookOverrides,
        email_hash_secret: bytes,
    ) -> None:
        self._networks = networks
        self._book = book
        self._presenter = presenter
        self._overrides = overrides
        self._email_hash_secret = email_hash_secret
        self._insertion = Insertion()

    async def create_by(self, by: Member, mode: Mode, new: NewInvoice, replay: Replay, now: datetime) -> bytes:
        """Create an invoice in the cabinet, with its audit row; else as `create`. Raises Forbidden."""
        by.require(Permission.INVOICES_WRITE)
        return await self.create(await terms_of(by.merchant_id, mode), new, replay, now, by)

    async def create(
        self, terms: Terms, new: NewInvoice, replay: Replay | None, now: datetime, by: Member | None = None
    ) -> bytes:
        """Create an invoice, and return its JSON, the same bytes that a replay returns. `by` is the member, if not a
        key.

        Raises PAY_IN_ASSET_NOT_ALLOWED, AMOUNT_TOO_SMALL, AMOUNT_TOO_LARGE, DUPLICATE_ORDER_ID, POOL_EXHAUSTED,
        INVOICES_DISABLED, INVALID_INPUT, and ReplayExists where `replay` is already there. Not inside a
        transaction.
        """
        network, asset = self._pay_in(terms, new)
        amount_raw = parse_amount(new.amount, asset.decimals)
        _check_bounds(amount_raw, asset.min_raw, asset.max_raw, asset)
        if new.webhook_url is not None:
            url = await self._overrides.admit(terms.merchant_id, terms.mode, new.webhook_url, now)
            new = replace(new, webhook_url=url)
        for _ in range(MAX_TRIES):
            reservation = await self._book.take(network, now)
            row = self._row(terms, new, network, asset, amount_raw, reservation, now)
            body = msgspec.json.encode(self._presenter.body(row, [], 0, None))
            try:
                if await self._insertion.write(NewRows(row, body, reservation.holder, replay, by)):
                    return body
                await _explain_refusal(terms, network, asset, amount_raw)
            except asyncpg.UniqueViolationError as error:
                self._book.give_back(network, reservation)
                await _explain_clash(getattr(error, "constraint_name", None), terms, new, replay)
            except ApiError:
                self._book.give_back(network, reservation)
                raise
        raise ApiError(Code.POOL_EXHAUSTED, f"no {network.chain} address is free", retry_after_s=60)

    def email_hash(self, email: str) -> bytes:
        """The keyed hash of a customer's e-mail address, for searching. Upper and lower case give the same."""
        return hmac_sha256(self._email_hash_secret, email.strip().lower().encode())

    def _pay_in(self, terms: Terms, new: NewInvoice) -> tuple[NetworkConfig, Asset]:
        try:
            network = self._networks.by(new.chain, terms.mode)
        except UnknownNetwork:
            raise _not_allowed(new.currency, new.chain) from None
        asset = network.asset(new.currency)
        if asset is None:
            raise _not_allowed(new.currency, new.chain)
        return network, asset

    def _row(
        self,
        terms: Terms,
        new: NewInvoice,
        network: NetworkConfig,
        asset: Asset,
        amount_raw: int,
        reservation: Reservation,
        now: datetime,
    ) -> InvoiceRow:
        """The new row of `invoices`."""
        fee_payer = new.fee_payer or terms.fee_payer
        tail = tail_of_lease(reservation.lease_count) if network.address_mode == "pool" else 0
        priced = price(amount_raw, terms.service_fee_bps, fee_payer, tail, asset.decimals)
        if priced.net_raw <= 0:
            raise ApiError(Code.AMOUNT_TOO_SMALL, "amount: must be more than the service fee")
        return InvoiceRow(
            id=ids.new_id(ids.INVOICE),
            merchant=terms.merchant_id,
            mode=terms.mode,
            status=Status.AWAITING_DEPOSIT.value,
            needs_review=False,
            network=network.key,
            asset=asset.symbol,
            amount_raw=amount_raw,
            service_fee_bps=terms.service_fee_bps,
            service_fee_raw=priced.service_fee_raw,
            fee_payer=fee_payer,
            cent_tail=tail,
            pay_in_raw=priced.pay_in_raw,
            net_raw=priced.net_raw,
            deposit_address=reservation.id,
            address=reservation.address,
            confirmations_required=network.confirmations_for(asset.symbol, priced.pay_in_raw),
            received_raw=0,
            credited_raw=None,
            refunded_raw=0,
            description=new.description,
            order_id=new.order_id,
            holds_order_id=new.order_id is not None,
            customer_id=new.customer_id,
            customer_email_hash=self.email_hash(new.customer_email) if new.customer_email else None,
            success_url=new.success_url,
            fail_url=new.fail_url,
            webhook_url=new.webhook_url,
            metadata=new.metadata.decode(),
            expires_at=now + new.expires_in,
            created_at=now,
            paid_at=None,
            accept_parts=terms.accept_parts,
        )


def _not_allowed(currency: str, chain: str) -> ApiError:
    return ApiError(Code.PAY_IN_ASSET_NOT_ALLOWED, f"currency: {currency} on {chain} is not enabled")


def _check_bounds(amount_raw: int, min_raw: int | None, max_raw: int | None, asset: Asset) -> None:
    if min_raw is not None and amount_raw < min_raw:
        least = format_amount(min_raw, asset.decimals)
        raise ApiError(Code.AMOUNT_TOO_SMALL, f"amount: must be at least {least} {asset.symbol}")
    if max_raw is not None and amount_raw > max_raw:
        most = format_amount(max_raw, asset.decimals)
        raise ApiError(Code.AMOUNT_TOO_LARGE, f"amount: must be at most {most} {asset.symbol}")


async def _explain_refusal(terms: Terms, network: NetworkConfig, asset: Asset, amount_raw: int) -> None:
    """Raise the reason why `INSERT` refused; return if it was the address, so that another is tried."""
    if await creation_repository.are_paused():
        raise ApiError(Code.INVOICES_DISABLED, "new invoices are paused", retry_after_s=60)
    bounds = await creation_repository.bounds_of(terms.merchant_id, network.key, asset.symbol)
    if bounds is None:
        raise _not_allowed(asset.symbol, network.chain)
    _check_bounds(amount_raw, bounds.min_raw, bounds.max_raw, asset)


async def _explain_clash(constraint: str | None, terms: Terms, new: NewInvoice, replay: Replay | None) -> None:
    """Raise the reason of a unique key's violation; return if another try may succeed."""
    if replay is not None and await idempotency_repository.exists(replay.id):
        raise ReplayExists
    if constraint == "invoices_order_id_once":
        holder = await repository.holder_of_order_id(terms.merchant_id, terms.mode, new.order_id)
        if holder is None:  # expired or cancelled meanwhile
            return
        raise ApiError(Code.DUPLICATE_ORDER_ID, "order_id: an open or paid invoice has it already", invoice_id=holder)
    if constraint not in ("invoices_pkey", "idempotency_records_pkey"):
        raise RuntimeError(f"unexpected clash at {constraint}")
