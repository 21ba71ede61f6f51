"""A gateway with a hot wallet whose keys the test knows, and a merchant whose balance was paid on chain."""

from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import pytest

from app.core import redis
from app.core.settings import Settings, load
from app.sandbox.anvil import Anvil
from app.sandbox.chain_driver import AnvilDriver
from app.signer.keystore import SpendingKeys, new_mnemonic
from app.wiring import Services, running, wire
from tests.factories.networks import XPUB, networks_toml
from tests.signer.signer_under_test import SignerUnderTest

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
        await redis.client().flushall()
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
