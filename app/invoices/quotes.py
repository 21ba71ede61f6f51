"""Choose what to pay a price with: a quote in one asset, with a rate, an exact amount and an address of its own.

The customer may choose again until a deposit is seen. Each quote keeps its address until it ends, and a payment that is
made before that pays the invoice, whichever quote was chosen last (deposits/matching.py).
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import asyncpg
import msgspec

from app.addresses.service import AddressBook, Reservation
from app.core import database, ids
from app.core.errors import ApiError, Code
from app.core.money import format_amount
from app.events import service as events
from app.invoices import quotes_repository
from app.invoices.asking import Quoted, Quoting, asked_for, check_bounds, explain_refusal, not_allowed
from app.invoices.creation_repository import UNIQUE_AMOUNT_WINDOW
from app.invoices.presentation import InvoiceBody, stored_choice
from app.invoices.pricing import price
from app.invoices.quotes_repository import NewQuote, PricedInvoice
from app.invoices.quoting import amount_of_price_raw
from app.invoices.reader import InvoiceReader
from app.invoices.service import InvoiceService
from app.invoices.states import AWAITS_PAYMENT
from app.merchants import settings
from app.merchants.terms import Mode, PriceTerms
from app.networks.config import Asset, NetworkConfig
from app.networks.registry import Networks, UnknownNetwork
from app.rates import service as rates
from app.web import idempotency
from app.web.idempotency import Replay

MAX_TRIES = 20
"""Attempts with another address or id before giving up: each fails only by a rare clash."""

LEAST_LEFT = timedelta(minutes=2)
"""A quote of the same asset that is good for longer than this is used again: choosing back and forth leases no further
addresses. One that ends sooner would be over before the customer has paid."""


class Choice(msgspec.Struct, frozen=True):
    """An asset that an invoice can be paid with, and about how much of it that would be now, fee included; in minor
    units. The amount is None where there is no rate, and the asset can't be chosen now.

    `worth_raw` is what that amount is worth by the rate, in minor units of the price's currency: more than the price
    where a spread or a fee is added to it. `price_raw` is the price in the same units.
    """

    network: NetworkConfig
    asset: Asset
    amount_raw: int | None
    worth_raw: int | None
    price_raw: int

    @property
    def amount_decimal(self) -> str:
        """The amount for people; empty where there is none."""
        return "" if self.amount_raw is None else format_amount(self.amount_raw, self.asset.decimals)


class QuoteService:
    """Makes quotes. One per process."""

    def __init__(
        self, networks: Networks, book: AddressBook, invoices: InvoiceService, reader: InvoiceReader, quoting: Quoting
    ) -> None:
        self._networks = networks
        self._book = book
        self._invoices = invoices
        self._reader = reader
        self._quoting = quoting

    async def choose_for(
        self, merchant_id: str, mode: Mode, invoice_id: str, symbol: str, chain: str, replay: Replay, now: datetime
    ) -> bytes:
        """Choose for the merchant, and return the invoice's JSON. Raises INVOICE_NOT_FOUND, what `choose` raises, and
        ReplayExists where `replay` is already there. Not inside a transaction."""
        invoice = await quotes_repository.find_priced(invoice_id)
        if invoice is None or (invoice.merchant, invoice.mode) != (merchant_id, mode):
            raise ApiError(Code.INVOICE_NOT_FOUND, "no such invoice")
        return await self._choose(invoice, symbol, chain, replay, now)

    async def choose(self, invoice_id: str, symbol: str, chain: str, now: datetime) -> InvoiceBody:
        """Choose as the customer who has the invoice's link.

        A quote of the asset that is still good is taken again. Raises INVOICE_NOT_QUOTABLE, PAY_IN_ASSET_NOT_ALLOWED,
        AMOUNT_TOO_SMALL, AMOUNT_TOO_LARGE, RATE_UNAVAILABLE, POOL_EXHAUSTED, INVOICES_DISABLED. Not inside a
        transaction.
        """
        invoice = await quotes_repository.find_priced(invoice_id)
        if invoice is None:
            raise ApiError(Code.INVOICE_NOT_FOUND, "no such invoice")
        return msgspec.json.decode(await self._choose(invoice, symbol, chain, None, now), type=InvoiceBody)

    async def choices(self, invoice_id: str, now: datetime) -> list[Choice]:
        """What an invoice can be paid with, in the merchant's order; empty where nothing can be chosen any more."""
        invoice = await quotes_repository.find_priced(invoice_id)
        if invoice is None or _why_not(invoice, now) is not None:
            return []
        priced, permitted = invoice.price, await self._permitted(invoice)
        found_rates = await rates.rates_now({asset.symbol for _, asset in permitted}, priced.currency, now)
        found = []
        for network, asset in permitted:
            pay_in_raw = worth_raw = None
            if (rate := found_rates.get(asset.symbol)) is not None:
                amount_raw = amount_of_price_raw(
                    priced.raw, priced.currency, invoice.spread_bps, rate.figure, asset.decimals
                )
                if not _is_within(amount_raw, asset):
                    continue
                pay_in_raw = price(amount_raw, invoice.service_fee_bps, invoice.fee_payer, 0, asset.decimals).pay_in_raw
                worth_raw = rates.to_minor_units(rates.worth_by(rate, pay_in_raw, asset.decimals), priced.currency)
            found.append(Choice(network, asset, pay_in_raw, worth_raw, priced.raw))
        return found

    async def _choose(
        self, invoice: PricedInvoice, symbol: str, chain: str, replay: Replay | None, now: datetime
    ) -> bytes:
        if replay is not None:
            await idempotency.refuse_repeat(replay)
        _refuse(invoice, now)
        network, asset = await self._permitted_one(invoice, symbol, chain)
        again = await self._take_again(invoice.id, network, asset, replay, now)
        if again is not None:
            return again
        terms = PriceTerms((invoice.price.currency,), invoice.spread_bps, invoice.quote_minutes)
        quoted = await self._quoting.rate(invoice.price, asset, terms, now)
        check_bounds(quoted.amount_raw, asset.min_raw, asset.max_raw, asset)
        for _ in range(MAX_TRIES):
            reservation = await self._book.take(network, now)
            try:
                body = await self._write(invoice, network, asset, quoted, terms, reservation, replay, now)
            except asyncpg.UniqueViolationError:  # of the quote's id
                self._book.give_back(network, reservation)
                continue
            except (ApiError, idempotency.ReplayExists):
                self._book.give_back(network, reservation)
                raise
            if body is not None:
                await events.announce()
                return body
            await explain_refusal(invoice.merchant, network, asset, quoted.amount_raw)
        raise ApiError(Code.POOL_EXHAUSTED, f"no {network.chain} address is free", retry_after_s=60)

    async def _write(
        self,
        invoice: PricedInvoice,
        network: NetworkConfig,
        asset: Asset,
        quoted: Quoted,
        terms: PriceTerms,
        reservation: Reservation,
        replay: Replay | None,
        now: datetime,
    ) -> bytes | None:
        """Write the quote and let the invoice take it, in one transaction; None where the address can't be leased."""
        async with database.transaction():
            locked = await quotes_repository.lock_priced(invoice.id)
            if replay is not None:
                await idempotency.refuse_repeat(replay)
            _refuse(locked, now)
            asked = asked_for(network, asset, quoted.amount_raw, locked.service_fee_bps, locked.fee_payer, reservation)
            row = quoted.row(ids.new_id(ids.QUOTE), locked.id, asked, terms, now, locked.expires_at)
            new = NewQuote(
                row=row, merchant=locked.merchant, holder=reservation.holder, unique_since=now - UNIQUE_AMOUNT_WINDOW
            )
            if not await quotes_repository.add(new):
                return None
            return await self._taken(locked, row.id, replay, now)

    async def _take_again(
        self, invoice_id: str, network: NetworkConfig, asset: Asset, replay: Replay | None, now: datetime
    ) -> bytes | None:
        """Take a quote of this asset that is still good for a while; None where there is none."""
        async with database.transaction():
            locked = await quotes_repository.lock_priced(invoice_id)
            if replay is not None:
                await idempotency.refuse_repeat(replay)
            _refuse(locked, now)
            living = await quotes_repository.living(invoice_id, now + LEAST_LEFT)
            same = [one for one in living if (one.network, one.asset) == (network.key, asset.symbol)]
            if not same:
                return None
            body = await self._taken(locked, same[0].id, replay, now)
        await events.announce()
        return body

    async def _taken(self, invoice: PricedInvoice, quote_id: str, replay: Replay | None, now: datetime) -> bytes:
        """Let the invoice take the quote, if it hasn't, and store the answer, in the caller's transaction."""
        if invoice.quote == quote_id:
            shown = await self._reader.get_any(invoice.id)
        else:
            shown = await self._invoices.choose(invoice.id, invoice.status, quote_id, now)
        body = msgspec.json.encode(shown)
        if replay is not None:
            await idempotency.store(replay, 201, body, now)
        return body

    async def _permitted_one(self, invoice: PricedInvoice, symbol: str, chain: str) -> tuple[NetworkConfig, Asset]:
        """The asset that was chosen. Raises PAY_IN_ASSET_NOT_ALLOWED."""
        try:
            network = self._networks.by(chain, invoice.mode)
        except UnknownNetwork:
            raise not_allowed(symbol, chain) from None
        asset = network.asset(symbol)
        if asset is None or (network.key, symbol) not in {
            (each.key, one.symbol) for each, one in await self._permitted(invoice)
        }:
            raise not_allowed(symbol, chain)
        return network, asset

    async def _permitted(self, invoice: PricedInvoice) -> list[tuple[NetworkConfig, Asset]]:
        """What the invoice may be paid with, in the merchant's order: what its request names, else what is offered."""
        named: Sequence[str] | None = invoice.pay_in_assets
        found = []
        for each in await settings.offered_assets(invoice.merchant, invoice.mode):
            stored = stored_choice(each.network, each.asset)
            if stored in named if named is not None else each.offered:
                network = self._networks.get(each.network)
                if (asset := network.asset(each.asset)) is not None:
                    found.append((network, asset))
        return found


def _refuse(invoice: PricedInvoice, now: datetime) -> None:
    """Raise INVOICE_NOT_QUOTABLE unless the customer may choose."""
    if (reason := _why_not(invoice, now)) is not None:
        raise ApiError(Code.INVOICE_NOT_QUOTABLE, reason)


def _why_not(invoice: PricedInvoice, now: datetime) -> str | None:
    """Why nothing can be chosen for an invoice; None where it can."""
    if invoice.price_raw is None:
        return "the invoice names its asset"
    if invoice.status not in AWAITS_PAYMENT:
        return f"the invoice is {invoice.status}"
    if invoice.expires_at <= now:
        return "the invoice's time is up"
    if invoice.has_deposits:
        return "a deposit was seen"
    if invoice.merchant_standing in ("suspended", "banned"):
        return "the merchant takes no payments at the moment"
    return None


def _is_within(amount_raw: int, asset: Asset) -> bool:
    return (asset.min_raw or 0) <= amount_raw and (asset.max_raw is None or amount_raw <= asset.max_raw)
