"""One headless browser and one loopback site for the tests of the checkout page, and a watcher for those on a chain."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from app.wiring import Services
from tests.checkout.site import Site
from tests.chromium import launch_options


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for the module."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(**launch_options())
        yield started
        started.close()


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """The pages' server, for the module; each test puts its own invoices there."""
    started = Site()
    yield started
    started.close()


@pytest.fixture
async def watching(services: Services) -> AsyncIterator[None]:
    """Run the network's watcher, as a chain worker does."""
    (watcher,) = services.watchers()
    await watcher.tick()
    stop = asyncio.Event()
    task = asyncio.create_task(watcher.run(stop))
    yield
    stop.set()
    await asyncio.wait_for(task, 10)
