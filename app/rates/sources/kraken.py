"""Kraken's public market data: the newest trade of each market, with its time.

https://docs.kraken.com/api/ has the calls. Its `Ticker` would give all markets at once, but without a time, so a market
whose last price is frozen would look alive. `Trades` are limited to one request a second for each market and address.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Generic, TypeVar, cast

import msgspec

from app.rates.sources.http import REST_AFTER_LIMIT_S, Allowed, SourceHttp, answer_of, decoded, each
from app.rates.sources.listing import Digits, Listing, Market, moment
from app.rates.sources.port import Answer, Pair, Quoted, SourceFailed

URL = "https://api.kraken.com"
PER_MINUTE = 240
AT_ONCE = 4

OTHER_NAMES = {"XBT": "BTC", "XDG": "DOGE"}
"""Kraken's symbols for what everybody else calls otherwise."""

T = TypeVar("T")


class _Envelope(msgspec.Struct, Generic[T], frozen=True):
    """Every answer. Errors begin with E, warnings with W; both come with HTTP status 200."""

    error: list[str]
    result: T | msgspec.UnsetType = msgspec.UNSET


class _Market(msgspec.Struct, frozen=True):
    wsname: str | None = None  # "XBT/USD"; none for dark pools
    status: str = "online"


class _Trade(msgspec.Struct, array_like=True, frozen=True):
    price: Digits
    volume: Digits
    time: Decimal


class Kraken:
    """The exchange."""

    name = "kraken"

    def __init__(self, allowed: Allowed, url: str = URL) -> None:
        self._http = SourceHttp(url, allowed)
        self._listing = Listing(self._markets)

    async def figures(self, pairs: Collection[Pair], now: datetime) -> Answer:
        """The price of each market's newest trade."""
        markets = await self._listing.markets(pairs, now)
        found, failures = await each(len(markets), lambda number: self._newest_trade(markets[number]), AT_ONCE)
        return answer_of(found, failures)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _markets(self) -> Mapping[Pair, str]:
        listed = self._result(await self._http.get("/0/public/AssetPairs"), dict[str, _Market], "AssetPairs")
        markets = {}
        for name, market in listed.items():
            base, slash, quote = (market.wsname or "").partition("/")
            if slash and market.status == "online":
                markets[Pair(OTHER_NAMES.get(base, base), OTHER_NAMES.get(quote, quote))] = name
        return markets

    async def _newest_trade(self, market: Market) -> Quoted:
        body = await self._http.get("/0/public/Trades", {"pair": market.name, "count": "1"})
        try:
            result = self._result(body, dict[str, msgspec.Raw], f"Trades of {market.name}")
            if result.keys() != {market.name, "last"}:
                raise SourceFailed(f"Trades of {market.name}: the answer is of another market")
        except SourceFailed:
            self._listing.forget()
            raise
        trades = decoded(bytes(result[market.name]), list[_Trade], f"Trades of {market.name}")
        if not trades:
            raise SourceFailed(f"{market.pair}: nothing was ever traded")
        newest = max(trades, key=_time)
        return market.quoted(Decimal(newest.price), moment(newest.time))

    def _result(self, body: bytes, kind: type[T], what: str) -> T:
        """The result of an answer without errors. Raises SourceFailed."""
        envelope: _Envelope[Any] = decoded(body, cast("Any", _Envelope)[kind], what)
        errors = [error for error in envelope.error if not error.startswith("W")]
        if errors:
            words = "; ".join(errors)[:150]
            limited = "Rate limit" in words or "Too many requests" in words
            raise SourceFailed(f"{what}: {words}", REST_AFTER_LIMIT_S if limited else None)
        if isinstance(envelope.result, msgspec.UnsetType):
            raise SourceFailed(f"{what}: neither result nor error")
        return cast("T", envelope.result)


def _time(trade: _Trade) -> Decimal:
    return trade.time
