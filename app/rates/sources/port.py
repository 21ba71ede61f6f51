"""What a source of rates is: it is asked for pairs, and says how much one is worth in the other, and when that was.

Adapters raise SourceFailed where nothing can be had, and name single pairs that can't. Whether a figure may be used is
decided in one place for all of them (`app/rates/median.py`).
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple, Protocol

import msgspec

LIVE_FOR = timedelta(seconds=60)
"""How long a market's price may be used (contract, section 10)."""


class Pair(NamedTuple):
    """How much of `quote` one whole `base` is worth. Both are symbols: of an asset, or ISO 4217."""

    base: str
    quote: str

    def __str__(self) -> str:
        return f"{self.base}/{self.quote}"


class Quoted(msgspec.Struct, frozen=True):
    """A source's figure for a pair, at the source's own time; it may be used for `good_for` from then on."""

    pair: Pair
    figure: Decimal
    at: datetime
    good_for: timedelta = LIVE_FOR


class Answer(msgspec.Struct, frozen=True):
    """What a source knows of the pairs that it was asked for. `problems` says what is wrong with single ones; pairs
    that it does not have are simply left out."""

    quoted: tuple[Quoted, ...]
    problems: tuple[str, ...] = ()


class SourceFailed(Exception):
    """A source gave no answer that can be used; the message says why. `retry_after_s` is what it asked for."""

    def __init__(self, problem: str, retry_after_s: int | None = None) -> None:
        super().__init__(problem)
        self.retry_after_s = retry_after_s


class Source(Protocol):
    """One source. One per event loop; `aclose` it at the end."""

    @property
    def name(self) -> str:
        """Its name, as people read it beside its figure: at most 40 characters."""
        ...

    async def figures(self, pairs: Collection[Pair], now: datetime) -> Answer:
        """Its figures of those of the pairs that it has. May be cancelled at any time. Raises SourceFailed."""
        ...

    async def aclose(self) -> None:
        """Close its connections."""
        ...
