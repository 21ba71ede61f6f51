"""The sources that the settings name, and the pairs that they are asked for."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

from app.networks.registry import Networks
from app.rates.sources import coinbase, ecb, exchanges, kraken
from app.rates.sources.chainlink import Chainlink
from app.rates.sources.coinbase import Coinbase
from app.rates.sources.ecb import Ecb
from app.rates.sources.exchanges import Exchange
from app.rates.sources.http import Allowed
from app.rates.sources.kraken import Kraken
from app.rates.sources.port import Pair, Source
from app.web.rate_limits import RateLimiter

CHAINLINK = "chainlink"


def sources(names: Sequence[str], urls: Mapping[str, str], networks: Networks) -> list[Source]:
    """An adapter for each source of RATE_SOURCES; for `chainlink` one for each network with feeds. `urls` are addresses
    in place of the sources' own, by name. All processes share the limits of requests."""
    limiter = RateLimiter()

    def limited(name: str, per_minute: int) -> Allowed:
        async def allowed() -> bool:
            return not (await limiter.take(f"rates:{name}", per_minute)).is_exceeded

        return allowed

    made: list[Source] = []
    for name in names:
        if name == CHAINLINK:
            made += _chainlinks(networks)
        elif name == "kraken":
            made.append(Kraken(limited(name, kraken.PER_MINUTE), urls.get(name, kraken.URL)))
        elif name == "coinbase":
            made.append(Coinbase(limited(name, coinbase.PER_MINUTE), urls.get(name, coinbase.URL)))
        elif name == ecb.NAME:
            made.append(Ecb(limited(name, ecb.PER_MINUTE), urls.get(name, ecb.URL)))
        else:
            exchange_id = name.removeprefix(exchanges.PREFIX)
            made.append(Exchange(exchange_id, limited(name, exchanges.PER_MINUTE), urls.get(name)))
    return made


def _chainlinks(networks: Networks) -> list[Source]:
    feeds = [(network, networks.price_feeds(network.key)) for network in networks]
    return [
        Chainlink(network.chain if network.mode == "live" else network.key, readable)
        for network, readable in feeds
        if readable is not None
    ]


Currencies = Callable[[], Awaitable[Collection[str]]]


def pairs_of(networks: Networks, always: Collection[str], enabled: Currencies) -> Callable[[], Awaitable[list[Pair]]]:
    """What is refreshed: each asset of a network, in each currency that is `always` refreshed or that a merchant has
    enabled."""
    symbols = sorted({asset.symbol for network in networks for asset in network.assets})

    async def pairs() -> list[Pair]:
        currencies = {*always, *await enabled()}
        return [Pair(symbol, currency) for symbol in symbols for currency in sorted(currencies)]

    return pairs
