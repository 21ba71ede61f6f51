"""Making an invoice: the gateway's hottest write, hence one statement.

`_INSERT` leases the address and writes invoice, event, idempotency and audit record in one round trip and one commit.
It is the one place where a noun writes other nouns' tables; every condition that might fail is in it, and a
refusal changes nothing. Only then is it found out, with more queries, what was wrong.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import msgspec

from app.addresses.service import AddressBook, Reservation
from app.core import database, ids
from app.core.crypto import hmac_sha256
from app.core.database import NamedStatement
from app.core.errors import ApiError, Code
from app.core.money import format_amount, parse_amount
from app.events import service as events
from app.invoices.presentation import InvoiceBody, InvoicePresenter, event_data
from app.invoices.pricing import FeePayer, price, tail_of_lease
from app.invoices.states import Status
from app.invoices.tables import Invoice
from app.merchants.members import Member
from app.merchants.queries import terms_of
from app.merchants.roles import Permission
from app.merchants.terms import Mode, Terms
from app.networks.config import Asset, NetworkConfig
from app.networks.registry import Networks, UnknownNetwork
from app.web.idempotency import Replay, ReplayExists
from app.webhooks.implicit import WebhookOverrides

UNIQUE_AMOUNT_WINDOW = timedelta(days=30)
"""How long (address, amount) stays one invoice's alone (contract, section 3)."""

MAX_TRIES = 20
"""Attempts with another address or id before giving up: each fails only by a rare clash."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewInvoice:
    """What the merchant asks for, checked for form; what depends on the asset or the merchant is checked here."""

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
    """The use case. One per process."""

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

    async def ask(self, by: Member, mode: Mode, new: NewInvoice, replay: Replay, now: datetime) -> bytes:
        """Make an invoice in the cabinet, with its audit row; else as `create`. Raises Forbidden."""
        by.require(Permission.INVOICES_WRITE)
        return await self.create(await terms_of(by.merchant_id, mode), new, replay, now, by)

    async def create(
        self, terms: Terms, new: NewInvoice, replay: Replay | None, now: datetime, by: Member | None = None
    ) -> bytes:
        """Make an invoice; its JSON, the very bytes that a replay gives. `by` is who asks, if not a key.

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
            invoice = self._presenter.body(row, [], 0)
            try:
                if await _insert(row, invoice, reservation, replay, by, now):
                    await events.announce()
                    return msgspec.json.encode(invoice)
                await _explain_refusal(terms, network, asset, amount_raw)
            except asyncpg.UniqueViolationError as error:
                self._book.give_back(network, reservation)
                await _explain_clash(getattr(error, "constraint_name", None), replay)
            except ApiError:
                self._book.give_back(network, reservation)
                raise
        raise ApiError(Code.POOL_EXHAUSTED, f"no {network.chain} address is free", retry_after_s=60)

    def email_hash(self, email: str) -> bytes:
        """The keyed hash under which a customer's e-mail is kept for matching, whatever its case."""
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
    ) -> dict[str, Any]:
        """The new row of `invoices`."""
        fee_payer = new.fee_payer or terms.fee_payer
        tail = tail_of_lease(reservation.lease_count) if network.address_mode == "pool" else 0
        priced = price(amount_raw, terms.service_fee_bps, fee_payer, tail, asset.decimals)
        if priced.net_raw <= 0:
            raise ApiError(Code.AMOUNT_TOO_SMALL, "amount: must be more than the service fee")
        return {
            "id": ids.new_id(ids.INVOICE),
            "merchant": terms.merchant_id,
            "mode": terms.mode,
            "status": Status.AWAITING_DEPOSIT.value,
            "needs_review": False,
            "network": network.key,
            "asset": asset.symbol,
            "amount_raw": amount_raw,
            "service_fee_bps": terms.service_fee_bps,
            "service_fee_raw": priced.service_fee_raw,
            "fee_payer": fee_payer,
            "cent_tail": tail,
            "pay_in_raw": priced.pay_in_raw,
            "net_raw": priced.net_raw,
            "deposit_address": reservation.id,
            "address": reservation.address,
            "confirmations_required": network.confirmations,
            "received_raw": 0,
            "credited_raw": None,
            "refunded_raw": 0,
            "description": new.description,
            "order_id": new.order_id,
            "holds_order_id": new.order_id is not None,
            "customer_id": new.customer_id,
            "customer_email_hash": self.email_hash(new.customer_email) if new.customer_email else None,
            "success_url": new.success_url,
            "fail_url": new.fail_url,
            "webhook_url": new.webhook_url,
            "metadata": new.metadata.decode(),
            "expires_at": now + new.expires_in,
            "created_at": now,
            "paid_at": None,
        }


def _not_allowed(currency: str, chain: str) -> ApiError:
    return ApiError(Code.PAY_IN_ASSET_NOT_ALLOWED, f"currency: {currency} on {chain} is not enabled")


def _check_bounds(amount_raw: int, min_raw: int | None, max_raw: int | None, asset: Asset) -> None:
    if min_raw is not None and amount_raw < min_raw:
        least = format_amount(min_raw, asset.decimals)
        raise ApiError(Code.AMOUNT_TOO_SMALL, f"amount: must be at least {least} {asset.symbol}")
    if max_raw is not None and amount_raw > max_raw:
        most = format_amount(max_raw, asset.decimals)
        raise ApiError(Code.AMOUNT_TOO_LARGE, f"amount: must be at most {most} {asset.symbol}")


async def _insert(
    row: Mapping[str, Any],
    invoice: InvoiceBody,
    reservation: Reservation,
    replay: Replay | None,
    by: Member | None,
    now: datetime,
) -> bool:
    """Run `_INSERT`; False if a condition in it was not met. Raises UniqueViolationError."""
    values = {
        **row,
        "holder": reservation.holder,
        "unique_since": now - UNIQUE_AMOUNT_WINDOW,
        "event_id": ids.new_event_id(),
        "event_data": event_data(invoice).decode(),
        "replay_id": replay.id if replay else None,
        "request_hash": replay.request_hash if replay else None,
        "body": msgspec.json.encode(invoice).decode(),
        "actor": by.actor if by else None,
        "actor_address": by.address if by else None,
    }
    inserted = await database.fetch_value(_INSERT.sql, *_INSERT.args(values))
    return inserted is not None


async def _explain_refusal(terms: Terms, network: NetworkConfig, asset: Asset, amount_raw: int) -> None:
    """Raise what `_INSERT` refused; return if it was the address, so that another is tried."""
    if await database.fetch_value("SELECT 1 FROM switches WHERE name = 'invoices'"):
        raise ApiError(Code.INVOICES_DISABLED, "new invoices are paused", retry_after_s=60)
    permitted = await database.fetch_one(
        "SELECT min_raw, max_raw FROM merchant_assets WHERE merchant = $1 AND network = $2 AND asset = $3 AND enabled",
        terms.merchant_id,
        network.key,
        asset.symbol,
    )
    if permitted is None:
        raise _not_allowed(asset.symbol, network.chain)
    _check_bounds(amount_raw, permitted["min_raw"], permitted["max_raw"], asset)


async def _explain_clash(constraint: str | None, replay: Replay | None) -> None:
    """Raise what a unique key refused; return if it was the invoice's random id, so that another is tried."""
    if replay is not None and await database.fetch_value("SELECT 1 FROM idempotency_records WHERE id = $1", replay.id):
        raise ReplayExists
    if constraint == "invoices_order_id_once":
        raise ApiError(Code.DUPLICATE_ORDER_ID, "order_id: an open or paid invoice has it already")
    if constraint not in ("invoices_pkey", "idempotency_records_pkey"):
        raise RuntimeError(f"unexpected clash at {constraint}")


_COLUMNS = [column._meta.name for column in Invoice._meta.columns]

_INSERT = NamedStatement(
    f"""
    WITH permitted AS (
        SELECT 1 FROM merchant_assets
        WHERE merchant = :merchant AND network = :network AND asset = :asset AND enabled
            AND :amount_raw >= coalesce(min_raw, 0) AND :amount_raw <= coalesce(max_raw, :amount_raw)
            AND NOT EXISTS (SELECT 1 FROM switches WHERE name = 'invoices')
    ), lease AS (
        UPDATE deposit_addresses
        SET invoice_id = :id, lease_count = lease_count + 1, reserved_by = NULL, reserved_until = NULL
        WHERE id = :deposit_address AND reserved_by = :holder AND reserved_until > :created_at
            AND invoice_id IS NULL
            AND EXISTS (SELECT 1 FROM permitted)
            AND NOT EXISTS (
                SELECT 1 FROM invoices earlier
                WHERE earlier.deposit_address = :deposit_address AND earlier.created_at > :unique_since
                    AND earlier.asset = :asset AND earlier.pay_in_raw = :pay_in_raw
            )
        RETURNING id
    ), invoice AS (
        INSERT INTO invoices ({", ".join(_COLUMNS)})
        SELECT {", ".join(f":{column}" for column in _COLUMNS)} FROM lease
        RETURNING id
    ), event AS (
        INSERT INTO events (event_id, merchant_id, mode, type, subject_id, data, override_url, created_at)
        SELECT :event_id, :merchant, :mode, 'invoice.created', id, :event_data, :webhook_url, :created_at
        FROM invoice
    ), replay AS (
        INSERT INTO idempotency_records (id, merchant_id, request_hash, status, body, created_at)
        SELECT :replay_id, :merchant, :request_hash, 201, :body, :created_at
        FROM invoice WHERE :replay_id::bytea IS NOT NULL
    ), audit AS (
        INSERT INTO audit_entries (at, actor, action, subject, merchant_id, address, details)
        SELECT :created_at, :actor, 'invoice.created', id, :merchant, :actor_address, '{{}}'
        FROM invoice WHERE :actor::varchar IS NOT NULL
    )
    SELECT id FROM invoice
    """
)
