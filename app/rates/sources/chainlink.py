"""Chainlink's feeds on one of our networks, read from its node: no third party, and no way out by HTTP is needed."""

from collections.abc import Collection
from datetime import datetime, timedelta

from app.networks.feeds import PriceFeeds
from app.networks.port import NetworkError
from app.rates.sources.port import Answer, Pair, Quoted, SourceFailed

LATE = timedelta(minutes=5)
"""How long after its heartbeat a feed's price still counts: the transaction that states it anew takes a while."""


class Chainlink:
    """The feeds of one network. Those of another one are another source: other contracts, stated by other nodes."""

    def __init__(self, chain: str, feeds: PriceFeeds) -> None:
        """`chain` is the network's, such as `ethereum`."""
        self._name = f"chainlink:{chain}"[:40]
        self._feeds = feeds

    @property
    def name(self) -> str:
        """Its name, with the chain's."""
        return self._name

    async def figures(self, pairs: Collection[Pair], now: datetime) -> Answer:
        """The prices of those feeds that are of one of the pairs."""
        try:
            answer = await self._feeds.read(now)
        except NetworkError as error:
            raise SourceFailed(str(error)) from None
        wanted = set(pairs)
        quoted = tuple(
            Quoted(pair, price.figure, price.updated_at, timedelta(seconds=price.heartbeat_s) + LATE)
            for price in answer.prices
            if (pair := Pair(price.base, price.quote)) in wanted
        )
        if answer.problems and not answer.prices:
            raise SourceFailed(answer.problems[0])
        return Answer(quoted, answer.problems)

    async def aclose(self) -> None:
        """Close the connections to the nodes."""
        await self._feeds.aclose()
