"""Exchanges and a central bank on loopback, in their own formats (app/sandbox/rate_formats.py), that lie as told.

The formats are those of their public documentation: docs.kraken.com/api, docs.cdp.coinbase.com/exchange, and
www.ecb.europa.eu/stats/eurofxref. Real answers were never recorded.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from app.core import clock
from app.sandbox import rate_formats, rate_server
from app.sandbox.rate_formats import Exchange, Page

CAPTCHA = Page(200, b"<!DOCTYPE html><html><title>Just a moment...</title></html>", "text/html")


@dataclass
class Source:
    """One server. `exchange` are its markets. `instead` answers what it is given for a path that begins so; `hangs`
    never answers a path that begins so. `clock_off` is how wrong its clock is. `requests` are the paths that were asked
    for."""

    exchange: Exchange = field(default_factory=Exchange)
    instead: dict[str, Page] = field(default_factory=dict)
    hangs: str | None = None
    clock_off: timedelta = timedelta()
    requests: list[str] = field(default_factory=list)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    def price(self, base: str, quote: str, price: str) -> None:
        """Trade a market at this price from now on, and list it if it is not."""
        self.exchange.prices[base, quote] = price


class RateServers:
    """Kraken, Coinbase and the European Central Bank, at `url(…)`."""

    def __init__(self) -> None:
        self.kraken, self.coinbase, self.ecb = Source(), Source(), Source()
        self.one_euro = {"USD": "1.0850", "CZK": "25.302", "JPY": "163.25"}
        self.ecb_day = rate_formats.working_day(clock.now())
        self.port = 0

    def url(self, name: str) -> str:
        """The base URL of `kraken`, `coinbase` or `ecb`."""
        return f"http://127.0.0.1:{self.port}/{name}"

    def price(self, base: str, quote: str, price: str) -> None:
        """Trade a market at this price on both exchanges."""
        self.kraken.price(base, quote, price)
        self.coinbase.price(base, quote, price)

    def answers(self) -> dict[str, rate_server.Answer]:
        """What the servers answer."""
        return {
            "kraken": _answer(self.kraken, lambda path, query: self._exchange("kraken", path, query)),
            "coinbase": _answer(self.coinbase, lambda path, query: self._exchange("coinbase", path, query)),
            "ecb": _answer(self.ecb, lambda path, query: rate_formats.ecb(self.one_euro, self.ecb_day)),
        }

    def _exchange(self, name: str, path: str, query: Mapping[str, str]) -> Page:
        source, in_format = (
            (self.kraken, rate_formats.kraken) if name == "kraken" else (self.coinbase, rate_formats.coinbase)
        )
        return in_format(source.exchange, path, query, clock.now() + source.clock_off)


def _answer(source: Source, page: Callable[[str, Mapping[str, str]], Page]) -> rate_server.Answer:
    async def answer(path: str, query: Mapping[str, str]) -> Page | None:
        source.requests.append(path)
        if source.hangs is not None and path.startswith(source.hangs):
            await source.released.wait()
            return None
        for start, given in source.instead.items():
            if path.startswith(start):
                return given
        return page(path, query)

    return answer


@asynccontextmanager
async def rate_servers() -> AsyncIterator[RateServers]:
    """Run the servers in this process."""
    servers = RateServers()
    listening = await rate_server.listen(servers.answers(), 0)
    servers.port = listening.sockets[0].getsockname()[1]
    try:
        yield servers
    finally:
        for source in (servers.kraken, servers.coinbase, servers.ecb):
            source.released.set()
        listening.close()
