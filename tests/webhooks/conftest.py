"""A receiver for each test of this folder, and a merchant to send to it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.core.settings import DataKeys, Settings
from tests.factories.merchants import merchant
from tests.webhooks.receiving import Receiver, receiving


@pytest.fixture
def keys(settings: Settings) -> DataKeys:
    """The data keys of the test deployment."""
    return settings.data_keys


@pytest.fixture
async def receiver(tmp_path: Path) -> AsyncIterator[Receiver]:
    """A merchant's server."""
    async with receiving(tmp_path) as running:
        yield running


@pytest.fixture
async def merchant_id(db: str) -> str:
    """An approved merchant."""
    return await merchant()


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    """The receivers of these tests are on loopback."""
    return environment | {"WEBHOOK_ALLOW_NETWORKS": "127.0.0.0/8"}
