"""A gateway on real Postgres and a real chain, and a shop that it delivers events to."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest

from app.api_keys.scopes import Scope
from app.core import clock
from app.core.settings import Settings
from app.sandbox import tls
from app.sandbox.tls import Certificates
from app.wiring import Services
from tests.api.serving import served
from tests.factories.api_keys import api_key
from tests.factories.merchants import merchant, takes
from tests.factories.webhooks import make_endpoint
from tests.woocommerce.journeys import Gateway
from tests.woocommerce.php import CURRENT, HERE
from tests.woocommerce.shop import Shop, client, serving

NEEDED = [Scope.INVOICES_WRITE, Scope.REFUNDS_WRITE]


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    """The shop's."""
    return tls.ensure(tmp_path / "tls")


@pytest.fixture
def environment(environment: dict[str, str], certificates: Certificates) -> dict[str, str]:
    """The shop is on loopback."""
    return environment | {
        "WEBHOOK_ALLOW_NETWORKS": "127.0.0.0/8",
        "WEBHOOK_CA_FILE": str(certificates.ca_path),
    }


@pytest.fixture
async def shop(tmp_path: Path, certificates: Certificates) -> AsyncIterator[Shop]:
    """A shop without settings."""
    with serving(CURRENT, HERE / "fakes/shop.php", tmp_path, certificates) as url:
        async with client(certificates) as browser:
            yield Shop(url, browser)


@pytest.fixture
async def gateway(
    services: Services, chain_settings: Callable[..., Settings], environment: dict[str, str], tmp_path: Path, shop: Shop
) -> AsyncIterator[Gateway]:
    """A gateway that delivers the shop's events to it."""
    settings = chain_settings()
    merchant_id = await merchant()
    await takes(merchant_id, "USDT", "ETH")
    key = await api_key(settings.api_key_peppers, scopes=NEEDED, merchant_id=merchant_id)
    small = await api_key(settings.api_key_peppers, scopes=[Scope.INVOICES_READ], merchant_id=merchant_id)
    endpoint = await make_endpoint(
        merchant_id=merchant_id, mode="test", url=shop.webhook_url, keys=settings.data_keys, now=clock.now()
    )
    stop = asyncio.Event()
    delivering = asyncio.create_task(services.deliver_webhooks(stop))
    with served(environment, tmp_path / "web.log") as web:
        async with httpx.AsyncClient(timeout=60, trust_env=False) as http:
            yield Gateway(web.url, key.full, small.full, endpoint.secret, merchant_id, http)
    stop.set()
    await delivering
