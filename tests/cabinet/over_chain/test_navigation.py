"""The cabinet in a real browser, where pages, lists and questions come without being loaded anew."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from app.core import clock, database
from app.merchants import service as merchants
from app.wiring import Services
from tests.checkout.running import RunningApp, running_app
from tests.chromium import launch_options
from tests.complaints import complaints_of
from tests.factories.invoices import invoice
from tests.factories.merchants import terms
from tests.identity.browsing import PASSWORD, an_account
from tests.page_checks import check_page

EMAIL = "owner@example.test"
EXPECTED_COMPLAINTS = ("status of 4", "htmx:", "ERR_INTERNET_DISCONNECTED", "[object Event]")
"""What the browser notes of requests that this test makes fail."""


@pytest.fixture
async def served(environment: dict[str, str], tmp_path: Path, services: Services) -> AsyncIterator[RunningApp]:
    """The app on a real server."""
    async with running_app(environment, tmp_path, sandbox=False) as app:
        yield app


@pytest.fixture
async def context() -> AsyncIterator[BrowserContext]:
    """A browser with one set of cookies."""
    async with async_playwright() as playwright:
        browser: Browser = await playwright.chromium.launch(**launch_options())
        yield await browser.new_context(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
        await browser.close()


@pytest.fixture
async def base(served: RunningApp, services: Services) -> str:
    """The pages of a merchant with 60 invoices, 20 of them paid, and an owner."""
    own = await terms(service_fee_bps=80)
    account = await an_account(services.settings, EMAIL)
    await merchants.add_member(own.merchant_id, account.id, "owner", clock.now())
    for number in range(60):
        order = f"S-{2000 + number}"
        made = await invoice(services, own, amount=f"{number + 1}.50", order_id=order, expires_in=timedelta(hours=9))
        if number % 3 == 0:
            await database.execute("UPDATE invoices SET status = 'paid' WHERE id = $1", made.id)
    return f"http://127.0.0.1:{served.port}/cabinet/{own.merchant_id}/test"


async def sign_in(page: Page, base: str) -> None:
    await page.goto(f"{base.partition('/cabinet')[0]}/sign-in")
    await page.get_by_label("Email").fill(EMAIL)
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url("**/cabinet/**")


async def test_the_cabinet_moves_without_being_loaded_anew(context: BrowserContext, base: str) -> None:
    page = await context.new_page()
    complaints = complaints_of(page)
    await sign_in(page, base)
    await page.goto(base)
    await page.evaluate("window.isStillHere = true")

    await goes_from_page_to_page(page, base)
    await filters_the_list(page, base)
    await fails_in_sight(context, page, base)
    await asks_before_cancelling(context, page, base)
    assert await page.evaluate("window.isStillHere"), "the page was loaded anew on the way"
    await keeps_what_was_typed(context, page, base)
    assert [words for words in complaints if not any(known in words for known in EXPECTED_COMPLAINTS)] == []


async def goes_from_page_to_page(page: Page, base: str) -> None:
    menu = page.get_by_role("navigation", name="Main")
    await menu.get_by_role("link", name="Invoices").click()
    await expect(page).to_have_url(f"{base}/invoices")
    await expect(page.get_by_role("heading", name="Invoices", level=1)).to_be_focused()
    await expect(page).to_have_title("Invoices · Tea & Co")
    await expect(page.locator("#announcer")).to_have_text("Invoices · Tea & Co")
    await expect(menu.get_by_role("link", name="Invoices")).to_have_attribute("aria-current", "page")

    await page.keyboard.press("j")
    for _ in range(14):
        await page.keyboard.press("j")
    row = page.get_by_role("link", name="S-2045")
    await expect(row).to_be_focused()
    scrolled = await page.evaluate("scrollY")
    assert scrolled > 100
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="46.50 USDT Paid")).to_be_focused()
    assert await page.evaluate("scrollY") == 0
    await page.go_back()
    await expect(row).to_be_focused()
    assert await page.evaluate("scrollY") == scrolled
    await page.go_back()
    await expect(page.get_by_role("heading", name="Home", level=1)).to_be_visible()
    await page.go_forward()
    await expect(page).to_have_title("Invoices · Tea & Co")

    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog", name="Keys")).to_contain_text("Open the row")
    await page.keyboard.press("Escape")
    await page.get_by_role("navigation", name="Mode").get_by_role("link", name="Live").click()
    await expect(page).to_have_url(f"{base.removesuffix('/test')}/live/invoices")
    await expect(page.locator(".frame--test")).to_have_count(0)
    await page.get_by_role("navigation", name="Mode").get_by_role("link", name="Test").click()
    await expect(page.locator(".frame--test")).to_have_count(1)


async def filters_the_list(page: Page, base: str) -> None:
    shown = page.locator("#results tbody tr")
    await page.get_by_label("Status").select_option("paid")
    await expect(page).to_have_url(f"{base}/invoices?status=paid")
    await expect(page.locator(".list-bar")).to_contain_text("20 invoices")
    await expect(page.locator("#announcer")).to_have_text("20 invoices")
    async with page.expect_download() as downloading:
        await page.get_by_role("link", name="Export CSV").click()
    lines = (await (await downloading.value).path()).read_text("utf-8-sig").splitlines()
    assert (len(lines), {line.split(",")[1] for line in lines[1:]}) == (21, {"paid"})

    await page.get_by_role("searchbox", name="Search").press_sequentially("S-2003", delay=20)
    await expect(page).to_have_url(f"{base}/invoices?search=S-2003&status=paid")
    await expect(shown).to_have_count(1)
    await expect(page.get_by_role("searchbox", name="Search")).to_be_focused()
    await check_page(page, "cabinet-invoices-filtered")
    await page.get_by_role("link", name=re.compile("Search: S-2003")).click()
    await expect(page).to_have_url(f"{base}/invoices?status=paid")
    await expect(page.get_by_role("searchbox", name="Search")).to_have_value("")
    await page.get_by_role("link", name="Clear filter").click()
    await expect(page.locator(".list-bar")).to_contain_text("60 invoices")
    await page.get_by_role("link", name="Show 35 more").click()
    await expect(shown).to_have_count(60)
    await expect(shown.nth(25).get_by_role("link")).to_be_focused()
    await page.reload()
    await expect(shown).to_have_count(60)
    await page.evaluate("window.isStillHere = true")


async def fails_in_sight(context: BrowserContext, page: Page, base: str) -> None:
    failure = page.get_by_role("alert")
    await context.set_offline(True)
    await page.get_by_label("Status").select_option("paid")
    await expect(failure).to_contain_text("No connection.")
    await expect(page.get_by_label("Status")).to_have_value("")
    await context.set_offline(False)
    await check_page(page, "cabinet-invoices-failed")
    await failure.get_by_role("button", name="Dismiss this message").click()
    await context.set_offline(True)
    await page.get_by_role("navigation", name="Main").get_by_role("link", name="Payouts").click()
    await expect(failure).to_contain_text("No connection.")
    await expect(page.get_by_role("heading", name="Invoices", level=1)).to_be_visible()
    await context.set_offline(False)
    await failure.get_by_role("button", name="Try again").click()
    await expect(page.get_by_role("heading", name="Payouts", level=1)).to_be_visible()
    await expect(failure).to_have_count(0)
    await context.set_offline(True)
    await page.go_back()
    await expect(failure).to_contain_text("No connection.")
    await expect(page).to_have_url(f"{base}/payouts")  # the address of what is shown
    await context.set_offline(False)
    await failure.get_by_role("button", name="Try again").click()
    await expect(page.get_by_role("heading", name="Invoices", level=1)).to_be_visible()


async def asks_before_cancelling(context: BrowserContext, page: Page, base: str) -> None:
    await page.get_by_role("link", name="S-2058").click()
    await page.get_by_role("link", name="Cancel invoice").click()
    question = page.get_by_role("dialog", name="Cancel S-2058?")
    await expect(question).to_contain_text("This can’t be undone.")
    await expect(question.get_by_role("link", name="Keep it")).to_be_focused()
    await check_page(page, "cabinet-invoice-cancel")
    await page.keyboard.press("Enter")
    await expect(question).to_have_count(0)
    await expect(page.get_by_role("heading", name="59.50 USDT Awaiting payment")).to_be_visible()
    await page.get_by_role("link", name="Cancel invoice").click()
    await question.get_by_role("button", name="Cancel invoice").dblclick()
    await expect(page.get_by_role("heading", name="59.50 USDT Cancelled")).to_be_visible()
    await expect(page.get_by_role("status").get_by_text("The invoice is cancelled.")).to_be_visible()
    await page.get_by_role("button", name="Dismiss this message").click()
    await expect(page.locator(".flash")).to_have_count(0)


async def keeps_what_was_typed(context: BrowserContext, page: Page, base: str) -> None:
    await page.goto(f"{base}/invoices/new")
    entries = await page.evaluate("history.length")
    await page.get_by_role("button", name="Create invoice").click()
    await expect(page.get_by_role("alert", name="There is a problem")).to_be_focused()
    assert await page.evaluate("history.length") == entries
    await page.get_by_label("Amount", exact=True).fill("12.34")
    await page.get_by_label("In", exact=True).select_option("USDT@ethereum")
    await context.clear_cookies()
    await page.get_by_role("button", name="Create invoice").click()
    notice = page.get_by_role("dialog", name="You were signed out")
    await expect(notice).to_be_visible()
    await check_page(page, "cabinet-signed-out")
    await notice.get_by_role("button", name="Try again").click()
    await expect(notice.get_by_role("alert")).to_contain_text("You are still signed out.")
    await sign_in(await context.new_page(), base)
    await notice.get_by_role("button", name="Try again").click()
    await expect(page.get_by_role("heading", name="12.34 USDT Awaiting payment")).to_be_visible()
