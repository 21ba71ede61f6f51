"""`GET /networks`: how far the chain was read, and the proof that nothing in between was skipped."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from app.core import clock, database
from app.core.settings import Settings
from app.sandbox.chain_driver import AnvilDriver
from app.wiring import Services, wire
from tests.api.conftest import Integrator
from tests.factories.api_keys import api_key


@pytest.fixture
async def services(integrator: Integrator, chain_settings: Callable[..., Settings]) -> Services:
    """The worker's, beside the web's."""
    return wire(chain_settings())


async def network(integrator: Integrator) -> dict[str, Any]:
    answer = await integrator.get("/networks")
    assert answer.status_code == 200
    (found,) = answer.json()["data"]
    return dict(found)


async def test_a_network_that_nobody_has_read_yet(integrator: Integrator) -> None:
    assert await network(integrator) == {
        "chain": "ethereum",
        "name": "Ethereum",
        "chain_id": 31337,
        "height": None,
        "lag_blocks": None,
        "start_height": None,
        "last_scanned_block": None,
        "coverage_contiguous": False,
        "checked_at": None,
        "halted": False,
    }


async def test_height_lag_and_last_block(integrator: Integrator, services: Services, driver: AnvilDriver) -> None:
    (watcher,) = services.watchers()
    start = await driver.height()
    before = clock.now()
    await watcher.tick()
    await driver.mine(150)  # more than one batch
    await watcher.tick()
    block = await driver.call("eth_getBlockByNumber", hex(start + 150), False)
    network_now = await network(integrator)
    assert network_now | {"checked_at": None, "last_scanned_block": None} == {
        "chain": "ethereum",
        "name": "Ethereum",
        "chain_id": 31337,
        "height": start + 150,
        "lag_blocks": 0,
        "start_height": start,
        "last_scanned_block": None,
        "coverage_contiguous": True,
        "checked_at": None,
        "halted": False,
    }
    assert (network_now["last_scanned_block"]["height"], network_now["last_scanned_block"]["hash"]) == (
        start + 150,
        block["hash"],
    )
    assert datetime.fromisoformat(network_now["last_scanned_block"]["time"]).timestamp() == int(block["timestamp"], 16)
    assert before <= datetime.fromisoformat(network_now["checked_at"]) <= clock.now()


async def test_a_reorganisation_leaves_no_gap(integrator: Integrator, services: Services, driver: AnvilDriver) -> None:
    (watcher,) = services.watchers()
    await watcher.tick()
    await driver.mine(10)
    await watcher.tick()
    await driver.reorg(5)
    await driver.mine(2)
    await watcher.tick()
    network_now = await network(integrator)
    assert (network_now["coverage_contiguous"], network_now["lag_blocks"], network_now["height"]) == (
        True,
        0,
        await driver.height(),
    )
    block = await driver.call("eth_getBlockByNumber", "latest", False)
    assert network_now["last_scanned_block"]["hash"] == block["hash"]


async def test_a_worker_that_lags(integrator: Integrator, services: Services, driver: AnvilDriver) -> None:
    """It knows of blocks that it has not read, as between two batches while it catches up."""
    (watcher,) = services.watchers()
    await watcher.tick()
    await database.execute("UPDATE network_cursors SET head_height = head_height + 7")
    network_now = await network(integrator)
    assert network_now["lag_blocks"] == 7
    assert network_now["height"] == network_now["last_scanned_block"]["height"] + 7


async def test_a_gap_is_reported(integrator: Integrator, services: Services, driver: AnvilDriver) -> None:
    (watcher,) = services.watchers()
    await watcher.tick()
    await driver.mine(10)
    await watcher.tick()
    await driver.mine(5)
    await database.execute("UPDATE network_cursors SET scanned_height = scanned_height + 3")  # these are never read
    await watcher.tick()
    assert (await network(integrator))["coverage_contiguous"] is False


async def test_a_key_sees_the_networks_of_its_mode(integrator: Integrator, services: Services) -> None:
    live = await api_key(
        services.settings.api_key_peppers, scopes=["balance.read"], mode="live", merchant_id=integrator.merchant_id
    )
    reader = Integrator(integrator.merchant_id, live.id, live.full, integrator.client)
    assert (await reader.get("/networks")).json() == {"data": []}
