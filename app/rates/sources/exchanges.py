"""Any exchange that the library ccxt speaks to. The library is an extra: `pip install 'swap-pay-gateway[exchanges]'`.

It takes a second and a hundred megabytes to import, so only the process that refreshes rates imports it. It makes
floats of an exchange's figures unless it is told otherwise, here: figures stay text until they are Decimal.
"""

import json
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from app.core import clock
from app.rates.sources.http import REST_AFTER_LIMIT_S, Allowed, OverOwnLimit, answer_of, each
from app.rates.sources.listing import Listing, Market
from app.rates.sources.port import Answer, Pair, Quoted, SourceFailed

PER_MINUTE = 120
PREFIX = "ccxt:"
TIMEOUT_MS = 4_000
BUDGET_S = 2
"""No request is begun after this time: the answer must be there within five seconds. A price lasts for four rounds."""

AT_ONCE = 1
TRADES = 5
"""The newest ones to ask for: some exchanges return the oldest of them first, and few know 1."""

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
        self._next = 0

    @property
    def name(self) -> str:
        """The exchange's id."""
        return self._id[:40]

    async def figures(self, pairs: Collection[Pair], now: datetime) -> Answer:
        """The price of each market's newest trade. Tickers have prices too, but many without a time, or with that of
        the answer."""
        listed = await self._listing.markets(pairs, now)
        # The library waits between requests as each exchange asks for it. What there is no time for is next.
        markets = listed[self._next :] + listed[: self._next]
        until_s = clock.monotonic_s() + BUDGET_S

        async def newest_trade(number: int) -> Quoted | None:
            if clock.monotonic_s() > until_s:
                return None
            self._next = (listed.index(markets[number]) + 1) % len(listed)
            return await self._newest_trade(markets[number])

        found, failures = await each(len(markets), newest_trade, AT_ONCE)
        return answer_of([one for one in found if one is not None], failures)

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

    async def _newest_trade(self, market: Market) -> Quoted:
        trades = await self._called(self._exchange().fetch_trades, market.name, None, TRADES)
        if not trades:
            raise SourceFailed(f"{market.pair}: nothing was traded of late")
        return _quoted(market, max(trades, key=lambda trade: trade.get("timestamp") or 0))

    async def _called(self, method: Any, *args: object, **options: object) -> Any:
        """Call a method of the library. Raises SourceFailed for whatever it raises."""
        if not await self._allowed():
            raise OverOwnLimit("we have reached our own limit of requests in a minute")
        import ccxt  # noqa: PLC0415 - an extra

        try:
            return await method(*args, **options)
        except (ccxt.RateLimitExceeded, ccxt.DDoSProtection) as error:
            raise SourceFailed(f"too many requests: {_words(error)}", REST_AFTER_LIMIT_S) from None
        except ccxt.BaseError as error:
            self._listing.forget()
            raise SourceFailed(f"{type(error).__name__}: {_words(error)}") from None


def _client(exchange_id: str, url: str | None) -> Any:
    """The library's client of an exchange. Raises NotInstalled."""
    try:
        import ccxt.async_support as ccxt  # noqa: PLC0415 - an extra
    except ImportError:
        raise NotInstalled("the extra is not installed: pip install 'swap-pay-gateway[exchanges]'") from None
    if exchange_id not in ccxt.exchanges:
        raise NotInstalled(f"ccxt knows no exchange {exchange_id}")
    client = getattr(ccxt, exchange_id)(
        {"enableRateLimit": True, "timeout": TIMEOUT_MS, "aiohttp_trust_env": False, "number": str}
    )
    client.number = str
    client.has["fetchCurrencies"] = False  # one request less: names of currencies are not needed
    client.parse_json = _parsed
    if url is not None:
        client.urls["api"] = _replaced(client.urls["api"], url)
        client.hostname = url.partition("://")[2]
    return client


def _parsed(text: str) -> Any:
    """JSON without floats; None where it is none, as the library expects."""
    try:
        return json.loads(text, parse_float=str)
    except ValueError:
        return None


def _replaced(urls: Any, url: str) -> Any:
    """The library's tree of addresses, each replaced."""
    if isinstance(urls, Mapping):
        return {name: _replaced(below, url) for name, below in urls.items()}
    return url


def _quoted(market: Market, trade: Mapping[str, Any]) -> Quoted:
    """The price of a trade, whose time is in milliseconds. Raises SourceFailed."""
    if trade.get("symbol") != market.name:
        raise SourceFailed(f"{market.pair}: the answer is of another market")
    price, at = trade.get("price"), trade.get("timestamp")
    if not isinstance(price, str) or not isinstance(at, int):
        raise SourceFailed(f"{market.pair}: a trade without a price or a time")
    try:
        return market.quoted(Decimal(price), _EPOCH + timedelta(milliseconds=at))
    except (InvalidOperation, OverflowError):
        raise SourceFailed(f"{market.pair}: its price or its time is none") from None


def _words(error: Exception) -> str:
    """The library's message, without the address in it, in one line."""
    return " ".join(str(error).split())[:120]
