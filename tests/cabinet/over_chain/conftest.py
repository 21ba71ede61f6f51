"""The cabinet of a deployment with a network: invoices are paid there, payouts asked for."""

from collections.abc import AsyncIterator, Callable

import pytest

from app.core.settings import Settings
from app.gateway import Gateway, wire
from app.sandbox.chain_driver import AnvilDriver
from app.web.edge import Edge
from tests.cabinet.world import World, make_world


@pytest.fixture
def settings(chain_settings: Callable[..., Settings]) -> Settings:
    """Settings of a deployment with a network."""
    return chain_settings()


@pytest.fixture
async def works(app: Edge, settings: Settings) -> AsyncIterator[Gateway]:
    """The use cases, on the app's own pool: what happens outside of the pages that are tested."""
    gateway = wire(settings)
    yield gateway
    await gateway.addresses.close()
    await gateway.outbound.aclose()
    await gateway.networks.aclose()


@pytest.fixture
async def world(settings: Settings, works: Gateway, driver: AnvilDriver, token: str) -> World:
    """A merchant with people and things."""
    return await make_world(settings, works, driver, token)
