"""A gateway with a hot wallet whose keys the test knows, and a merchant whose balance was paid on chain."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path

import pytest

from app.core.settings import Settings, load
from app.sandbox.anvil import Anvil
from app.sandbox.bitcoin_driver import BitcoinDriver
from app.sandbox.bitcoind import Bitcoind
from app.sandbox.chain_driver import AnvilDriver
from app.sandbox.tron_driver import USDT_PENALTY, TronDriver
from app.sandbox.tron_node import TronNode
from app.signer.keystore import SpendingKeys, new_mnemonic
from app.wiring import Services, running, wire
from tests.factories.bitcoin import bitcoin_networks_toml, hot_wallet
from tests.factories.networks import XPUB, networks_toml
from tests.fakes.bitcoin_proxy import BitcoinProxy, bitcoin_proxy
from tests.fakes.timed import COIN, TOKEN, TimedChain
from tests.fakes.timed_world import TimedWorld, timed_chain, write_networks_file
from tests.services import empty_redis
from tests.signer.bitcoin_under_test import ACCOUNT_PATH, BUMP_AFTER_S, CONFIRMATIONS, BitcoinUnderTest
from tests.signer.signer_under_test import SignerUnderTest
from tests.signer.tron_under_test import SOLID, TronUnderTest, write_tron_networks

NO_SWEEPS = {"sweep_min_raw": 10**30}


@pytest.fixture
def mnemonic() -> str:
    """A new phrase for each test, because the shared chain keeps nonces."""
    return new_mnemonic()


@pytest.fixture
def keys(mnemonic: str) -> SpendingKeys:
    return SpendingKeys(mnemonic)


@pytest.fixture
def node_url(anvil: Anvil) -> str:
    """The URL of the gateway's node: a test may put a proxy in between."""
    return anvil.rpc_url


@pytest.fixture
def network_options() -> Mapping[str, object]:
    """Fields of the network that a test module changes."""
    return {}


@pytest.fixture
def asset_options() -> Mapping[str, Mapping[str, int]]:
    """Fields of assets, by symbol, that a test module changes. By default nothing is worth a sweep."""
    return {"USDT": NO_SWEEPS, "ETH": NO_SWEEPS}


@pytest.fixture
def chain_settings(
    environment: dict[str, str],
    tmp_path: Path,
    node_url: str,
    token: str,
    keys: SpendingKeys,
    network_options: Mapping[str, object],
    asset_options: Mapping[str, Mapping[str, int]],
) -> Callable[..., Settings]:
    """Settings of a deployment with `ethereum:test` on the node and a hot wallet of the test's keys."""

    def make(**options: object) -> Settings:
        fields = {"hot_wallet_address": keys.hot_wallet_address, **network_options, **options}
        text = networks_toml(node_url, token, **fields).replace(XPUB, keys.xpub)
        for symbol, extra in asset_options.items():
            lines = "".join(f'{name} = "{value}"\n' for name, value in extra.items())
            text = text.replace(f'symbol = "{symbol}"\n', f'symbol = "{symbol}"\n{lines}')
        path = tmp_path / "networks.toml"
        path.write_text(text)
        return load(environment)

    return make


@pytest.fixture
async def services(chain_settings: Callable[..., Settings], steady_clock: None) -> AsyncIterator[Services]:
    async with running(wire(chain_settings())) as services:
        await empty_redis()
        yield services


@pytest.fixture
async def still_chain(driver: AnvilDriver) -> AsyncIterator[None]:
    """A chain that mines a block only on request."""
    await driver.call("evm_setAutomine", False)
    yield
    await driver.call("anvil_dropAllTransactions")
    await driver.call("evm_setAutomine", True)


@pytest.fixture
async def setup(services: Services, driver: AnvilDriver, token: str, keys: SpendingKeys) -> SignerUnderTest:
    """A merchant with 1,000 USDT and 1 ETH that customers have paid; a hot wallet that was topped up with both."""
    setup = await SignerUnderTest.open(services, driver, token, keys)
    await setup.receive_payment("USDT", "1000.00")
    await setup.receive_payment("ETH", "1.00")
    await setup.top_up("ETH", 10**18)
    await setup.top_up("USDT", 500_000_000)
    await setup.confirm_blocks()
    return setup


@pytest.fixture
async def proxy(bitcoind: Bitcoind) -> AsyncIterator[BitcoinProxy]:
    """The gateway's Bitcoin node: the real one, with an estimate of fees that the test sets."""
    async with bitcoin_proxy(bitcoind.rpc_url) as proxy:
        yield proxy


@pytest.fixture
def btc_options() -> Mapping[str, object]:
    """Fields of the asset BTC that a test module changes."""
    return {}


@pytest.fixture
def bitcoin_options() -> Mapping[str, object]:
    """Fields of the network `bitcoin:test` that a test module changes."""
    return {}


@pytest.fixture
def bitcoin_settings(
    environment: dict[str, str],
    tmp_path: Path,
    proxy: BitcoinProxy,
    keys: SpendingKeys,
    bitcoin_options: Mapping[str, object],
    btc_options: Mapping[str, object],
) -> Settings:
    """Settings of a deployment with `bitcoin:test` on the proxy and the account of the test's keys."""
    xpub = keys.account(ACCOUNT_PATH).xpub
    fields = {
        "confirmations": CONFIRMATIONS,
        "fee_bump_after_s": BUMP_AFTER_S,
        "hot_wallet_address": f'"{hot_wallet(xpub)}"',
        **bitcoin_options,
    }
    text = bitcoin_networks_toml(proxy.url, xpub, **fields)
    text += "".join(f"{name} = {value}\n" for name, value in btc_options.items())
    path = tmp_path / "networks.toml"
    path.write_text(text)
    return load(environment)


@pytest.fixture
def top_up_raw() -> int:
    """What the operator has sent to the hot wallet, in satoshi."""
    return 1_000_000


@pytest.fixture
def received() -> tuple[str, ...]:
    """What customers have paid, a coin each."""
    return ("1.0", "1.0")


@pytest.fixture
async def bitcoin_setup(
    bitcoin_settings: Settings,
    bitcoin: BitcoinDriver,
    proxy: BitcoinProxy,
    keys: SpendingKeys,
    received: tuple[str, ...],
    top_up_raw: int,
    steady_clock: None,
) -> AsyncIterator[BitcoinUnderTest]:
    """A merchant whose customers have paid two bitcoins, in two coins; a hot wallet that was topped up with 0.01."""
    async with running(wire(bitcoin_settings)) as services:
        await empty_redis()
        setup = await BitcoinUnderTest.open(services, bitcoin, proxy, keys)
        if top_up_raw:
            await bitcoin.pay(setup.hot, top_up_raw, fee_rate=5)
        await setup.receive(*received)
        yield setup


@pytest.fixture
def tron_options() -> Mapping[str, object]:
    """Fields of the network `tron:test` that a test module changes."""
    return {}


@pytest.fixture
def tron_asset_options() -> Mapping[str, Mapping[str, int]]:
    """Fields of its assets, by symbol, that a test module changes. By default nothing is worth a sweep."""
    return {}


@pytest.fixture
async def tron_setup(
    environment: dict[str, str],
    tmp_path: Path,
    tron: TronDriver,
    tron_node: TronNode,
    keys: SpendingKeys,
    tron_options: Mapping[str, object],
    tron_asset_options: Mapping[str, Mapping[str, int]],
    steady_clock: None,
) -> AsyncIterator[TronUnderTest]:
    """A merchant whose customers have paid 100 USDT and 50 TRX; a hot wallet with 1,000 USDT and 500 TRX. Two nodes."""
    usdt = await tron.deploy_stablecoin(10**15, penalty=USDT_PENALTY)
    await tron.mine(SOLID)
    urls = (tron.api_url, tron.node_url("second"))
    write_tron_networks(
        tmp_path / "networks.toml",
        urls,
        tron_node.genesis_id,
        usdt,
        keys,
        asset_options=tron_asset_options,
        **tron_options,
    )
    async with running(wire(load(environment))) as services:
        await empty_redis()
        setup = await TronUnderTest.open(services, tron, usdt, keys)
        await setup.send("TRX", setup.hot, 500_000_000)
        await setup.send("USDT", setup.hot, 1_000_000_000)
        await setup.receive("USDT", 100_000_000)
        await setup.receive("TRX", 50_000_000)
        await setup.blocks(SOLID)
        yield setup


@pytest.fixture
def chain() -> Iterator[TimedChain]:
    """A Tron in memory, for the rules of attempts that are limited in time."""
    with timed_chain() as chain:
        yield chain


@pytest.fixture
def energy_low() -> int:
    """Below it the hot wallet raises an alert."""
    return 0


@pytest.fixture
async def world(
    environment: dict[str, str], tmp_path: Path, chain: TimedChain, energy_low: int, steady_clock: None
) -> AsyncIterator[TimedWorld]:
    """On it: a merchant with 100 USDT; a hot wallet with 1,000 USDT and 500 TRX."""
    write_networks_file(tmp_path / "networks.toml", chain, energy_low=energy_low)
    async with running(wire(load(environment))) as services:
        await empty_redis()
        world = await TimedWorld.open(services, chain)
        await world.top_up(COIN, 500_000_000)
        await world.top_up(TOKEN, 1_000_000_000)
        await world.paid(100_000_000)
        yield world
