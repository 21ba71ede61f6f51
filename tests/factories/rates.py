"""Rates as a refresh stores them, for tests that need one and no sources."""

from datetime import datetime, timedelta
from decimal import Decimal

from app.rates import repository, service
from app.rates.rate import Rate, SourceFigure
from app.rates.repository import Refreshed


def rate_of(base: str, quote: str, figure: str, now: datetime) -> Rate:
    """A rate that two sources agree on, refreshed at `now` and good for a minute."""
    exact = Decimal(figure)
    return Rate(
        base=base,
        quote=quote,
        figure=exact,
        at=now,
        sources=tuple(SourceFigure(name, exact, now, used=True) for name in ("kraken", "coinbase")),
        refreshed_at=now,
        good_until=now + timedelta(seconds=60),
    )


async def store_rate(base: str, quote: str, figure: str | None, now: datetime) -> None:
    """Store what a refresh at `now` finds: this figure, or none. Forgets what this process has read before."""
    rate = None if figure is None else rate_of(base, quote, figure, now)
    await repository.record(
        [
            Refreshed(
                base=base,
                quote=quote,
                refreshed_at=now,
                rate=rate,
                held_figure=None,
                last_figure=None if rate is None else rate.figure,
                sources=() if rate is None else rate.sources,
                problem=None if rate is not None else "no source has answered",
            )
        ]
    )
    service.forget()
