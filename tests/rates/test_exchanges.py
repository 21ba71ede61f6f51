"""Exchanges by ccxt, an extra: where it is installed, against servers in an exchange's format."""

import subprocess
import sys
from datetime import timedelta
from decimal import Decimal
from importlib.util import find_spec

import pytest

from app.core import clock
from app.rates.sources.exchanges import Exchange, NotInstalled
from app.rates.sources.port import Pair, Quoted, SourceFailed
from app.sandbox import rate_formats
from app.sandbox.home import ROOT
from tests.fakes.rate_servers import CAPTCHA, RateServers

has_ccxt = pytest.mark.skipif(
    find_spec("ccxt") is None, reason="ccxt is not installed: pip install 'swap-pay[exchanges]'"
)
PAIRS = [Pair("BTC", "EUR"), Pair("USDT", "EUR"), Pair("TRX", "EUR")]


async def allowed() -> bool:
    return True


@has_ccxt
async def test_figures_keep_every_digit_and_their_time(servers: RateServers) -> None:
    servers.kraken.price("USDT", "EUR", "0.92181234567890123456")
    servers.kraken.exchange.lag = timedelta(seconds=40)
    exchange = Exchange("kraken", allowed, servers.url("kraken"))
    quoted: dict[Pair, Quoted] = {}
    for _ in range(3):  # it leaves a second between requests, and begins none after two
        answer = await exchange.figures(PAIRS, clock.now())
        quoted |= {one.pair: one for one in answer.quoted}
    await exchange.aclose()
    assert quoted.keys() == {Pair("BTC", "EUR"), Pair("USDT", "EUR")}
    assert quoted[Pair("USDT", "EUR")].figure == Decimal("0.92181234567890123456")
    assert timedelta(seconds=39) < clock.now() - quoted[Pair("BTC", "EUR")].at < timedelta(seconds=60)


@has_ccxt
@pytest.mark.parametrize(
    ("page", "words"),
    [
        (CAPTCHA, "."),
        (rate_formats.kraken_error("EGeneral:Too many requests"), "too many requests"),
        (rate_formats.Page(200, b'{"error":[],"result":{"XXBTZEUR":[],"last":"1"}}'), "nothing was traded"),
        (rate_formats.Page(500, b""), "."),
    ],
)
async def test_whatever_the_library_raises_is_a_failure(
    servers: RateServers, page: rate_formats.Page, words: str
) -> None:
    servers.kraken.instead["/0/public/Trades"] = page
    exchange = Exchange("kraken", allowed, servers.url("kraken"))
    try:
        with pytest.raises(SourceFailed, match=words):
            await exchange.figures(PAIRS, clock.now())
    finally:
        await exchange.aclose()


@has_ccxt
async def test_an_exchange_that_the_library_does_not_know() -> None:
    with pytest.raises(NotInstalled, match="knows no exchange"):
        await Exchange("mtgox", allowed).figures(PAIRS, clock.now())


@pytest.mark.skipif(find_spec("ccxt") is not None, reason="ccxt is installed")
async def test_without_the_extra_the_source_fails_with_what_to_install() -> None:
    with pytest.raises(NotInstalled, match=r"swap-pay\[exchanges\]"):
        await Exchange("bitstamp", allowed).figures(PAIRS, clock.now())


def test_no_process_imports_the_library_before_it_refreshes() -> None:
    """It costs a second and a hundred megabytes."""
    script = (
        "import sys, workers.default, app.asgi; sys.exit(any(m.startswith(('ccxt', 'aiohttp')) for m in sys.modules))"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, timeout=60)
