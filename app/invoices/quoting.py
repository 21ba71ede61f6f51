"""What a price in a national currency is in an asset: pure arithmetic in whole numbers.

The rule in one sentence: the amount is the least that is worth the price with the merchant's spread, rounded up to six
significant digits, or to as many more as it takes to be over by less than one minor unit of the currency (a cent), and
never to more places than the asset has.

So it is never worth less than price and spread, and over by less than 1/100,000 of itself and less than a cent; only
where one minor unit of the asset is worth more than that, it is over by less than this unit. Service fee and tail come
on top of it or out of it as for any invoice (pricing.py).
"""

from decimal import Decimal

import msgspec

from app.core import currencies
from app.core.errors import invalid
from app.core.money import format_amount, parse_amount
from app.invoices.pricing import BPS


class PriceOf(msgspec.Struct, frozen=True):
    """A price in minor units of a national currency."""

    raw: int
    currency: str


TYPABLE_DIGITS = 6
"""Significant digits that a person types without a mistake (contract, section 10)."""

MAX_PRICE_DIGITS = 15
"""More than any price has, and few enough for every asset's amount to fit into 78 digits."""


def amount_of_price_raw(price_raw: int, currency: str, spread_bps: int, rate: Decimal, decimals: int) -> int:
    """The amount in minor units of an asset of `decimals` places that a price with its spread asks for.

    `price_raw` is in minor units of the currency, `rate` how much of the currency one whole asset is worth.
    Raises ValueError for a rate that is not above zero.
    """
    if not (rate.is_finite() and rate > 0):
        raise ValueError(f"a rate of {rate}")
    numerator, denominator = rate.as_integer_ratio()
    # In minor units of the asset: price × (1 + spread) ÷ rate, and one minor unit of the currency ÷ rate.
    unit_over, unit_under = 10**decimals * denominator, 10 ** currencies.places(currency) * numerator
    exact_raw = _up(price_raw * (BPS + spread_bps) * unit_over, BPS * unit_under)
    step_raw = int(10 ** max(0, len(str(exact_raw)) - TYPABLE_DIGITS))
    while step_raw > 1 and step_raw * unit_under > unit_over:
        step_raw //= 10
    return _up(exact_raw, step_raw) * step_raw


def amount_worth_raw(worth_raw: int, currency: str, rate: Decimal, decimals: int) -> int:
    """The most of an asset, in minor units, that is worth no more than `worth_raw` (minor units of the currency): what
    is sent back for a part of a price. Raises ValueError for a rate that is not above zero.
    """
    if not (rate.is_finite() and rate > 0):
        raise ValueError(f"a rate of {rate}")
    numerator, denominator = rate.as_integer_ratio()
    amount_raw: int = worth_raw * 10**decimals * denominator // (10 ** currencies.places(currency) * numerator)
    return amount_raw


def parse_price(text: str, currency: str) -> int:
    """The price that a decimal string means, in minor units of the currency. Raises INVALID_INPUT naming `amount`."""
    price_raw = parse_amount(text, currencies.places(currency))
    if len(str(price_raw)) > MAX_PRICE_DIGITS:
        raise invalid("amount", f"must have at most {MAX_PRICE_DIGITS} digits")
    return price_raw


def format_price(price_raw: int, currency: str) -> str:
    """A price with all the places of its currency: `49.90`, `5000`, `1.500`."""
    places = currencies.places(currency)
    return format_amount(price_raw, places, least_places=places)


def _up(numerator: int, denominator: int) -> int:
    """A quotient, rounded up."""
    return -(-numerator // denominator)
