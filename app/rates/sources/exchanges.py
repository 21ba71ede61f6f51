"""Any exchange that the library ccxt speaks to. The library is an extra: `pip install 'swap-pay[exchanges]'`.

It takes a second and a hundred megabytes to import, so only the process that refreshes rates imports it. It makes
floats of an exchange's figures unless it is told otherwise, here: figures stay text until they are Decimal.
"""

import json
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from app.core.logging import get_logger
from app.rates.sources.http import REST_AFTER_LIMIT_S, Allowed, OverOwnLimit
from app.rates.sources.listing import Listing, Market
from app.rates.sources.port import Answer, Pair, Quoted, SourceFailed

log = get_logger(__name__)

PER_MINUTE = 120
PREFIX = "ccxt:"
TIMEOUT_MS = 4_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class NotInstalled(SourceFailed):
    """The extra is not there, or the library does not know the exchange."""


class Exchange:
    """One exchange, by its id in ccxt, such as `bitstamp`."""

    def __init__(self, exchange_id: str, allowed: Allowed, url: str | None = None) -> None:
        """`url` takes the place of the exchange's own address, for tests."""
        self._id = exchange_id
        self._allowed = allowed
        self._url = url
        self._client: Any = None
        self._listing = Listing(self._markets)

    @property
    def name(self) -> str:
        """The exchange's id."""
        return self._id[:40]

    async def figures(self, pairs: Collection[Pair], now: datetime) -> Answer:
        """The last price of each market, where the exchange says when that was."""
        markets = await self._listing.markets(pairs, now)
        if not markets:
            return Answer(())
        found: list[Quoted] = []
        problems: list[str] = []
        for market, ticker in await self._tickers(markets):
            try:
                found.append(_quoted(market, ticker))
            except SourceFailed as failure:
                problems.append(str(failure))
        if problems and not found:
            raise SourceFailed(problems[0])
        return Answer(tuple(found), tuple(problems))

    async def aclose(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.close()
            self._client = None

    def _exchange(self) -> Any:
        if self._client is None:
            self._client = _client(self._id, self._url)
        return self._client

    async def _markets(self) -> Mapping[Pair, str]:
        client = self._exchange()
        listed = await self._called(client.load_markets, reload=True)
        return {
            Pair(str(market["base"]), str(market["quote"])): str(symbol)
            for symbol, market in listed.items()
            if market.get("spot") and market.get("active") is not False
        }

    async def _tickers(self, markets: list[Market]) -> list[tuple[Market, Mapping[str, Any]]]:
        """The tickers of these markets: in one request where the exchange has that."""
        client = self._exchange()
        if client.has.get("fetchTickers"):
            tickers = await self._called(client.fetch_tickers, [market.name for market in markets])
            return [(market, tickers[market.name]) for market in markets if market.name in tickers]
        return [(market, await self._called(client.fetch_ticker, market.name)) for market in markets]

    async def _called(self, method: Any, *args: object, **options: object) -> Any:
        """Call a method of the library. Raises SourceFailed for whatever it raises."""
        if not await self._allowed():
            raise OverOwnLimit("we have reached our own limit of requests in a minute")
        import ccxt  # type: ignore[import-not-found, unused-ignore] # noqa: PLC0415 - an extra

        try:
            return await method(*args, **options)
        except ccxt.RateLimitExceeded as error:
            raise SourceFailed(f"too many requests: {_words(error)}", REST_AFTER_LIMIT_S) from None
        except ccxt.BaseError as error:
            self._listing.forget()
            raise SourceFailed(f"{type(error).__name__}: {_words(error)}") from None


def _client(exchange_id: str, url: str | None) -> Any:
    """The library's client of an exchange. Raises NotInstalled."""
    try:
        import ccxt.async_support as ccxt  # type: ignore[import-not-found, unused-ignore] # noqa: PLC0415 - an extra
    except ImportError:
        raise NotInstalled("the extra is not installed: pip install 'swap-pay[exchanges]'") from None
    if exchange_id not in ccxt.exchanges:
        raise NotInstalled(f"ccxt knows no exchange {exchange_id}")
    client = getattr(ccxt, exchange_id)(
        {"enableRateLimit": True, "timeout": TIMEOUT_MS, "aiohttp_trust_env": False, "number": str}
    )
    client.number = str
    client.parse_json = _parsed
    if url is not None:
        client.urls["api"] = _replaced(client.urls["api"], url)
        client.hostname = url.partition("://")[2]
    return client


def _parsed(text: str) -> Any:
    """JSON without floats."""
    return json.loads(text, parse_float=str)


def _replaced(urls: Any, url: str) -> Any:
    """The library's tree of addresses, each replaced."""
    if isinstance(urls, Mapping):
        return {name: _replaced(below, url) for name, below in urls.items()}
    return url


def _quoted(market: Market, ticker: Mapping[str, Any]) -> Quoted:
    """The last price by a ticker, whose time is in milliseconds. Raises SourceFailed."""
    if ticker.get("symbol") != market.name:
        raise SourceFailed(f"{market.pair}: the answer is of another market")
    last, at = ticker.get("last"), ticker.get("timestamp")
    if last is None or isinstance(last, float):
        raise SourceFailed(f"{market.pair}: no last price")
    if not isinstance(at, int):
        raise SourceFailed(f"{market.pair}: the exchange does not say when its last price was")
    try:
        return market.quoted(Decimal(str(last)), _EPOCH + timedelta(milliseconds=at))
    except (InvalidOperation, OverflowError):
        raise SourceFailed(f"{market.pair}: its last price or its time is none") from None


def _words(error: Exception) -> str:
    """The library's message, without the address in it, in one line."""
    return " ".join(str(error).split())[:120]
