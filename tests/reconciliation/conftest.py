"""A gateway with deposit addresses of its own, every route of alerts, and some payments."""

import base64
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from bip_utils.bip.bip32.slip10.bip32_slip10_secp256k1 import Bip32Slip10Secp256k1
from eth_utils.address import to_checksum_address

from app.core import clock, logging
from app.core.settings import Settings, load
from app.ledger import checkpoints
from app.sandbox.anvil import Anvil
from app.sandbox.chain_driver import AnvilDriver
from app.wiring import Services, running, wire
from tests.factories.networks import XPUB, networks_toml
from tests.reconciliation.world import World
from tests.services import empty_redis
from tests.webhooks.receiving import Receiver, receiving


def random_base64() -> str:
    return base64.b64encode(os.urandom(32)).decode()


@pytest.fixture
async def hook(tmp_path: Path) -> AsyncIterator[Receiver]:
    """The receiver of the operator's alert hook."""
    async with receiving(tmp_path) as running_hook:
        yield running_hook


@pytest.fixture
def environment(environment: dict[str, str], hook: Receiver, tmp_path: Path) -> dict[str, str]:
    """Settings with every route of alerts, and a key for checkpoints."""
    return environment | {
        "MAIL_URL": f"maildir:{tmp_path}/mail",
        "ALERT_MAIL_TO": "ops@example.test, oncall@example.test",
        "ALERT_HOOK_URL": hook.url("/alerts"),
        "ALERT_HOOK_SECRET": f"whsec_{random_base64()}",
        "WEBHOOK_CA_FILE": str(hook.ca_file),
        "WEBHOOK_ALLOW_NETWORKS": "127.0.0.0/8",
        "CHECKPOINT_KEY": f"c1:{random_base64()}",
        "METRICS_TOKEN": "m" * 40,
    }


@pytest.fixture
def chain_settings(environment: dict[str, str], tmp_path: Path, anvil: Anvil, token: str) -> Callable[..., Settings]:
    """As in other tests, but with another xpub: the node's own accounts hold coins that are in no ledger."""
    account = Bip32Slip10Secp256k1.FromSeed(os.urandom(32)).DerivePath("m/44'/60'/0'")
    xpub = account.PublicKey().ToExtended()
    hot = to_checksum_address(os.urandom(20))

    def make(**options: object) -> Settings:
        path = tmp_path / "networks.toml"
        options = {"hot_wallet_address": hot, **options}
        path.write_text(networks_toml(anvil.rpc_url, token, **options).replace(XPUB, xpub))
        path.chmod(0o600)
        return load(environment)

    return make


@pytest.fixture
async def services(chain_settings: Callable[..., Settings], steady_clock: None) -> AsyncIterator[Services]:
    """The gateway, with a new database and an empty Valkey."""
    logging.configure(level="INFO", json=True)
    async with running(wire(chain_settings())) as services:
        await empty_redis()
        yield services


@pytest.fixture
async def world(services: Services, driver: AnvilDriver, token: str) -> World:
    """Two paid invoices, one of them in the native coin, and an overpaid one; signed in a checkpoint."""
    world = await World.begin(services, driver, token)
    await world.pay("USDT", "5.00")
    await world.pay("ETH", "0.01")
    await world.pay("USDT", "7.00", extra_raw=11)
    await world.settle()
    keys = services.settings.checkpoint_keys
    assert keys is not None
    await checkpoints.create(keys, clock.now())
    return world
