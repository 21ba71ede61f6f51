"""Market data in the formats of Kraken, Coinbase Exchange and the European Central Bank, from prices of our own.

Written from their public documentation. The sandbox serves steady prices; tests change them.
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec

KRAKEN_NAMES = {"BTC": "XBT", "DOGE": "XDG"}
"""Kraken's own symbols."""

LONG_NAMES = {"BTC": "XXBT", "ETH": "XETH", "USD": "ZUSD", "EUR": "ZEUR", "GBP": "ZGBP", "JPY": "ZJPY"}
"""How Kraken's older markets are named: XXBTZUSD, while the younger ones are such as USDTUSD."""


class Page(NamedTuple):
    """An answer."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


class Exchange(msgspec.Struct):
    """An exchange's markets: the last price of each, traded `lag` ago. `suspended` are listed, and not traded."""

    prices: dict[tuple[str, str], str] = msgspec.field(default_factory=dict)
    lag: timedelta = timedelta()
    suspended: set[tuple[str, str]] = msgspec.field(default_factory=set)


def kraken(exchange: Exchange, path: str, query: Mapping[str, str], now: datetime) -> Page:
    """Kraken's `AssetPairs` and `Trades`."""
    markets = {kraken_name(pair): pair for pair in exchange.prices}
    if path == "/0/public/AssetPairs":
        return _kraken(
            {
                name: {
                    "altname": "".join(KRAKEN_NAMES.get(one, one) for one in pair),
                    "wsname": "/".join(KRAKEN_NAMES.get(one, one) for one in pair),
                    "base": LONG_NAMES.get(pair[0], pair[0]),
                    "quote": LONG_NAMES.get(pair[1], pair[1]),
                    "pair_decimals": 5,
                    "status": "cancel_only" if pair in exchange.suspended else "online",
                }
                for name, pair in markets.items()
            }
        )
    if path == "/0/public/Trades":
        name = query.get("pair", "")
        if name not in markets:
            return kraken_error("EQuery:Unknown asset pair")
        at = now - exchange.lag
        # The price, the amount, when, by whom, of which kind.
        trade = [
            exchange.prices[markets[name]],
            "0.01000000",
            f"{_unix_us(at) // 10**6}.{_unix_us(at) % 10**6:06}",
            "b",
            "m",
            "",
            1,
        ]
        return _kraken({name: [trade], "last": str(_unix_us(at) * 1000)})
    return kraken_error("EGeneral:Unknown method")


def kraken_error(words: str) -> Page:
    """How Kraken refuses: with HTTP status 200."""
    return Page(200, json.dumps({"error": [words]}).encode())


def kraken_name(pair: tuple[str, str]) -> str:
    """Kraken's name of a market."""
    if pair[0] in LONG_NAMES and pair[1] in LONG_NAMES:
        return LONG_NAMES[pair[0]] + LONG_NAMES[pair[1]]
    return "".join(KRAKEN_NAMES.get(one, one) for one in pair)


def coinbase(exchange: Exchange, path: str, query: Mapping[str, str], now: datetime) -> Page:
    """Coinbase Exchange's `products` and their `ticker`."""
    if path == "/products":
        return _json(
            [
                {
                    "id": "-".join(pair),
                    "base_currency": pair[0],
                    "quote_currency": pair[1],
                    "display_name": "/".join(pair),
                    "status": "delisted" if pair in exchange.suspended else "online",
                    "trading_disabled": pair in exchange.suspended,
                }
                for pair in exchange.prices
            ]
        )
    ticker = re.fullmatch(r"/products/([A-Z0-9]+)-([A-Z0-9]+)/ticker", path)
    if ticker is None or (pair := (ticker[1], ticker[2])) not in exchange.prices:
        return Page(404, b'{"message":"NotFound"}')
    price = exchange.prices[pair]
    at = (now - exchange.lag).astimezone(UTC)
    return _json(
        {
            "ask": price,
            "bid": price,
            "volume": "5340.90293841",
            "trade_id": 1,
            "price": price,
            "size": "0.01",
            "time": f"{at:%Y-%m-%dT%H:%M:%S.%f}Z",
        }
    )


def ecb(rates: Mapping[str, str], day: datetime) -> Page:
    """The European Central Bank's daily file: how much of each currency one euro is."""
    cubes = "\n".join(f"\t\t\t<Cube currency='{currency}' rate='{rate}'/>" for currency, rate in rates.items())
    document = f"""<?xml version="1.0" encoding="UTF-8"?>
<gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01" \
xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref">
\t<gesmes:subject>Reference rates</gesmes:subject>
\t<gesmes:Sender>
\t\t<gesmes:name>European Central Bank</gesmes:name>
\t</gesmes:Sender>
\t<Cube>
\t\t<Cube time='{day:%Y-%m-%d}'>
{cubes}
\t\t</Cube>
\t</Cube>
</gesmes:Envelope>"""
    return Page(200, document.encode(), "text/xml")


def working_day(now: datetime) -> datetime:
    """The day of the newest file: the last one before today that is no Saturday or Sunday."""
    day = now - timedelta(days=1)
    while day.isoweekday() > 5:
        day -= timedelta(days=1)
    return day


def _kraken(result: object) -> Page:
    return _json({"error": [], "result": result})


def _json(content: object) -> Page:
    text = json.dumps(content)
    # Kraken's time of a trade is a number with a fraction: digits, and no float that might lose some.
    return Page(200, re.sub(r'"(\d{10}\.\d{6})"', r"\1", text).encode())


def _unix_us(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
