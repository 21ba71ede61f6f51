"""The markets that an exchange lists, read now and then; a pair may be listed the other way round."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext
from typing import Annotated

from msgspec import Meta

from app.rates.sources.port import Pair, Quoted, SourceFailed

READ_AGAIN_S = 3_600
"""Exchanges list, rename and suspend markets seldom."""

DIGITS = 40
"""Of a reciprocal; figures are rounded later."""

Digits = Annotated[str, Meta(pattern=r"\A-?[0-9]{1,40}(?:\.[0-9]{1,40})?(?:[eE][+-]?[0-9]{1,3})?\Z")]
"""A figure as text, in scientific notation too."""

LATEST_UNIX_S = 10**11
"""The year 5138."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Market:
    """How to ask for a pair: by the exchange's own name of the market; `is_inverted` where base and quote are
    exchanged there."""

    __slots__ = ("is_inverted", "name", "pair")

    def __init__(self, name: str, pair: Pair, *, is_inverted: bool) -> None:
        self.name = name
        self.pair = pair
        self.is_inverted = is_inverted

    def quoted(self, price: Decimal, at: datetime) -> Quoted:
        """The pair's figure by the market's price. Raises SourceFailed for a price of zero or less."""
        if not price.is_finite() or price <= 0:
            raise SourceFailed(f"{self.pair}: a price of {price}")
        with localcontext(prec=DIGITS):
            return Quoted(self.pair, 1 / price if self.is_inverted else +price, at)


class Listing:
    """An exchange's markets by pair. `read` asks the exchange for all that can be traded now."""

    def __init__(self, read: Callable[[], Awaitable[Mapping[Pair, str]]]) -> None:
        self._read = read
        self._markets: Mapping[Pair, str] = {}
        self._read_at: datetime | None = None

    async def markets(self, pairs: Collection[Pair], now: datetime) -> list[Market]:
        """The markets of those pairs that are listed. Raises SourceFailed."""
        if self._read_at is None or not self._read_at <= now < self._read_at + timedelta(seconds=READ_AGAIN_S):
            self._markets, self._read_at = await self._read(), now
        found = []
        for pair in pairs:
            if (name := self._markets.get(pair)) is not None:
                found.append(Market(name, pair, is_inverted=False))
            elif (name := self._markets.get(Pair(pair.quote, pair.base))) is not None:
                found.append(Market(name, pair, is_inverted=True))
        return found

    def forget(self) -> None:
        """Read the markets anew at the next question: one of them is not what it was."""
        self._read_at = None


def moment(unix_s: Decimal) -> datetime:
    """A time in seconds since 1970, with a fraction. Raises SourceFailed where it is none."""
    if not unix_s.is_finite() or not 0 <= unix_s < LATEST_UNIX_S:
        raise SourceFailed(f"a time that is none: {unix_s:.8g}")
    return _EPOCH + timedelta(microseconds=int(unix_s * 1_000_000))
