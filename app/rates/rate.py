"""What one asset is worth in a national currency, and who said so."""

from datetime import datetime
from decimal import Decimal

import msgspec

from app.core.errors import ApiError, Code

MIN_SOURCES = 2
"""A rate rests on at least so many sources (contract, section 10)."""

RETRY_AFTER_S = 15
"""When a client should ask again for a rate that was not there: after the next refresh."""


class SourceFigure(msgspec.Struct, frozen=True):
    """What one source says. `figure` is how much of the quote currency one whole asset is worth, `at` the source's own
    time of it. `used` is False for a figure that was left out, since it is far off the others.

    `name` is the source's, such as `kraken`; where its figure was multiplied by an exchange rate of another source,
    that is named too: `kraken × ecb`. `at` is then the older of both times.
    """

    name: str
    figure: Decimal
    at: datetime
    used: bool


class Rate(msgspec.Struct, frozen=True):
    """How much of `quote` (ISO 4217) one whole `base` (an asset's symbol) is worth.

    `figure` is the median of the figures that were used, `at` the time of the oldest of them. `refreshed_at` is when
    they were put together; pair and `refreshed_at` name a rate. `good_until` is when it becomes too old to be used.
    """

    base: str
    quote: str
    figure: Decimal
    at: datetime
    sources: tuple[SourceFigure, ...]
    refreshed_at: datetime
    good_until: datetime


class RateUnavailable(ApiError):
    """There is no rate of this pair that may be used now: 503, with the pair in its message."""

    def __init__(self, base: str, quote: str) -> None:
        super().__init__(
            Code.RATE_UNAVAILABLE,
            f"currency: there is no current rate of {base} in {quote}",
            retry_after_s=RETRY_AFTER_S,
        )
        self.base = base
        self.quote = quote
