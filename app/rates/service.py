"""Rates as others use them: the newest one of a pair, keeping one that was used, and what an amount is worth.

Nothing here calls a network: a job refreshes the rates (`app/rates/refresh.py`), these functions read what it stored.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from typing import NamedTuple

from app.core import clock, currencies, database
from app.rates import repository
from app.rates.rate import Rate, RateUnavailable
from app.rates.repository import Refreshed

REMEMBERED_S = 1
"""How long a process answers from what it has read. Rates are refreshed every few seconds."""

MAX_REMEMBERED = 10_000

MINUTE = timedelta(minutes=1)

EXACT_DIGITS = 120
"""Enough for the product of an amount of 78 digits and a figure of 48."""


class _Read(NamedTuple):
    """What was read of a pair, and when, by a clock that only measures."""

    at_s: float
    rate: Rate | None


_remembered: dict[tuple[str, str, str], _Read] = {}
"""By database, asset and currency."""


async def rate_now(base: str, quote: str, now: datetime) -> Rate:
    """The rate of an asset (its symbol) in a currency (ISO 4217) that may be used now.

    Raises RateUnavailable where the newest refresh found none, or is too old.
    """
    rates = await rates_now([base], quote, now)
    if base not in rates:
        raise RateUnavailable(base, quote)
    return rates[base]


async def rates_now(bases: Collection[str], quote: str, now: datetime) -> dict[str, Rate]:
    """The rates of these assets in a currency that may be used now, by symbol. One query; an asset without a rate is
    left out."""
    now_s, dsn = clock.monotonic_s(), database.dsn()
    rates: dict[str, Rate | None] = {}
    for base in bases:
        read = _remembered.get((dsn, base, quote))
        if read is not None and now_s - read.at_s <= REMEMBERED_S:
            rates[base] = read.rate
    missing = [(base, quote) for base in bases if base not in rates]
    if missing:
        found = await repository.newest_of(missing)
        if len(_remembered) + len(missing) > MAX_REMEMBERED:
            _remembered.clear()
        for base, _ in missing:
            refreshed = found.get((base, quote))
            rates[base] = None if refreshed is None else refreshed.rate
            _remembered[dsn, base, quote] = _Read(now_s, rates[base])
    return {base: rate for base, rate in rates.items() if rate is not None and is_good(rate, now)}


async def rate_at(base: str, quote: str, moment: datetime) -> Rate | None:
    """The rate that the minute of `moment` had, for what is booked later than it happened. None where there was none,
    or more than a day has gone by."""
    refreshed = await repository.of_minute(base, quote, moment.replace(second=0, microsecond=0))
    return None if refreshed is None else refreshed.rate


async def found_of(bases: Collection[str], quote: str) -> dict[str, Refreshed]:
    """What the newest refresh found for these assets in a currency, with what each source says, by symbol: for people
    who want to know why there is no rate. An asset that was never refreshed is left out."""
    found = await repository.newest_of([(base, quote) for base in bases])
    return {base: refreshed for (base, _), refreshed in found.items()}


def is_good(rate: Rate, now: datetime) -> bool:
    """Whether a rate may be used now."""
    return now <= rate.good_until


async def keep(rate: Rate) -> int:
    """Store a rate that was used, for good, in the caller's transaction where there is one. Returns its id: the same
    one whenever the same refresh of the same pair is kept.

    A transaction that keeps several does so in the order of their pairs: another one that keeps the same waits for it.
    """
    return await repository.add_used(rate)


async def kept(rate_id: int) -> Rate:
    """A rate that was kept. Raises LookupError for an id that `keep` has not returned."""
    rate = await repository.used(rate_id)
    if rate is None:
        raise LookupError(f"no used rate {rate_id}")
    return rate


async def worth(amount_raw: int, asset_symbol: str, decimals: int, currency: str, now: datetime) -> Decimal | None:
    """What an amount in minor units of an asset is worth now, in whole units of a currency, not rounded. None where
    there is no rate."""
    rate = (await rates_now([asset_symbol], currency, now)).get(asset_symbol)
    return None if rate is None else worth_by(rate, amount_raw, decimals)


async def worth_raw(amount_raw: int, asset_symbol: str, decimals: int, currency: str, now: datetime) -> int | None:
    """The same in minor units of the currency (cents), half a unit to the even neighbour."""
    exact = await worth(amount_raw, asset_symbol, decimals, currency, now)
    return None if exact is None else to_minor_units(exact, currency)


def worth_by(rate: Rate, amount_raw: int, decimals: int) -> Decimal:
    """What an amount in minor units of the rate's asset is worth by this rate, in whole units, not rounded."""
    with localcontext(prec=EXACT_DIGITS):
        return Decimal(amount_raw).scaleb(-decimals) * rate.figure


def to_minor_units(exact: Decimal, currency: str) -> int:
    """An amount in whole units of a currency as minor units, half a unit to the even neighbour."""
    with localcontext(prec=EXACT_DIGITS):
        return int(exact.scaleb(currencies.places(currency)).quantize(Decimal(1), rounding=ROUND_HALF_EVEN))


def forget() -> None:
    """Read everything anew at the next call."""
    _remembered.clear()
