"""The cabinet of a deployment with a network, where invoices are paid and payouts requested."""

from collections.abc import AsyncIterator, Callable

import pytest

from app.core.settings import Settings
from app.sandbox.chain_driver import AnvilDriver
from app.web.edge import Edge
from app.wiring import Services, wire
from tests.cabinet.world import World, make_world


@pytest.fixture
def settings(chain_settings: Callable[..., Settings]) -> Settings:
    """Settings of a deployment with a network."""
    return chain_settings()


@pytest.fixture
async def works(app: Edge, settings: Settings) -> AsyncIterator[Services]:
    """The services, on the app's own pool: for steps outside the tested pages."""
    services = wire(settings)
    yield services
    await services.addresses.close()
    await services.outbound.aclose()
    await services.networks.aclose()


@pytest.fixture
async def world(settings: Settings, works: Services, driver: AnvilDriver, token: str) -> World:
    """A merchant with members and one object of each kind."""
    return await make_world(settings, works, driver, token)
