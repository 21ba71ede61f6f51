"""One headless browser and one loopback site for the tests of the checkout page."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

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
