"""The European Central Bank's reference rates of the euro: one file a day, for one national currency against another.

https://www.ecb.europa.eu/stats/policy_and_exchange_rates/ has them. They are set at 14:10 in Frankfurt on each working
day and published until about 16:00. An asset's worth is never taken from here: these rates only turn a figure in one
currency into one in another.
"""

import re
from collections.abc import Collection
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, localcontext
from xml.parsers import expat

from app.rates.sources.http import Allowed, SourceHttp
from app.rates.sources.port import Answer, Pair, Quoted, SourceFailed

URL = "https://www.ecb.europa.eu"
PATH = "/stats/eurofxref/eurofxref-daily.xml"
PER_MINUTE = 10

NAME = "ecb"
EURO = "EUR"

SET_AT = time(13, 10, tzinfo=UTC)
"""14:10 in Frankfurt's winter. In summer it is an hour earlier: they are published later still, so the time that is
written here is never ahead of the clock."""

GOOD_FOR = timedelta(days=6)
"""Over Easter there are none from Thursday to Tuesday, over Christmas sometimes as long."""

READ_AGAIN = timedelta(minutes=30)

DIGITS = 40

_CURRENCY = re.compile(r"[A-Z]{3}")
_RATE = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,12})?")


class Ecb:
    """The file of the day."""

    name = NAME

    def __init__(self, allowed: Allowed, url: str = URL) -> None:
        self._http = SourceHttp(url, allowed)
        self._rates: dict[str, Decimal] = {}
        self._day: date | None = None
        self._read_at: datetime | None = None

    async def figures(self, pairs: Collection[Pair], now: datetime) -> Answer:
        """The exchange rates of those pairs whose both sides are national currencies that the file has."""
        if self._read_at is None or not self._read_at <= now < self._read_at + READ_AGAIN:
            self._day, self._rates = parse(await self._http.get(PATH))
            self._read_at = now
        assert self._day is not None
        at = datetime.combine(self._day, SET_AT)
        quoted = []
        for pair in pairs:
            base, quote = self._rates.get(pair.base), self._rates.get(pair.quote)
            if base is not None and quote is not None:
                with localcontext(prec=DIGITS):
                    quoted.append(Quoted(pair, quote / base, at, GOOD_FOR))
        return Answer(tuple(quoted))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()


def parse(document: bytes) -> tuple[date, dict[str, Decimal]]:
    """The day of the file, and how much of each currency one euro is; the euro itself is 1. Raises SourceFailed.

    The file is XML without a document type: one that has any is refused, so that no entity is ever expanded.
    """
    days: list[date] = []
    rates: dict[str, Decimal] = {EURO: Decimal(1)}

    def element(name: str, attributes: dict[str, str]) -> None:
        if name != "Cube":
            return
        if "time" in attributes:
            days.append(date.fromisoformat(attributes["time"]))
        if "currency" in attributes:
            currency, rate = attributes["currency"], attributes.get("rate", "")
            if not _CURRENCY.fullmatch(currency) or not _RATE.fullmatch(rate) or not Decimal(rate):
                raise ValueError(f"a rate that is none: {currency[:10]} {rate[:20]}")
            if currency in rates:
                raise ValueError(f"{currency} is there twice")
            rates[currency] = Decimal(rate)

    def document_type(*_: object) -> None:
        raise ValueError("a document type, which the file does not have")

    parser = expat.ParserCreate()
    parser.StartElementHandler = element
    parser.StartDoctypeDeclHandler = document_type
    try:
        parser.Parse(document, True)
    except (expat.ExpatError, ValueError) as error:
        raise SourceFailed(f"the daily file: {error}") from None
    if len(days) != 1 or len(rates) == 1:
        raise SourceFailed("the daily file: not the rates of one day")
    return days[0], rates
