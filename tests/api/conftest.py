"""Fixtures for the merchant API: the whole app, a key, and an HTTP client."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.api_keys import service as api_keys
from app.api_keys.scopes import Scope
from app.asgi import create_app
from app.core import clock
from app.core.settings import Settings
from app.web.edge import Edge
from tests.api.serving import Served, served
from tests.factories.api_keys import api_key
from tests.factories.merchants import merchant, takes
from tests.services import empty_redis

BASE = "/api/v1/merchant"
INVOICE = {"amount": "5.00", "currency": "USDT", "chain": "ethereum"}


@dataclass(frozen=True)
class Integrator:
    """A merchant's server: its merchant, its key, and requests with them."""

    merchant_id: str
    key_id: str
    key: str
    client: httpx.AsyncClient

    async def get(self, path: str, **params: Any) -> httpx.Response:
        return await self.client.get(BASE + path, params=params, headers=self.headers())

    async def post(self, path: str, json: Any = None, *, once: str | None = None) -> httpx.Response:
        headers = self.headers() | ({"Idempotency-Key": once} if once else {})
        return await self.client.post(BASE + path, json=json, headers=headers)

    async def invoice(self, once: str, **fields: Any) -> dict[str, Any]:
        response = await self.post("/invoices", INVOICE | fields, once=once)
        assert response.status_code == 201, response.text
        body: dict[str, Any] = response.json()
        return body

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}


@pytest.fixture
async def client(chain_settings: Callable[..., Settings], steady_clock: None) -> AsyncIterator[httpx.AsyncClient]:
    """The app, running, on a fresh database, an empty Valkey and the node's head."""
    app = create_app(chain_settings())
    started, stop = asyncio.Event(), asyncio.Event()
    running = asyncio.create_task(_run(app, started, stop))
    await asyncio.wait({running, asyncio.create_task(started.wait())}, return_when=asyncio.FIRST_COMPLETED)
    if not running.done():
        await empty_redis()
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="https://pay.example.test") as client:
            yield client
        stop.set()
    await running


async def _run(app: Edge, started: asyncio.Event, stop: asyncio.Event) -> None:
    """Run the app in one task: Litestar's lifespan must end in the task that started it."""
    async with app.lifespan():
        started.set()
        await stop.wait()


@pytest.fixture
async def server(
    chain_settings: Callable[..., Settings], environment: dict[str, str], tmp_path: Path, db: str, valkey: str
) -> AsyncIterator[Served]:
    """The app on a real Granian, on a fresh database, an empty Valkey and the node's head."""
    chain_settings()  # writes the networks file that the environment names
    with served(environment, tmp_path / "web.log") as running:
        yield running


NewKey = Callable[..., Awaitable[str]]


@pytest.fixture
def new_key(server: Served, chain_settings: Callable[..., Settings]) -> NewKey:
    """Returns a function that creates a test key of a new merchant with USDT and ETH; by default with every scope."""
    peppers = chain_settings().api_key_peppers

    async def make(*scopes: Scope) -> str:
        merchant_id = await merchant()
        await takes(merchant_id, "USDT", "ETH")
        key = await api_key(peppers, scopes=[scope.value for scope in scopes or Scope], merchant_id=merchant_id)
        return key.full

    return make


NewIntegrator = Callable[..., Awaitable[Integrator]]


@pytest.fixture
def new_integrator(client: httpx.AsyncClient, chain_settings: Callable[..., Settings]) -> NewIntegrator:
    """Returns a function that creates a merchant that accepts USDT and ETH, and its key."""
    peppers = chain_settings().api_key_peppers

    async def make(*scopes: Scope, service_fee_bps: int = 80, rate_limit_per_minute: int = 10_000) -> Integrator:
        merchant_id = await merchant(service_fee_bps=service_fee_bps)
        await takes(merchant_id, "USDT", "ETH")
        key, secret = await api_keys.issue(
            peppers,
            merchant_id=merchant_id,
            mode="test",
            name="integration server",
            scopes=[scope.value for scope in scopes or Scope],
            allowlist=[],
            seen_by=None,
            rate_limit_per_minute=rate_limit_per_minute,
            now=clock.now(),
        )
        return Integrator(merchant_id, key.id, secret, client)

    return make


@pytest.fixture
async def integrator(new_integrator: NewIntegrator) -> Integrator:
    """A merchant's server with a key that has every scope."""
    return await new_integrator()
