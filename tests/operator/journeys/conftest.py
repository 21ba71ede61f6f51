"""A gateway with a hot wallet and a signer, as the signer's own tests have it, and the web app beside it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.wiring import Services
from tests.checkout.running import RunningApp, running_app
from tests.identity.browsing import Account, an_account
from tests.signer.conftest import (  # noqa: F401
    asset_options,
    chain_settings,
    keys,
    mnemonic,
    network_options,
    node_url,
    services,
    setup,
)


@pytest.fixture
async def olive(services: Services) -> Account:  # noqa: F811
    """An operator with an authenticator that was never used."""
    return await an_account(services.settings, "olive@example.test", totp=True, is_operator=True)


@pytest.fixture
async def web(services: Services, environment: dict[str, str], tmp_path: Path) -> AsyncIterator[RunningApp]:  # noqa: F811
    """The app in a process of its own, on the gateway's database and chain."""
    async with running_app(environment, tmp_path / "web", sandbox=False) as app:
        yield app
