"""The desk of a deployment with one Tron network, on the double of a node."""

from collections.abc import Callable
from pathlib import Path

import pytest

from app.core.settings import Settings, load
from app.sandbox.tron_driver import USDT_PENALTY, TronDriver
from app.sandbox.tron_node import TronNode
from app.signer.keystore import SpendingKeys
from tests.operator.tron_scene import TRX, USDT, WORTH_RAW
from tests.signer.conftest import keys, mnemonic
from tests.signer.tron_under_test import SOLID, write_tron_networks

__all__ = ["keys", "mnemonic"]


@pytest.fixture
async def tron_usdt(tron: TronDriver) -> str:
    """The contract of USDT's double on this test's chain."""
    contract = await tron.deploy_stablecoin(10**15, penalty=USDT_PENALTY)
    await tron.mine(SOLID)
    return contract


@pytest.fixture
def tron_settings(
    environment: dict[str, str],
    tmp_path: Path,
    tron: TronDriver,
    tron_node: TronNode,
    tron_usdt: str,
    keys: SpendingKeys,
) -> Settings:
    """Settings of a deployment with `tron:test` on the double, whose USDT has a worth in TRX."""
    write_tron_networks(
        tmp_path / "networks.toml",
        (tron.api_url,),
        tron_node.genesis_id,
        tron_usdt,
        keys,
        asset_options={
            "USDT": {"sweep_min_raw": USDT, "coin_worth_raw": WORTH_RAW},
            "TRX": {"sweep_min_raw": 60 * TRX},
        },
        sweep_interval_s=1,
        energy_low=100_000,
    )
    return load(environment)


@pytest.fixture
def chain_settings(tron_settings: Settings) -> Callable[..., Settings]:
    """The desk's fixtures start with these."""
    return lambda: tron_settings
