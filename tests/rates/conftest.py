"""Local servers in the exchanges' formats, and a refresher that asks them."""

from collections.abc import AsyncIterator, Collection
from datetime import datetime, timedelta

import pytest

from app.core import clock
from app.networks.registry import Networks
from app.rates import refresh, service
from app.rates.refresh import Refresher
from app.rates.sources import chosen
from app.rates.sources.port import Pair
from tests.fakes.rate_servers import RateServers, rate_servers

BTC_EUR = Pair("BTC", "EUR")


@pytest.fixture
async def servers() -> AsyncIterator[RateServers]:
    """Both exchanges trade BTC/EUR at 57,000."""
    async with rate_servers() as running:
        running.price("BTC", "EUR", "57000.00")
        yield running


class Rounds:
    """Refreshes one after the other, each at its own time: a test's clock is moved, not waited for."""

    def __init__(self, servers: RateServers) -> None:
        self.servers = servers
        self.pairs: list[Pair] = [BTC_EUR]
        self.names = ("kraken", "coinbase", "ecb")
        self.networks = Networks({})
        self._refresher: Refresher | None = None

    @property
    def now(self) -> datetime:
        """The time of the test."""
        return clock.now()

    async def run(self, times: int = 1) -> int:
        """Refresh so many times, the usual time apart. Returns how many pairs have a rate after the last one."""
        found = 0
        for _ in range(times):
            clock.shift(timedelta(seconds=refresh.REFRESH_S))
            found = await self.refresher().run(clock.now())
            service.forget()
        return found

    def refresher(self) -> Refresher:
        """The one of this process."""
        if self._refresher is None:
            self._refresher = self.another()
        return self._refresher

    def another(self) -> Refresher:
        """One of another process."""

        async def wanted() -> Collection[Pair]:
            return self.pairs

        urls = {name: self.servers.url(name) for name in ("kraken", "coinbase", "ecb")}
        return Refresher(lambda: chosen.sources(self.names, urls, self.networks), wanted)

    async def rate(self, base: str = "BTC", quote: str = "EUR") -> str | None:
        """The rate of a pair now; None where there is none."""
        rates = await service.rates_now([base], quote, clock.now())
        return str(rates[base].figure) if base in rates else None

    async def used(self, base: str = "BTC", quote: str = "EUR") -> dict[str, bool]:
        """Whether each source of the newest refresh counts."""
        found = await service.found_of([base], quote)
        return {source.name: source.used for source in found[base].sources}

    async def problem(self, base: str = "BTC", quote: str = "EUR") -> str | None:
        """Why there is no rate."""
        return (await service.found_of([base], quote))[base].problem

    async def aclose(self) -> None:
        """Close the connections."""
        if self._refresher is not None:
            await self._refresher.aclose()


@pytest.fixture
async def rounds(db: str, valkey: str, servers: RateServers) -> AsyncIterator[Rounds]:
    """Refreshes on a fresh database."""
    made = Rounds(servers)
    yield made
    await made.aclose()
