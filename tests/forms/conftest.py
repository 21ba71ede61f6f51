"""Forms of every page: the whole app with a chain, a merchant with one of everything, and a desk with work."""

import pytest

from tests.cabinet.over_chain.conftest import settings, works, world
from tests.identity.conftest import app, browser
from tests.operator.conftest import chain_settings

__all__ = ["app", "browser", "chain_settings", "settings", "works", "world"]


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    """Webhooks of these tests may name loopback."""
    return environment | {"WEBHOOK_ALLOW_NETWORKS": "127.0.0.0/8"}
