"""A merchant's terms that an invoice depends on."""

from typing import Literal

import msgspec

Mode = Literal["live", "test"]


class PriceTerms(msgspec.Struct, frozen=True):
    """How a merchant prices in national currencies: which ones (ISO 4217), what is added to a price in 1/10,000, and
    how many minutes a quote is good for."""

    currencies: tuple[str, ...] = ()
    spread_bps: int = 0
    quote_minutes: int = 15


class Terms(msgspec.Struct, frozen=True):
    """A merchant in one mode. The fee is in 1/10,000; `fee_payer` holds unless an invoice names one.

    `accept_parts`: several deposits may pay an invoice together.
    """

    merchant_id: str
    mode: Mode
    service_fee_bps: int
    fee_payer: Literal["merchant", "customer"]
    accept_parts: bool = False
    prices: PriceTerms = PriceTerms()
