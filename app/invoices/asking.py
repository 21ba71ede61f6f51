"""What an invoice or a quote asks for: the figures of both, their bounds, and why one of them is refused."""

from datetime import datetime, timedelta

import msgspec

from app.addresses.service import Reservation
from app.core.errors import ApiError, Code
from app.core.money import format_amount
from app.invoices import creation_repository
from app.invoices.pricing import FeePayer, price, tail_of_lease
from app.invoices.quotes_repository import QuoteRow
from app.invoices.quoting import PriceOf, amount_of_price_raw
from app.invoices.reading_repository import Asked, ShownQuote
from app.merchants.terms import PriceTerms
from app.networks.config import Asset, NetworkConfig
from app.rates import service as rates
from app.rates.rate import Rate

KEPT_IDS = 1_000
"""Ids of kept rates that a process remembers: more than the pairs that are refreshed within a minute."""


class Quoted(msgspec.Struct, frozen=True):
    """What a price is in an asset by a rate that is kept under `rate_id`; in minor units of the asset."""

    price: PriceOf
    amount_raw: int
    rate: Rate
    rate_id: int

    def row(
        self, quote_id: str, invoice_id: str, asked: Asked, terms: PriceTerms, now: datetime, ends_at: datetime
    ) -> QuoteRow:
        """The quote's row. It ends when the merchant's terms say so, and never after the invoice."""
        return QuoteRow(
            id=quote_id,
            invoice=invoice_id,
            rate=self.rate_id,
            spread_bps=terms.spread_bps,
            created_at=now,
            expires_at=min(now + timedelta(minutes=terms.quote_minutes), ends_at),
            state="open",
            **msgspec.structs.asdict(asked),
        )

    def shown(self, quote: QuoteRow, asked: Asked) -> ShownQuote:
        """The quote as it will be read; `asked` is what it asks for."""
        return ShownQuote(
            id=quote.id,
            state="open",
            spread_bps=quote.spread_bps,
            figure=self.rate.figure,
            sources=self.rate.sources,
            rate_at=self.rate.at,
            created_at=quote.created_at,
            expires_at=quote.expires_at,
            **msgspec.structs.asdict(asked),
        )


class Quoting:
    """Finds what prices are in assets. One per process: it remembers which rates are kept."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str, datetime], int] = {}

    async def rate(self, priced: PriceOf, asset: Asset, terms: PriceTerms, now: datetime) -> Quoted:
        """What a price is in an asset now; the rate is kept. Raises RATE_UNAVAILABLE. Not inside a transaction, so that
        what is remembered is stored."""
        rate = await rates.rate_now(asset.symbol, priced.currency, now)
        name = (rate.base, rate.quote, rate.refreshed_at)
        rate_id = self._kept.get(name)
        if rate_id is None:
            rate_id = await rates.keep(rate)
            if len(self._kept) >= KEPT_IDS:
                self._kept.clear()
            self._kept[name] = rate_id
        amount_raw = amount_of_price_raw(priced.raw, priced.currency, terms.spread_bps, rate.figure, asset.decimals)
        return Quoted(priced, amount_raw, rate, rate_id)


def asked_for(
    network: NetworkConfig,
    asset: Asset,
    amount_raw: int,
    service_fee_bps: int,
    fee_payer: FeePayer,
    reservation: Reservation,
) -> Asked:
    """The figures of an amount at a reserved address. Raises AMOUNT_TOO_SMALL."""
    tail = tail_of_lease(reservation.lease_count) if network.address_mode == "pool" else 0
    priced = price(amount_raw, service_fee_bps, fee_payer, tail, asset.decimals)
    if priced.net_raw <= 0:
        raise ApiError(Code.AMOUNT_TOO_SMALL, "amount: must be more than the service fee")
    return Asked(
        network=network.key,
        asset=asset.symbol,
        amount_raw=amount_raw,
        service_fee_raw=priced.service_fee_raw,
        cent_tail=tail,
        pay_in_raw=priced.pay_in_raw,
        net_raw=priced.net_raw,
        deposit_address=reservation.id,
        address=reservation.address,
        confirmations_required=network.confirmations_for(asset.symbol, priced.pay_in_raw),
    )


def check_bounds(amount_raw: int, min_raw: int | None, max_raw: int | None, asset: Asset) -> None:
    """Raise AMOUNT_TOO_SMALL or AMOUNT_TOO_LARGE for an amount outside of the bounds, in minor units."""
    if min_raw is not None and amount_raw < min_raw:
        least = format_amount(min_raw, asset.decimals)
        raise ApiError(Code.AMOUNT_TOO_SMALL, f"amount: must be at least {least} {asset.symbol}")
    if max_raw is not None and amount_raw > max_raw:
        most = format_amount(max_raw, asset.decimals)
        raise ApiError(Code.AMOUNT_TOO_LARGE, f"amount: must be at most {most} {asset.symbol}")


async def explain_refusal(merchant_id: str, network: NetworkConfig, asset: Asset, amount_raw: int) -> None:
    """Raise the reason why a statement refused to lease an address; return if it was the address itself, so that
    another is tried."""
    if await creation_repository.are_paused():
        raise ApiError(Code.INVOICES_DISABLED, "new invoices are paused", retry_after_s=60)
    bounds = await creation_repository.bounds_of(merchant_id, network.key, asset.symbol)
    if bounds is None:
        raise not_allowed(asset.symbol, network.chain)
    check_bounds(amount_raw, bounds.min_raw, bounds.max_raw, asset)


def not_allowed(symbol: str, chain: str) -> ApiError:
    """PAY_IN_ASSET_NOT_ALLOWED about one asset."""
    return ApiError(Code.PAY_IN_ASSET_NOT_ALLOWED, f"currency: {symbol} on {chain} is not enabled")
