"""A merchant with customers and operators, for tests of reviews."""

import pytest

from app.sandbox.chain_driver import AnvilDriver
from app.wiring import Services
from tests.deposits.shop import Shop
from tests.factories.merchants import terms
from tests.factories.operators import operator


@pytest.fixture
async def shop(services: Services, driver: AnvilDriver, token: str) -> Shop:
    merchant = await terms(service_fee_bps=80)
    ops = [await operator(services.settings.data_keys, f"op{number}@example.test") for number in (1, 2)]
    shop = Shop(services, driver, token, merchant, *ops)
    await shop.watcher.tick()
    return shop
