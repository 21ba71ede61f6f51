"""Prices that contracts on a network state: what a kind of chain offers that can read them."""

from datetime import datetime
from decimal import Decimal
from typing import Protocol

import msgspec

from app.networks.port import NetworkError


class FeedPrice(msgspec.Struct, frozen=True):
    """How much of `quote` one whole `base` is worth, as a feed says. `updated_at` is the feed's own time; it is stated
    anew after `heartbeat_s` seconds at the latest."""

    base: str
    quote: str
    figure: Decimal
    updated_at: datetime
    heartbeat_s: int


class FeedAnswer(msgspec.Struct, frozen=True):
    """What the feeds of a network say. `problems` names those that can't be used, and why."""

    prices: tuple[FeedPrice, ...]
    problems: tuple[str, ...]


class FeedsUnusable(NetworkError):
    """No feed of the network may be used now: its node is behind, or its sequencer is or was down."""


class PriceFeeds(Protocol):
    """The feeds of one network."""

    async def read(self, now: datetime) -> FeedAnswer:
        """What they say now, read in one request. Raises NetworkError."""
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...
