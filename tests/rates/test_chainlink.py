"""Chainlink's feeds, read from contracts of their form on a real node."""

import time
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from decimal import Decimal

import msgspec
import pytest

from app.core import clock
from app.networks.config import FieldError
from app.networks.evm.config import EvmConfig, PriceFeed
from app.networks.evm.feeds import EvmFeeds
from app.networks.feeds import FeedPrice, FeedsUnusable
from app.networks.registry import Networks
from app.rates import repository
from app.rates.sources.port import Pair
from app.sandbox.anvil import Anvil
from app.sandbox.chain_driver import AnvilDriver
from tests.factories.networks import evm_network
from tests.rates.conftest import Rounds

NOBODY = "0x" + "ab" * 20
HOUR_S = 3_600


@pytest.fixture
async def btc_usd(driver: AnvilDriver) -> str:
    """A feed that says 62,031.12345678 dollars now."""
    return await driver.deploy_contract("PriceFeed", "BTC / USD", 8, 6_203_112_345_678)


@pytest.fixture
async def read(anvil: Anvil, driver: AnvilDriver, btc_usd: str) -> AsyncIterator[Callable[..., object]]:
    """Read feeds of the node: BTC/USD, unless others are given."""
    opened: list[EvmFeeds] = []

    def feeds(*given: PriceFeed, sequencer: str | None = None) -> EvmFeeds:
        listed = given or (PriceFeed(base="BTC", quote="USD", contract=btc_usd),)
        opened.append(EvmFeeds(configured(anvil, *listed, sequencer=sequencer)))
        return opened[-1]

    yield feeds
    for one in opened:
        await one.aclose()


def configured(anvil: Anvil, *feeds: PriceFeed, sequencer: str | None = None) -> EvmConfig:
    network = evm_network([anvil.rpc_url], NOBODY)
    return msgspec.structs.replace(network, price_feeds=feeds, sequencer_feed=sequencer).checked()


Read = Callable[..., EvmFeeds]


async def test_a_feeds_price_has_its_decimals_and_its_time(read: Read, driver: AnvilDriver, btc_usd: str) -> None:
    answer = await read().read(clock.now())
    (price,) = answer.prices
    assert price == FeedPrice("BTC", "USD", Decimal("62031.12345678"), price.updated_at, HOUR_S)
    assert abs(clock.now() - price.updated_at) < timedelta(seconds=30)
    await driver.call_contract(btc_usd, "set(int256)", 6_100_000_000_000)
    again = await read().read(clock.now())
    assert again.prices[0].figure == 61_000
    eighteen = await driver.deploy_contract("PriceFeed", "TRX / USD", 18, 158_600_000_000_000_001)
    answer = await read(PriceFeed(base="TRX", quote="USD", contract=eighteen)).read(clock.now())
    assert answer.prices[0].figure == Decimal("0.158600000000000001")


@pytest.mark.parametrize(
    ("round_data", "problem"),
    [
        ((7, -1, 0, 0, 7), "answers -1"),
        ((7, 0, 0, 0, 7), "answers 0"),
        ((7, 6_203_112_345_678, 0, 0, 7), "its round is not complete"),
        ((7, 6_203_112_345_678, 1, 1_700_000_000, 6), "its answer is of an earlier round"),
        ((0, 6_203_112_345_678, 1, 1_700_000_000, 0), "the contract refuses the call"),
        ((7, 6_203_112_345_678, 1, 2**255, 7), "a time that is none"),
    ],
)
async def test_a_round_that_is_not_answered_has_no_price(
    read: Read, driver: AnvilDriver, btc_usd: str, round_data: tuple[int, ...], problem: str
) -> None:
    await driver.call_contract(btc_usd, "setRound(uint80,int256,uint256,uint256,uint80)", *round_data)
    answer = await read().read(clock.now())
    assert answer.prices == ()
    assert answer.problems == (f"BTC/USD: {problem}",)


async def test_a_contract_that_is_not_the_pairs_feed_has_no_price(read: Read, driver: AnvilDriver) -> None:
    """One of another pair, of the inverted one, and no feed at all; the others count."""
    eth = await driver.deploy_contract("PriceFeed", "ETH / USD", 8, 248_050_000_000)
    inverted = await driver.deploy_contract("PriceFeed", "USD / EUR", 8, 92_165_898)
    odd = await driver.deploy_contract("PriceFeed", "XYZ / USD", 77, 1)
    answer = await read(
        PriceFeed(base="BTC", quote="USD", contract=eth),
        PriceFeed(base="EUR", quote="USD", contract=inverted),
        PriceFeed(base="USDT", quote="USD", contract=NOBODY),
        PriceFeed(base="XYZ", quote="USD", contract=odd),
        PriceFeed(base="ETH", quote="USD", contract=eth),
    ).read(clock.now())
    assert [(price.base, price.figure) for price in answer.prices] == [("ETH", Decimal("2480.5"))]
    assert answer.problems == (
        "BTC/USD: its contract is the feed of 'ETH / USD'",
        "EUR/USD: its contract is the feed of 'USD / EUR'",
        "USDT/USD: there is no such contract, or it is no feed",
        "XYZ/USD: has 77 decimals",
    )


async def test_a_rollup_whose_sequencer_is_down_has_no_prices(read: Read, driver: AnvilDriver) -> None:
    sequencer = await driver.deploy_contract("PriceFeed", "L2 Sequencer Uptime Status Feed", 0, 0)
    set_round = "setRound(uint80,int256,uint256,uint256,uint80)"
    now_s = int(time.time())
    for state, since_s, problem in (
        (1, now_s - 2 * HOUR_S, "the sequencer is down"),
        (0, now_s - HOUR_S + 60, "less than an hour"),
        (0, now_s - HOUR_S - 60, None),
    ):
        await driver.call_contract(sequencer, set_round, 1, state, since_s, now_s, 1)
        feeds = read(sequencer=sequencer)
        if problem is None:
            assert (await feeds.read(clock.now())).prices
        else:
            with pytest.raises(FeedsUnusable, match=problem):
                await feeds.read(clock.now())
    with pytest.raises(FeedsUnusable, match="can't be used"):
        await read(sequencer=NOBODY).read(clock.now())


async def test_a_node_that_is_behind_has_no_prices(read: Read) -> None:
    """Its newest block is ten minutes old: what it says of now may be of then."""
    with pytest.raises(FeedsUnusable, match="newest block is"):
        await read().read(clock.now() + timedelta(minutes=10))


async def test_a_feed_counts_until_its_heartbeat(
    rounds: Rounds, anvil: Anvil, driver: AnvilDriver, btc_usd: str
) -> None:
    """Chainlink and an exchange are two sources. The feed's price is an hour old, and then too old."""
    rounds.names = ("coinbase", "ecb", "chainlink")
    feed = PriceFeed(base="BTC", quote="USD", contract=btc_usd)
    network = configured(anvil, feed)
    rounds.networks = Networks({network.key: network})
    rounds.pairs = [Pair("BTC", "USD"), Pair("BTC", "EUR")]
    rounds.servers.coinbase.price("BTC", "USD", "62100.00")
    now_s = int(time.time())
    set_round = "setRound(uint80,int256,uint256,uint256,uint80)"
    await driver.call_contract(btc_usd, set_round, 7, 6_203_112_345_678, 1, now_s - HOUR_S, 7)
    assert await rounds.run() == 2
    assert await rounds.used("BTC", "USD") == {"coinbase": True, "chainlink:ethereum:test": True}
    assert await rounds.rate("BTC", "USD") == "62065.56172839"
    found = await repository.newest("BTC", "USD")
    assert found is not None
    assert found.rate is not None
    assert found.rate.at.timestamp() == now_s - HOUR_S

    # In euros Coinbase has a price of its own, and the feed's is crossed with the European Central Bank's rate.
    assert await rounds.used("BTC", "EUR") == {"coinbase": True, "chainlink:ethereum:test × ecb": True}

    await driver.call_contract(btc_usd, set_round, 7, 6_203_112_345_678, 1, now_s - HOUR_S - 301, 7)
    assert await rounds.run() == 0
    assert await rounds.problem("BTC", "USD") == "coinbase alone has a price"
    states = {state.name: state.problem for state in await repository.source_states()}
    assert "s old" in (states["chainlink:ethereum:test"] or "")


def test_feeds_are_checked_when_the_networks_file_is_read(anvil: Anvil) -> None:
    feed = PriceFeed(base="BTC", quote="USD", contract=NOBODY)
    for wrong, field in (
        ([msgspec.structs.replace(feed, contract="0x12")], "price_feeds"),
        ([feed, feed], "price_feeds"),
    ):
        with pytest.raises(FieldError, match=field):
            configured(anvil, *wrong)
    with pytest.raises(FieldError, match="sequencer_feed"):
        configured(anvil, feed, sequencer="here")
