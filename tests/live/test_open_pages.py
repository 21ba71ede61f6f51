"""Open pages of signed-in people follow what others do, within a second and without losing anything."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from app.accounts import sessions
from app.core import clock
from app.identity import cookies
from app.merchants import service as merchants
from app.merchants.members import member
from app.wiring import Services
from tests.checkout.running import RunningApp, running_app
from tests.chromium import launch_options
from tests.factories.invoices import invoice
from tests.factories.merchants import terms
from tests.identity.browsing import Account, an_account

SOON_MS = 1_000
"""Within this time a change is on every open page."""


@pytest.fixture
async def served(environment: dict[str, str], tmp_path: Path, services: Services) -> AsyncIterator[RunningApp]:
    """The app on a real server, over plain http on loopback as the sandbox is, on the gateway's own books."""
    async with running_app(environment, tmp_path, sandbox=False) as app:
        yield app


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    """One for the test."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(**launch_options())
        yield browser
        await browser.close()


async def test_two_people_see_each_others_changes(served: RunningApp, chromium: Browser, services: Services) -> None:
    own = await terms(service_fee_bps=0)
    mara, ola = [await an_account(services.settings, f"{name}@example.test") for name in ("mara", "ola")]
    for person in (mara, ola):
        await merchants.add_member(own.merchant_id, person.id, "owner", clock.now())
    first = await invoice(services, own, amount="25.00", order_id="1041")
    base = f"http://127.0.0.1:{served.port}/cabinet/{own.merchant_id}/test"

    async def opened(person: Account, place: str) -> Page:
        context = await chromium.new_context()
        await context.add_cookies([await cookie(served, person)])
        page = await context.new_page()
        page.on("console", lambda m: print("CONSOLE", m.text))
        page.on("requestfailed", lambda r: print("FAILED", r.url))
        page.on("request", lambda r: print("REQ", r.url, r.resource_type))
        await page.goto(f"{base}/{place}")
        return page

    list_page, detail = await opened(mara, "invoices"), await opened(ola, f"invoices/{first.id}")
    await expect(list_page.locator("tbody").get_by_text("Awaiting payment")).to_have_count(1)
    await served.until_open(2)
    by = await member(mara.id, own.merchant_id, address=None)
    assert by is not None
    await services.invoices.cancel_by(by, "test", first.id, clock.now())
    print("cancelled")
    await expect(detail.locator("h1").get_by_text("Cancelled")).to_be_visible(timeout=3000)
    await expect(list_page.locator("tbody").get_by_text("Cancelled")).to_be_visible(timeout=3000)


async def cookie(served: RunningApp, person: Account) -> dict[str, str]:
    """The cookie of a new session."""
    _, token = await sessions.open_session(
        person.id, code_given=True, address="192.0.2.9", user_agent="", now=clock.now()
    )
    return {"name": cookies.SESSION, "value": token, "url": f"https://127.0.0.1:{served.port}"}
