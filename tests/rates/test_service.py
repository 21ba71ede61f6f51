"""Reading, keeping and using stored rates."""

import asyncio
from datetime import timedelta
from decimal import Decimal

import asyncpg
import pytest

from app.core import clock, database
from app.core.errors import Code
from app.rates import repository, service
from app.rates.rate import RateUnavailable
from tests.factories.rates import rate_of, store_rate

pytestmark = pytest.mark.usefixtures("db")

NOW = clock.now().replace(second=30, microsecond=0)


async def test_the_newest_refresh_of_a_pair_is_its_rate() -> None:
    await store_rate("BTC", "EUR", "57000.5", NOW - timedelta(minutes=1))
    await store_rate("BTC", "EUR", "57123.45", NOW)
    await store_rate("BTC", "USD", "60000", NOW)
    rate = await service.rate_now("BTC", "EUR", NOW)
    assert rate == rate_of("BTC", "EUR", "57123.45", NOW)
    assert str(rate.figure) == "57123.45"


async def test_a_rate_that_is_too_old_is_none() -> None:
    await store_rate("BTC", "EUR", "57000", NOW)
    assert await service.rate_now("BTC", "EUR", NOW + timedelta(seconds=60))
    with pytest.raises(RateUnavailable) as refused:
        await service.rate_now("BTC", "EUR", NOW + timedelta(seconds=61))
    assert refused.value.code is Code.RATE_UNAVAILABLE
    assert "BTC in EUR" in refused.value.message


async def test_a_refresh_without_a_figure_ends_the_rate_before_it() -> None:
    """What was good ten seconds ago may be wrong now: nothing is guessed."""
    await store_rate("BTC", "EUR", "57000", NOW)
    await store_rate("BTC", "EUR", None, NOW + timedelta(seconds=10))
    with pytest.raises(RateUnavailable):
        await service.rate_now("BTC", "EUR", NOW + timedelta(seconds=11))


async def test_a_pair_that_was_never_refreshed_has_no_rate() -> None:
    with pytest.raises(RateUnavailable):
        await service.rate_now("BTC", "EUR", NOW)
    assert await service.rates_now(["BTC", "USDT"], "EUR", NOW) == {}
    assert await service.worth(1, "BTC", 8, "EUR", NOW) is None


async def test_rates_of_several_assets_are_one_query_and_remembered_for_a_moment() -> None:
    await store_rate("BTC", "EUR", "57000", NOW)
    await store_rate("USDT", "EUR", "0.9217", NOW)
    rates = await service.rates_now(["BTC", "USDT", "TRX"], "EUR", NOW)
    assert {base: rate.figure for base, rate in rates.items()} == {"BTC": 57000, "USDT": Decimal("0.9217")}
    await database.execute("DELETE FROM rate_refreshes")
    assert (await service.rate_now("BTC", "EUR", NOW)).figure == 57000
    service.forget()
    with pytest.raises(RateUnavailable):
        await service.rate_now("BTC", "EUR", NOW)


async def test_a_used_rate_is_kept_once_with_its_sources() -> None:
    rate = rate_of("USDT", "EUR", "0.921712345678901234", NOW)
    ids = await asyncio.gather(*(service.keep(rate) for _ in range(20)))
    assert len(set(ids)) == 1
    assert await service.kept(ids[0]) == rate
    later = await service.keep(rate_of("USDT", "EUR", "0.93", NOW + timedelta(seconds=15)))
    assert later != ids[0], "each keeps the figure that was used, also within a minute"
    with pytest.raises(LookupError):
        await service.kept(later + 1)


async def test_a_used_rate_cannot_be_changed_or_deleted() -> None:
    rate_id = await service.keep(rate_of("BTC", "EUR", "57000", NOW))
    for statement in ("UPDATE used_rates SET figure = 1", "DELETE FROM used_rates", "TRUNCATE used_rates CASCADE"):
        with pytest.raises(asyncpg.RestrictViolationError):
            await database.execute(statement)
    await repository.purge(NOW + timedelta(days=400))
    assert (await service.kept(rate_id)).figure == 57000


async def test_refreshes_are_deleted_after_a_while() -> None:
    await store_rate("BTC", "EUR", "57000", NOW - timedelta(days=2))
    await store_rate("BTC", "EUR", "58000", NOW)
    assert await repository.purge(NOW - timedelta(days=1)) == 1
    assert await service.rate_at("BTC", "EUR", NOW - timedelta(days=2)) is None
    of_minute = await service.rate_at("BTC", "EUR", NOW + timedelta(seconds=20))
    assert of_minute is not None
    assert of_minute.figure == 58000


@pytest.mark.parametrize(
    ("amount_raw", "decimals", "currency", "figure", "exact", "raw"),
    [
        (150_000_000, 8, "EUR", "57123.45", "85685.175", 8568518),
        (49_900_000, 6, "EUR", "0.9217", "45.99283", 4599),
        (1, 18, "USD", "3000", "3E-15", 0),
        (10**18, 18, "JPY", "450123.5", "450123.5", 450124),
        (10**6, 6, "KWD", "0.3071235", "0.3071235", 307),
        (10**77, 18, "EUR", "1E-6", "1E+53", 10**55),
    ],
)
async def test_the_worth_of_an_amount_is_exact_and_then_rounded_to_the_currency(
    amount_raw: int, decimals: int, currency: str, figure: str, exact: str, raw: int
) -> None:
    await store_rate("XYZ", currency, figure, NOW)
    assert await service.worth(amount_raw, "XYZ", decimals, currency, NOW) == Decimal(exact)
    assert await service.worth_raw(amount_raw, "XYZ", decimals, currency, NOW) == raw
