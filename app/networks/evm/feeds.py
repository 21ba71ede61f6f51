"""Chainlink's price feeds, read from the EVM node that we have: contracts with the interface AggregatorV3.

https://docs.chain.link/data-feeds has the interface. A feed states its price anew when it has changed by a threshold,
or after its heartbeat. What it says is checked here: that it is the feed of the pair, that its round was answered, that
its price is one, and on a rollup that the sequencer is up and has been for an hour (before that, prices may be old
ones, since nobody could bring new ones in). Whether a price is fresh is for the caller.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, NamedTuple

from msgspec import Meta

from app.networks.contract_abi import decode
from app.networks.evm.config import EvmConfig, PriceFeed
from app.networks.evm.rpc import EvmRpc
from app.networks.evm.wire import WireHeader
from app.networks.feeds import FeedAnswer, FeedPrice, FeedsUnusable
from app.networks.json_rpc import Call
from app.networks.keccak import selector

MAX_HEAD_AGE = timedelta(seconds=180)
"""A node whose newest block is older is behind, and its prices are old without saying so."""

SEQUENCER_GRACE = timedelta(hours=1)
"""How long a rollup's prices are not used after its sequencer has come back."""

MAX_DECIMALS = 36
SEQUENCER_UP = 0

REVERTED = frozenset({3, -32000, -32015})
"""How nodes say that a call was reverted, among other refusals: the contract does not answer it."""

CALLS_FOR_A_FEED = 3
FEEDS_PER_REQUEST = 30

_ROUND_TYPES = ("uint80", "int256", "uint256", "uint256", "uint80")

Answered = Annotated[str, Meta(pattern=r"\A0x[0-9a-fA-F]*\Z", max_length=2_000)]


class _Round(NamedTuple):
    """The answer of `latestRoundData()`. Times are in seconds since 1970."""

    round_id: int
    answer: int
    started_at: int
    updated_at: int
    answered_in_round: int


class _Unusable(Exception):
    """A feed can't be used; the message says why."""


class EvmFeeds:
    """`app.networks.feeds.PriceFeeds` of one EVM network."""

    def __init__(self, config: EvmConfig) -> None:
        self._config = config
        self._rpc = EvmRpc(config.rpc_urls, config.chain_id)

    async def read(self, now: datetime) -> FeedAnswer:
        prices: list[FeedPrice] = []
        problems: list[str] = []
        feeds = self._config.price_feeds
        for start in range(0, len(feeds), FEEDS_PER_REQUEST):
            some = feeds[start : start + FEEDS_PER_REQUEST]
            head, sequencer, *answers = await self._rpc.ask(self._calls(some))
            _check_head(head, now)
            self._check_sequencer(sequencer, now)
            for number, feed in enumerate(some):
                description, decimals, round_data = answers[CALLS_FOR_A_FEED * number :][:CALLS_FOR_A_FEED]
                try:
                    prices.append(_price(feed, description, decimals, round_data))
                except _Unusable as error:
                    problems.append(f"{feed.base}/{feed.quote}: {error}")
        return FeedAnswer(tuple(prices), tuple(problems))

    async def aclose(self) -> None:
        await self._rpc.aclose()

    def _calls(self, feeds: Sequence[PriceFeed]) -> list[Call[Any]]:
        calls: list[Call[Any]] = [Call("eth_getBlockByNumber", ("latest", False), WireHeader)]
        # Without one, the place in the batch is filled: a second question for the head.
        sequencer = self._config.sequencer_feed
        calls.append(calls[0] if sequencer is None else _call(sequencer, "latestRoundData()"))
        for feed in feeds:
            calls += [_call(feed.contract, f"{name}()") for name in ("description", "decimals", "latestRoundData")]
        return calls

    def _check_sequencer(self, answer: str | None, now: datetime) -> None:
        """Raise FeedsUnusable where the rollup's sequencer is down, or has not been up for an hour."""
        if self._config.sequencer_feed is None:
            return
        try:
            state = _round(answer)
            up_since = _moment(state.started_at)
        except _Unusable as error:
            raise FeedsUnusable(f"the sequencer's feed can't be used: {error}") from None
        if state.answer != SEQUENCER_UP:
            raise FeedsUnusable("the sequencer is down")
        if now - up_since <= SEQUENCER_GRACE:
            raise FeedsUnusable("the sequencer has been up for less than an hour")


def _check_head(head: WireHeader, now: datetime) -> None:
    try:
        age = now - _moment(int(head.timestamp, 16))
    except _Unusable:
        raise FeedsUnusable("the node's newest block has no sane time") from None
    if age > MAX_HEAD_AGE:
        raise FeedsUnusable(f"the node's newest block is {age // timedelta(seconds=1)} s old")


def _price(feed: PriceFeed, description: str | None, decimals: str | None, round_data: str | None) -> FeedPrice:
    """The feed's price. Raises _Unusable."""
    stated = _decoded(("string",), description)[0]
    if "".join(stated.split()).upper() != f"{feed.base}/{feed.quote}":
        raise _Unusable(f"its contract is the feed of {stated[:40]!r}")
    places = _decoded(("uint256",), decimals)[0]
    if places > MAX_DECIMALS:
        raise _Unusable(f"has {places} decimals")
    latest = _round(round_data)
    if latest.answer <= 0:
        raise _Unusable(f"answers {latest.answer}")
    if latest.round_id == 0 or latest.updated_at == 0:
        raise _Unusable("its round is not complete")
    if latest.answered_in_round < latest.round_id:
        raise _Unusable("its answer is of an earlier round")
    return FeedPrice(
        base=feed.base,
        quote=feed.quote,
        figure=Decimal(latest.answer).scaleb(-places),
        updated_at=_moment(latest.updated_at),
        heartbeat_s=feed.heartbeat_s,
    )


def _round(answer: str | None) -> _Round:
    return _Round(*_decoded(_ROUND_TYPES, answer))


def _decoded(types: Sequence[str], answer: str | None) -> tuple[Any, ...]:
    """The values that a call returned. Raises _Unusable."""
    if answer is None:
        raise _Unusable("the contract refuses the call")
    try:
        return decode(types, bytes.fromhex(answer[2:]))
    except ValueError:
        raise _Unusable("there is no such contract, or it is no feed") from None


def _moment(unix_s: int) -> datetime:
    try:
        return datetime.fromtimestamp(unix_s, UTC)
    except (ValueError, OverflowError, OSError):
        raise _Unusable("a time that is none") from None


def _call(contract: str, signature: str) -> Call[Any]:
    data = "0x" + selector(signature).hex()
    return Call("eth_call", ({"to": contract, "data": data}, "latest"), Answered | None, none_on=REVERTED)
