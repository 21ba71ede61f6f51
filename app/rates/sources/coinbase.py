"""Coinbase Exchange's public market data: the newest trade of each market, with its time.

https://docs.cdp.coinbase.com/exchange/ has the calls: ten requests a second for each address.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from decimal import Decimal

import msgspec

from app.rates.sources.http import Allowed, NotDecoded, NotThere, SourceHttp, answer_of, decoded, each
from app.rates.sources.listing import Digits, Listing, Market
from app.rates.sources.port import Answer, Pair, Quoted, SourceFailed

URL = "https://api.exchange.coinbase.com"
PER_MINUTE = 400
AT_ONCE = 5


class _Product(msgspec.Struct, frozen=True):
    id: str
    base_currency: str
    quote_currency: str
    status: str
    trading_disabled: bool = False


class _Ticker(msgspec.Struct, frozen=True):
    price: Digits
    time: datetime


class Coinbase:
    """The exchange."""

    name = "coinbase"

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
        products = decoded(await self._http.get("/products"), list[_Product], "products")
        return {
            Pair(product.base_currency, product.quote_currency): product.id
            for product in products
            if product.status == "online" and not product.trading_disabled
        }

    async def _newest_trade(self, market: Market) -> Quoted:
        what = f"ticker of {market.name}"
        try:
            ticker = decoded(await self._http.get(f"/products/{market.name}/ticker"), _Ticker, what)
        except (NotThere, NotDecoded):
            self._listing.forget()
            raise
        if ticker.time.tzinfo is None:
            raise SourceFailed(f"{what}: a time without a zone")
        return market.quoted(Decimal(ticker.price), ticker.time)
