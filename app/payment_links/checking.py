"""What a payment link asks for, checked: from what was sent to the columns of its row."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from app.core import currencies
from app.core.errors import ApiError, Code, invalid
from app.core.money import format_amount, parse_amount
from app.invoices import creation_repository
from app.invoices.asking import check_bounds, not_allowed
from app.invoices.presentation import AssetOnChain, stored_choice
from app.invoices.quoting import MAX_PRICE_DIGITS, format_price
from app.invoices.return_urls import check_return_url
from app.merchants.repository import enabled_assets
from app.merchants.terms import Mode, Terms
from app.networks.config import Asset, NetworkConfig
from app.networks.registry import Networks, UnknownNetwork
from app.payment_links.repository import LinkRow

MAX_PAYMENTS = 10_000
"""The largest limit of payments: they are counted before each invoice. A link without a limit may have any number."""


class LinkTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What a merchant asks for with a link, its form checked. Amounts are decimals in `currency`.

    `chain` is None for a price in a national currency. `amount` is None where the customer enters one, from
    `min_amount` to `max_amount`; each of them may be None. `metadata` is JSON.
    """

    currency: str
    chain: str | None = None
    amount: str | None = None
    min_amount: str | None = None
    max_amount: str | None = None
    pay_in_assets: tuple[AssetOnChain, ...] | None = None
    description: str | None = None
    max_payments: int | None = None
    expires_at: datetime | None = None
    success_url: str | None = None
    metadata: bytes = b"{}"
    active: bool = True


class Unit(msgspec.Struct, frozen=True):
    """What a link's amounts are in: an asset on a network, or a national currency."""

    currency: str
    network: NetworkConfig | None = None
    asset: Asset | None = None

    @classmethod
    def of(cls, networks: Networks, network_key: str | None, currency: str) -> "Unit":
        """The unit of a stored link."""
        if network_key is None:
            return cls(currency)
        network = networks.get(network_key)
        asset = network.asset(currency)
        assert asset is not None, "assets are never removed from a network that has links"
        return cls(currency, network, asset)

    @property
    def places(self) -> int:
        """Decimal places of an amount."""
        return currencies.places(self.currency) if self.asset is None else self.asset.decimals

    def parse(self, text: str, field: str) -> int:
        """An amount in minor units. Raises INVALID_INPUT naming `field`."""
        raw = parse_amount(text, self.places, field)
        if self.asset is None and len(str(raw)) > MAX_PRICE_DIGITS:
            raise invalid(field, f"must have at most {MAX_PRICE_DIGITS} digits")
        return raw

    def format(self, raw: int) -> str:
        """The decimal form of an amount."""
        return format_price(raw, self.currency) if self.asset is None else format_amount(raw, self.asset.decimals)


class Amounts(msgspec.Struct, frozen=True):
    """What is asked for, in minor units: one amount, or the bounds of the customer's own."""

    amount_raw: int | None
    min_raw: int | None
    max_raw: int | None


async def unit_of(networks: Networks, terms: Terms, asked: LinkTerms) -> Unit:
    """What a new link's amounts are in. Raises INVALID_INPUT, PAY_IN_ASSET_NOT_ALLOWED."""
    if asked.chain is None:
        if not currencies.is_currency(asked.currency):
            raise invalid("chain", f"must be given, since {asked.currency} is not a national currency")
        if asked.currency not in terms.prices.currencies:
            raise ApiError(Code.PAY_IN_ASSET_NOT_ALLOWED, f"currency: prices in {asked.currency} are not enabled")
        return Unit(asked.currency)
    network, asset = _on_chain(networks, terms.mode, AssetOnChain(asset=asked.currency, chain=asked.chain))
    if await creation_repository.bounds_of(terms.merchant_id, network.key, asset.symbol) is None:
        raise not_allowed(asset.symbol, network.chain)
    return Unit(asset.symbol, network, asset)


async def checked_amounts(merchant_id: str, unit: Unit, asked: LinkTerms) -> Amounts:
    """What is asked for. Raises INVALID_INPUT, AMOUNT_TOO_SMALL, AMOUNT_TOO_LARGE."""
    if asked.amount is not None:
        for field in ("min_amount", "max_amount"):
            if getattr(asked, field) is not None:
                raise invalid(field, "goes with an open amount: leave amount out")
        amount_raw = unit.parse(asked.amount, "amount")
        if unit.network is not None and unit.asset is not None:
            check_bounds(amount_raw, unit.asset.min_raw, unit.asset.max_raw, unit.asset)
            bounds = await creation_repository.bounds_of(merchant_id, unit.network.key, unit.asset.symbol)
            if bounds is not None:
                check_bounds(amount_raw, bounds.min_raw, bounds.max_raw, unit.asset)
        return Amounts(amount_raw, None, None)
    min_raw = None if asked.min_amount is None else unit.parse(asked.min_amount, "min_amount")
    max_raw = None if asked.max_amount is None else unit.parse(asked.max_amount, "max_amount")
    if min_raw is not None and max_raw is not None and max_raw < min_raw:
        raise invalid("max_amount", "must not be less than min_amount")
    return Amounts(None, min_raw, max_raw)


async def checked_choices(
    networks: Networks, merchant_id: str, mode: Mode, unit: Unit, given: Sequence[AssetOnChain] | None
) -> list[str] | None:
    """What a price may be paid with, as it is stored. Raises INVALID_INPUT, PAY_IN_ASSET_NOT_ALLOWED."""
    if given is None:
        return None
    if unit.asset is not None:
        raise invalid("pay_in_assets", "goes with a price in a national currency, without chain")
    if not given or len(set(given)) != len(given):
        raise invalid("pay_in_assets", "must name at least one asset, and each once")
    enabled = {(one.network, one.asset) for one in await enabled_assets(merchant_id, mode)}
    found = [_on_chain(networks, mode, each) for each in given]
    for network, asset in found:
        if (network.key, asset.symbol) not in enabled:
            raise not_allowed(asset.symbol, network.chain)
    return [stored_choice(network.key, asset.symbol) for network, asset in found]


def check_rest(asked: LinkTerms, mode: Mode, now: datetime, *, before: LinkRow | None = None) -> None:
    """Raise INVALID_INPUT for a limit, an end or a URL that can't be. An end that was set before may have passed."""
    if asked.max_payments is not None and not 1 <= asked.max_payments <= MAX_PAYMENTS:
        raise invalid("max_payments", f"must be a whole number from 1 to {MAX_PAYMENTS}")
    is_new_end = before is None or before.expires_at != asked.expires_at
    if asked.expires_at is not None and is_new_end and asked.expires_at <= now:
        raise invalid("expires_at", "must be in the future")
    check_return_url("success_url", asked.success_url, mode=mode)


def _on_chain(networks: Networks, mode: Mode, one: AssetOnChain) -> tuple[NetworkConfig, Asset]:
    try:
        network = networks.by(one.chain, mode)
    except UnknownNetwork:
        raise not_allowed(one.asset, one.chain) from None
    asset = network.asset(one.asset)
    if asset is None:
        raise not_allowed(one.asset, one.chain)
    return network, asset
