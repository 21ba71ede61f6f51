"""Fixtures for the cabinet: the whole app, a merchant, and its members with their browsers."""

from collections.abc import Callable

import pytest

from app.core.settings import Settings
from tests.cabinet.people import Office
from tests.factories.merchants import merchant
from tests.identity.browsing import Browser
from tests.identity.conftest import app, browser

__all__ = ["app", "browser"]


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    """Webhooks of these tests go to loopback."""
    return environment | {"WEBHOOK_ALLOW_NETWORKS": "127.0.0.0/8"}


@pytest.fixture
async def office(browser: Callable[..., Browser], settings: Settings) -> Office:
    """An approved merchant to which members are added as a test needs them."""
    return Office(await merchant(name="Harbour & Pine"), settings, browser)
