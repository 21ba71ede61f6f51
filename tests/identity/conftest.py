"""The whole app, and browsers that store cookies and submit forms."""

import asyncio
from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from app.asgi import create_app
from app.core.logging import configure
from app.core.settings import Settings
from app.web.edge import Edge
from tests.identity.browsing import Browser

BASE = "https://pay.example.test"


@pytest.fixture
async def app(settings: Settings, steady_clock: None) -> AsyncIterator[Edge]:
    """The app, running, on a fresh database."""
    app = create_app(settings)
    started, stop = asyncio.Event(), asyncio.Event()

    async def run() -> None:
        async with app.lifespan():
            started.set()
            await stop.wait()

    running = asyncio.create_task(run())
    await asyncio.wait({running, asyncio.create_task(started.wait())}, return_when=asyncio.FIRST_COMPLETED)
    if not running.done():
        yield app
        stop.set()
    await running


@pytest.fixture
async def browser(app: Edge) -> AsyncIterator[Callable[..., Browser]]:
    """Makes browsers, each with cookies of its own."""
    clients: list[httpx.AsyncClient] = []

    def make(address: str = "192.0.2.1", **headers: str) -> Browser:
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False, client=(address, 1))
        client = httpx.AsyncClient(transport=transport, base_url=BASE, headers={"User-Agent": "Test Browser"} | headers)
        clients.append(client)
        return Browser(client)

    yield make
    for client in clients:
        await client.aclose()


@pytest.fixture
def captured_log(capfd: pytest.CaptureFixture[str]) -> Callable[[], str]:
    """Returns everything written to the log and the terminal since the last call; logs have production's format."""
    configure(level="DEBUG", json=True)
    return lambda: "".join(capfd.readouterr())
