"""Exchanges by ccxt, an extra, against servers in an exchange's format: in an environment as its users install it."""

import asyncio
import json
import subprocess
import sys
from datetime import datetime, timedelta
from typing import Any

import pytest

from app.core import clock
from app.rates.sources.exchanges import Exchange, NotInstalled
from app.rates.sources.port import Pair
from app.sandbox import rate_formats
from app.sandbox.home import ROOT
from tests.fakes.rate_servers import CAPTCHA, RateServers
from tests.rates.ask_an_exchange import allowed

ENVIRONMENT = ROOT / "var/exchanges"
PAIRS = ("BTC/EUR", "USDT/EUR", "TRX/EUR")


async def ask(exchange_id: str, url: str = "", rounds: int = 1) -> dict[str, Any]:
    """What an exchange says, asked by a process of that environment."""
    python = ENVIRONMENT / "bin/python"
    assert python.exists(), "the environment of the extra `exchanges` is missing: make var/exchanges/.stamp"
    process = await asyncio.create_subprocess_exec(
        python, "-m", "tests.rates.ask_an_exchange", exchange_id, url, str(rounds), *PAIRS,
        cwd=ROOT, stdout=subprocess.PIPE,
    )  # fmt: skip
    output, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0
    said: dict[str, Any] = json.loads(output)
    return said


async def test_figures_keep_every_digit_and_their_time(servers: RateServers) -> None:
    servers.kraken.price("USDT", "EUR", "0.92181234567890123456")
    servers.kraken.exchange.lag = timedelta(seconds=40)
    # It leaves a second between requests, and begins none after two.
    said = await ask("kraken", servers.url("kraken"), rounds=3)
    assert said.keys() == {"BTC/EUR", "USDT/EUR"}
    figure, traded_at = said["USDT/EUR"][0], datetime.fromisoformat(said["BTC/EUR"][1])
    assert figure == "0.92181234567890123456"
    assert timedelta(seconds=39) < clock.now() - traded_at < timedelta(seconds=60)


@pytest.mark.parametrize(
    ("page", "words"),
    [
        (CAPTCHA, ""),
        (rate_formats.kraken_error("EGeneral:Too many requests"), "too many requests"),
        (rate_formats.Page(200, b'{"error":[],"result":{"XXBTZEUR":[],"last":"1"}}'), "nothing was traded"),
        (rate_formats.Page(500, b""), ""),
    ],
)
async def test_whatever_the_library_raises_is_a_failure(
    servers: RateServers, page: rate_formats.Page, words: str
) -> None:
    servers.kraken.instead["/0/public/Trades"] = page
    said = await ask("kraken", servers.url("kraken"))
    assert said.keys() == {"failed"}
    assert words in said["failed"]
    assert said["failed"], "a failure has words"


async def test_an_exchange_that_the_library_does_not_know() -> None:
    assert await ask("mtgox") == {"not_installed": "ccxt knows no exchange mtgox"}


async def test_without_the_extra_the_source_fails_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ccxt.async_support", None)  # as for an import of what is not there
    with pytest.raises(NotInstalled, match=r"swap-pay-gateway\[exchanges\]"):
        await Exchange("bitstamp", allowed).figures([Pair("BTC", "EUR")], clock.now())


def test_no_process_imports_the_library_before_it_refreshes() -> None:
    """It costs a second and a hundred megabytes."""
    script = (
        "import sys, workers.default, app.asgi; sys.exit(any(m.startswith(('ccxt', 'aiohttp')) for m in sys.modules))"
    )
    subprocess.run([ENVIRONMENT / "bin/python", "-c", script], cwd=ROOT, check=True, timeout=60)
