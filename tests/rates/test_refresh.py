"""Refreshes over HTTP, from servers on loopback that speak the sources' formats, and each trap that sources set."""

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta

import pytest

from app.alerts import repository as alerts
from app.core import clock, redis
from app.rates import repository
from app.rates.sources.port import Pair
from app.sandbox import rate_formats
from app.sandbox.rate_formats import Page
from tests.fakes.rate_servers import CAPTCHA, RateServers
from tests.rates.conftest import Rounds


async def problems() -> dict[str, str | None]:
    return {state.name: state.problem for state in await repository.source_states()}


async def kinds() -> list[str]:
    return sorted(alert.kind for alert in await alerts.open_alerts())


async def test_a_rate_is_the_median_of_both_exchanges(rounds: Rounds, servers: RateServers) -> None:
    servers.coinbase.price("BTC", "EUR", "57010.50")
    assert await rounds.run() == 1
    assert await rounds.rate() == "57005.25"
    assert await rounds.used() == {"kraken": True, "coinbase": True}
    assert await kinds() == []


async def test_a_round_is_run_by_one_process(rounds: Rounds, servers: RateServers) -> None:
    other = rounds.another()
    now = clock.now()
    assert sorted(await asyncio.gather(rounds.refresher().run(now), other.run(now))) == [0, 1]
    assert servers.kraken.requests.count("/0/public/Trades") == 1
    await other.aclose()


def answers_with(page: Page) -> Callable[[RateServers], None]:
    def spoil(servers: RateServers) -> None:
        servers.kraken.instead["/0/public/Trades"] = page

    return spoil


def trade(price: str, at: str | None = None) -> Page:
    """A trade at this price, written into the answer as it is."""
    unix_s = at or f"{int(time.time() + SHIFT_S)}.123456"
    return Page(
        200, f'{{"error":[],"result":{{"XXBTZEUR":[[{price},"1.0",{unix_s},"b","m","",7]],"last":"1"}}}}'.encode()
    )


SHIFT_S = 15
"""The first round is one interval after the test's beginning."""

TRAPS: dict[str, tuple[Callable[[RateServers], None], str]] = {
    "an error with HTTP 200": (
        answers_with(rate_formats.kraken_error("EService:Unavailable")),
        "EService:Unavailable",
    ),
    "too many requests with HTTP 200": (
        answers_with(rate_formats.kraken_error("EGeneral:Too many requests")),
        "Too many requests",
    ),
    "an error with characters that can't be stored": (
        answers_with(Page(200, b'{"error":["EService:\\u0000\\u001b[31mBusy\\n' + b"x" * 300 + b'"]}')),
        "EService:  [31mBusy x",
    ),
    "JSON without an end": (answers_with(Page(200, b"[" * 100_000)), "Trades of XXBTZEUR"),
    "neither a result nor an error": (answers_with(Page(200, b'{"error":[]}')), "neither result nor error"),
    "a captcha": (answers_with(CAPTCHA), "HTML instead of data"),
    "an error page": (answers_with(Page(503, b"<html>down</html>", "text/html")), "HTTP status 503"),
    "a redirect": (
        answers_with(Page(302, b"", headers=(("Location", "https://elsewhere.example/"),))),
        "redirects are not followed",
    ),
    "broken JSON": (answers_with(Page(200, b'{"error":[],"result":{')), "Trades of XXBTZEUR"),
    "compressed without being asked": (
        answers_with(Page(200, b"\x1f\x8b", headers=(("Content-Encoding", "gzip"),))),
        "compressed",
    ),
    "a price of zero": (answers_with(trade('"0.00000000"')), "a price of 0"),
    "a negative price": (answers_with(trade('"-57000.0"')), "a price of -57000"),
    "no number": (answers_with(trade('"NaN"')), "XXBTZEUR"),
    "a number of JSON instead of a text": (answers_with(trade("57000.0")), "XXBTZEUR"),
    "an absurd price": (answers_with(trade('"5.7E+300"')), "out of all bounds"),
    "a market where nothing was traded": (
        answers_with(Page(200, b'{"error":[],"result":{"XXBTZEUR":[],"last":"1"}}')),
        "nothing was ever traded",
    ),
    "another market's answer": (
        answers_with(Page(200, b'{"error":[],"result":{"XETHZEUR":[["3000","1",1.0]],"last":"1"}}')),
        "another market",
    ),
    "a frozen last price": (lambda servers: setattr(servers.kraken.exchange, "lag", timedelta(days=40)), "s old"),
    "a time that is none": (answers_with(trade('"57000"', "1e300")), "a time that is none"),
    "a time with a billion digits": (answers_with(trade('"57000"', "1e999999999")), "a time that is none"),
    "a clock that is ahead": (lambda servers: setattr(servers.kraken, "clock_off", timedelta(minutes=3)), "s ahead"),
    "a clock that is behind": (lambda servers: setattr(servers.kraken, "clock_off", -timedelta(minutes=3)), "s old"),
}


@pytest.mark.parametrize("trap", TRAPS)
async def test_a_source_that_sets_a_trap_does_not_count(rounds: Rounds, servers: RateServers, trap: str) -> None:
    """Two sources are needed, so there is no rate: nothing is guessed. Operators read why."""
    spoil, words = TRAPS[trap]
    rounds.pairs = [Pair("BTC", "EUR")]
    spoil(servers)
    assert await rounds.run() == 0
    assert await rounds.rate() is None
    assert words in ((await problems())["kraken"] or "")
    assert await rounds.problem() == "coinbase alone has a price"
    assert await kinds() == ["rate_sources_low"]


async def test_scientific_notation_is_read_digit_by_digit(rounds: Rounds, servers: RateServers) -> None:
    rounds.pairs = [Pair("SHIB", "EUR")]
    servers.price("SHIB", "EUR", "1.2345E-5")
    servers.coinbase.price("SHIB", "EUR", "0.000012345")
    await rounds.run()
    assert await rounds.rate("SHIB") == "0.000012345"


async def test_a_pair_that_is_listed_the_other_way_round_is_inverted(rounds: Rounds, servers: RateServers) -> None:
    rounds.pairs = [Pair("USDT", "EUR")]
    servers.kraken.price("EUR", "USDT", "1.25")
    servers.coinbase.price("USDT", "EUR", "0.8")
    await rounds.run()
    assert await rounds.rate("USDT") == "0.8"
    assert await rounds.used("USDT") == {"kraken": True, "coinbase": True}


async def test_a_source_that_confuses_base_and_quote_is_left_out(rounds: Rounds, servers: RateServers) -> None:
    servers.coinbase.price("BTC", "EUR", "0.0000175438")
    await rounds.run()
    assert await rounds.problem() == "the sources' prices differ by more than 2 %"
    assert await rounds.used() == {"kraken": False, "coinbase": False}


async def test_a_suspended_market_is_not_asked(rounds: Rounds, servers: RateServers) -> None:
    servers.kraken.exchange.suspended.add(("BTC", "EUR"))
    servers.coinbase.exchange.suspended.add(("BTC", "EUR"))
    await rounds.run()
    assert await rounds.problem() == "no source has a price"
    assert servers.kraken.requests == ["/0/public/AssetPairs"]


async def test_a_symbol_that_changes_is_looked_up_anew(rounds: Rounds, servers: RateServers) -> None:
    """Coinbase renames the market: its old name is a 404, and the list is read again at the next refresh."""
    assert await rounds.run() == 1
    del servers.coinbase.exchange.prices["BTC", "EUR"]
    servers.coinbase.price("XXBT", "EUR", "57000.00")
    await rounds.run()
    assert "404" in ((await problems())["coinbase"] or "")
    servers.coinbase.price("BTC", "EUR", "57000.00")
    assert await rounds.run() == 1
    assert servers.coinbase.requests.count("/products") == 2
    assert (await problems())["coinbase"] is None


async def test_a_jump_is_held_until_two_refreshes_agree(rounds: Rounds, servers: RateServers) -> None:
    await rounds.run()
    servers.price("BTC", "EUR", "57000000000.00")
    assert await rounds.run() == 0
    assert await rounds.rate() is None
    assert "held" in (await rounds.problem() or "")
    assert await kinds() == ["rate_held"]
    servers.price("BTC", "EUR", "57100.00")  # an error of a moment: the next refresh is near the one before it
    assert await rounds.run() == 1
    assert await rounds.rate() == "57100"

    servers.price("BTC", "EUR", "30000.00")
    assert await rounds.run() == 0
    assert await rounds.run() == 1
    assert await rounds.rate() == "30000"


async def test_a_stablecoin_that_leaves_its_peg_is_worth_what_it_is_traded_for(
    rounds: Rounds, servers: RateServers
) -> None:
    rounds.pairs = [Pair("USDT", "USD"), Pair("USDT", "EUR")]
    servers.price("USDT", "USD", "1.0001")
    servers.price("USDT", "EUR", "0.9218")
    await rounds.run()
    assert await rounds.rate("USDT", "USD") == "1.0001"
    servers.price("USDT", "USD", "0.8712")
    servers.price("USDT", "EUR", "0.8030")
    await rounds.run()
    assert await rounds.rate("USDT", "USD") == "0.8712"
    assert await rounds.rate("USDT", "EUR") == "0.803"


async def test_a_source_that_hangs_takes_five_seconds_and_no_other_source(rounds: Rounds, servers: RateServers) -> None:
    rounds.pairs = [Pair("BTC", "EUR"), Pair("ETH", "EUR")]
    servers.price("ETH", "EUR", "2290.00")
    servers.ecb.hangs = "/"
    servers.kraken.hangs = "/0/public/AssetPairs"
    started_s = time.monotonic()
    await rounds.run()
    assert 3.5 < time.monotonic() - started_s < 9
    assert await rounds.problem() == "coinbase alone has a price"
    assert "no answer" in ((await problems())["kraken"] or "")

    servers.kraken.hangs = None
    assert await rounds.run() == 2


async def test_one_failed_answer_does_not_end_a_rate(rounds: Rounds, servers: RateServers) -> None:
    """What the source said before still counts, for as long as it is fresh; then the pair has one source."""
    await rounds.run()
    servers.kraken.instead["/"] = Page(503, b"")
    assert await rounds.run() == 1
    assert await rounds.rate() == "57000"
    assert await kinds() == []
    clock.shift(timedelta(seconds=45))
    assert await rounds.run() == 0
    assert await rounds.problem() == "coinbase alone has a price"
    assert await kinds() == ["rate_sources_low"]


async def test_operators_read_that_a_pair_is_down_to_one_source_and_that_it_is_back(
    rounds: Rounds, servers: RateServers
) -> None:
    rounds.pairs = [Pair("BTC", "EUR"), Pair("ETH", "EUR")]
    servers.price("ETH", "EUR", "2290.00")
    await rounds.run()
    servers.kraken.exchange.lag = timedelta(minutes=5)
    await rounds.run(2)
    (low,) = await alerts.open_alerts()
    assert (low.kind, low.severity, low.occurrences) == ("rate_sources_low", "warning", 1)
    assert "BTC/EUR, ETH/EUR" in low.message
    servers.kraken.exchange.lag = timedelta()
    await rounds.run()
    assert await kinds() == ["rate_sources_back", "rate_sources_low"]


async def test_a_source_whose_prices_are_all_old_is_asked_again(rounds: Rounds, servers: RateServers) -> None:
    """A market may be quiet for a while. It answers, so it does not rest."""
    servers.kraken.exchange.lag = timedelta(minutes=2)
    assert await rounds.run(5) == 0
    assert servers.kraken.requests.count("/0/public/Trades") == 5
    servers.kraken.exchange.lag = timedelta()
    assert await rounds.run() == 1


async def test_a_source_that_fails_rests_longer_each_time(rounds: Rounds, servers: RateServers) -> None:
    servers.kraken.instead["/"] = Page(500, b"")
    await rounds.run(3)
    asked = len(servers.kraken.requests)
    await rounds.run(1)
    assert len(servers.kraken.requests) == asked, "after three failures in a row it is not asked"
    await rounds.run(2)
    assert len(servers.kraken.requests) == asked + 1
    (state,) = [one for one in await repository.source_states() if one.name == "kraken"]
    assert (state.failures_in_row, state.failures) == (4, 4)
    assert state.rests_until is not None
    assert state.rests_until - clock.now() > timedelta(seconds=40)
    del servers.kraken.instead["/"]
    clock.shift(timedelta(minutes=1))
    assert await rounds.run() == 1
    (state,) = [one for one in await repository.source_states() if one.name == "kraken"]
    assert (state.failures_in_row, state.failures, state.rests_until) == (0, 4, None)


async def test_a_source_rests_as_long_as_it_asks_for(rounds: Rounds, servers: RateServers) -> None:
    servers.coinbase.instead["/products/"] = Page(429, b"", headers=(("Retry-After", "120"),))
    await rounds.run()
    assert "too many requests" in ((await problems())["coinbase"] or "")
    asked = len(servers.coinbase.requests)
    await rounds.run(7)
    assert len(servers.coinbase.requests) == asked
    del servers.coinbase.instead["/products/"]
    assert await rounds.run(2) == 1


async def test_the_limit_of_requests_is_shared_by_all_processes(
    rounds: Rounds, servers: RateServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.rates.sources.kraken.PER_MINUTE", 3)
    assert await rounds.run() == 1  # the list, and one market
    other = rounds.another()
    clock.shift(timedelta(seconds=15))
    await other.run(clock.now())
    await other.aclose()
    assert len(servers.kraken.requests) == 3
    (state,) = [one for one in await repository.source_states() if one.name == "kraken"]
    assert state.failures == 0, "our own limit is no failure of the source"


async def test_without_redis_rates_are_refreshed(rounds: Rounds) -> None:
    await redis.close_client()
    redis.open_client("redis://127.0.0.1:1/0")
    assert await rounds.run() == 1


async def test_a_pair_that_no_exchange_has_is_crossed_with_the_central_banks_rate(
    rounds: Rounds, servers: RateServers
) -> None:
    rounds.pairs = [Pair("BTC", "CZK")]
    servers.price("BTC", "USD", "62000.00")
    servers.coinbase.price("BTC", "USD", "62062.00")
    assert await rounds.run() == 1
    # 62,031 dollars; one euro is 1.0850 dollars and 25.302 korunas.
    assert await rounds.rate("BTC", "CZK") == "1446551.48571428571"
    rate = (await repository.newest("BTC", "CZK")).rate  # type: ignore[union-attr]
    assert rate is not None
    assert [source.name for source in rate.sources] == ["coinbase × ecb", "kraken × ecb"]
    assert rate.at.date() == servers.ecb_day.date(), "it is as old as the older part"
    assert rate.good_until <= clock.now() + timedelta(seconds=60)


async def test_a_source_that_has_the_pair_stands_beside_one_that_is_crossed(
    rounds: Rounds, servers: RateServers
) -> None:
    """Where two sources have the pair itself, nothing is crossed."""
    del servers.coinbase.exchange.prices["BTC", "EUR"]
    servers.coinbase.price("BTC", "USD", "61845.00")
    await rounds.run()
    assert await rounds.used() == {"kraken": True, "coinbase × ecb": True}
    assert await rounds.rate() == "57000"


async def test_an_exchange_rate_of_last_month_crosses_nothing(rounds: Rounds, servers: RateServers) -> None:
    rounds.pairs = [Pair("BTC", "CZK")]
    servers.price("BTC", "USD", "62000.00")
    servers.ecb_day -= timedelta(days=30)
    assert await rounds.run() == 0
    assert "s old" in ((await problems())["ecb"] or "")


@pytest.mark.parametrize(
    "document",
    [
        b"<html>captcha</html>",
        b"<!DOCTYPE x [<!ENTITY a 'b'>]><Cube time='2026-01-30'><Cube currency='USD' rate='1.1'/></Cube>",
        b"<Cube time='2026-01-30'><Cube currency='USD' rate='0'/></Cube>",
        b"<Cube time='2026-01-30'><Cube currency='USD' rate='-1.1'/></Cube>",
        b"<Cube time='2026-01-30'><Cube currency='USD' rate='1.1'/><Cube currency='USD' rate='1.2'/></Cube>",
        b"<Cube time='yesterday'><Cube currency='USD' rate='1.1'/></Cube>",
        b"<Cube><Cube currency='USD' rate='1.1'/></Cube>",
        b"<Cube time='2026-01-30'></Cube>",
        b"<Cube time='2026-01-30'>",
    ],
)
async def test_a_daily_file_that_is_none_crosses_nothing(rounds: Rounds, servers: RateServers, document: bytes) -> None:
    rounds.pairs = [Pair("BTC", "CZK")]
    servers.price("BTC", "USD", "62000.00")
    servers.ecb.instead["/"] = Page(200, document, "text/xml")
    assert await rounds.run() == 0
    assert (await problems())["ecb"]


async def test_the_daily_file_is_read_twice_an_hour(rounds: Rounds, servers: RateServers) -> None:
    await rounds.run(4)
    assert len(servers.ecb.requests) == 1
    clock.shift(timedelta(minutes=31))
    await rounds.run(1)
    assert len(servers.ecb.requests) == 2
