"""Payment links and the till in a real browser: a customer's way by a link, and sales while the connection fails."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, BrowserContext, Page, Route, async_playwright, expect

from app.core import clock, database
from app.merchants import service as merchants
from app.sandbox.chain_driver import AnvilDriver
from app.wiring import Services
from tests.checkout.running import RunningApp, running_app
from tests.chromium import launch_options
from tests.complaints import complaints_of
from tests.factories.merchants import terms
from tests.factories.payments import pay_on_chain
from tests.factories.rates import store_rate
from tests.identity.browsing import PASSWORD, an_account
from tests.page_checks import check_page

EMAIL = "cashier@example.test"
PATIENCE_MS = 30_000
EXPECTED_COMPLAINTS = ("status of 4", "htmx:", "ERR_FAILED", "[object Event]", "ERR_ABORTED")
"""What the browser notes of requests that this test makes fail."""

expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture
async def served(environment: dict[str, str], tmp_path: Path, services: Services) -> AsyncIterator[RunningApp]:
    """The app on a real server."""
    async with running_app(environment, tmp_path, sandbox=False) as app:
        yield app


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """One for the test."""
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(**launch_options())
        yield started
        await started.close()


@pytest.fixture
async def base(served: RunningApp, services: Services) -> str:
    """The pages of a merchant with prices in euros, and a developer of it."""
    own = await terms(service_fee_bps=80)
    account = await an_account(services.settings, EMAIL)
    await merchants.add_member(own.merchant_id, account.id, "developer", clock.now())
    await store_rate("USDT", "EUR", "0.92", clock.now())
    await store_rate("ETH", "EUR", "2400", clock.now())
    return f"http://127.0.0.1:{served.port}/cabinet/{own.merchant_id}/test"


async def signed_in(browser: Browser, base: str, *, script: bool = True) -> tuple[BrowserContext, Page]:
    context = await browser.new_context(
        viewport={"width": 1280, "height": 800}, reduced_motion="reduce", java_script_enabled=script
    )
    page = await context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    await page.goto(f"{base.partition('/cabinet')[0]}/sign-in")
    await page.get_by_label("Email").fill(EMAIL)
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url("**/cabinet/**")
    return context, page


async def invoices() -> list[str]:
    return [row["id"] for row in await database.fetch_all("SELECT id FROM invoices ORDER BY created_at")]


async def test_a_link_is_made_and_a_customer_pays_by_it(browser: Browser, base: str) -> None:
    context, page = await signed_in(browser, base)
    complaints = complaints_of(page)
    await page.goto(f"{base}/payment-links")
    await check_page(page, "cabinet-links-empty")
    await page.get_by_role("link", name="New payment link").first.click()
    await page.get_by_label("In", exact=True).select_option("EUR")
    await page.get_by_label("Least amount").fill("5")
    await page.get_by_label("Largest amount").fill("500")
    await page.get_by_label("Description").fill("Harbour tour with Ada")
    await page.get_by_label("How many payments").fill("40")
    await page.locator(".more-fields > summary").click()
    await check_page(page, "cabinet-link-new")
    await page.get_by_role("button", name="Create payment link").click()
    await expect(page.get_by_role("heading", name="Harbour tour with Ada")).to_be_visible()
    url = await page.locator("#link-address").inner_text()
    await check_page(page, "cabinet-link")
    await page.get_by_role("link", name="Change", exact=True).click()
    await page.get_by_role("button", name="Save").wait_for()
    await check_page(page, "cabinet-link-edit")
    await page.go_back()
    await page.get_by_role("link", name="Poster").click()
    await page.get_by_label("Language of your customers").select_option("de")
    await page.get_by_role("button", name="Show").click()
    await expect(page.locator(".poster")).to_have_attribute("lang", "de")
    await check_page(page, "cabinet-poster")
    await page.emulate_media(media="print")
    for other in (".frame__nav", ".frame__head", ".poster-tools", ".page-head"):
        await expect(page.locator(other)).to_be_hidden()
    await expect(page.locator(".poster__code .qr")).to_be_visible()
    pdf = await page.pdf(prefer_css_page_size=True, print_background=True)
    assert pdf.count(b"/Type /Page\n") == 1, "one sheet"

    customer = await (await browser.new_context(java_script_enabled=False)).new_page()
    customer.set_default_timeout(PATIENCE_MS)
    await customer.goto(base.partition("/cabinet")[0] + "/l/" + url.partition("/l/")[2])
    await customer.get_by_role("button", name="Continue to payment").click()
    await expect(customer.get_by_role("alert")).to_have_text("Please enter an amount.")
    await customer.get_by_label("How much do you want to pay?").fill("12,50 EUR")
    await customer.get_by_role("button", name="Continue to payment").click()
    await customer.wait_for_url("**/pay/INV-*")
    await expect(customer.get_by_role("heading", name="Choose what to pay with")).to_be_visible()
    await customer.go_back()
    assert len(await invoices()) == 1

    scripted = await context.new_page()
    await scripted.goto(base.partition("/cabinet")[0] + "/l/" + url.partition("/l/")[2])
    await check_page(scripted, "link-open")
    await scripted.get_by_label("How much do you want to pay?").fill("1")
    await scripted.keyboard.press("Enter")
    await expect(scripted.get_by_role("alert")).to_contain_text("Please enter at least")
    await check_page(scripted, "link-refused")
    await database.execute("UPDATE payment_links SET active = false")
    await scripted.goto(base.partition("/cabinet")[0] + "/l/" + url.partition("/l/")[2])
    await check_page(scripted, "link-over")
    await page.emulate_media(media="screen")
    await page.goto(f"{base}/payment-links")
    await check_page(page, "cabinet-links")
    assert complaints == []


async def test_a_sale_is_one_invoice_though_the_connection_is_lost(
    browser: Browser, base: str, services: Services, driver: AnvilDriver, token: str
) -> None:
    context, page = await signed_in(browser, base)
    complaints = complaints_of(page)
    await page.goto(f"{base}/till")
    await expect(page.get_by_role("heading", name="Till")).to_be_visible()
    await check_page(page, "cabinet-till")
    answers_lost = 0

    async def lose_the_answer(route: Route) -> None:
        nonlocal answers_lost
        if route.request.method != "POST":
            return await route.continue_()
        answers_lost += 1
        if answers_lost <= 2:
            await route.fetch(max_redirects=0)  # it arrives, and nobody hears of it
        await route.abort()

    await page.route("**/till*", lose_the_answer)
    for key in ("1", "2", ".", "9", "Delete the last digit", "5"):
        await page.locator(".keypad__keys").get_by_role("button", name=key, exact=True).click()
    await expect(page.get_by_label("Amount")).to_have_value("12.5")
    await page.get_by_role("button", name="Charge").click()
    await expect(page.locator("#sale-waits")).to_contain_text("The sale of 12.5 EUR is kept")
    await check_page(page, "cabinet-till-waits")
    async with asyncio.timeout(PATIENCE_MS / 1000):
        while answers_lost < 3:
            await asyncio.sleep(0.05)
    (sale,) = await invoices()
    await page.reload()  # goes on with the same sale
    await expect(page.locator("#sale-waits")).to_be_visible()
    await page.unroute("**/till*")
    await page.wait_for_url(f"**/till/{sale}*")
    assert await invoices() == [sale]
    await expect(page.get_by_role("heading", name="What does the customer pay with?")).to_be_visible()
    await check_page(page, "cabinet-sale-choice")
    assert await page.evaluate("sessionStorage.getItem('swap-pay-till-sale')") is None

    await page.get_by_role("button", name="USDT").click()
    await expect(page.get_by_role("heading", name="Send exactly")).to_be_visible()
    await check_page(page, "cabinet-sale-code")
    made = await services.invoice_reader.get_any(sale)
    assert made.pay_in is not None
    await pay_on_chain(services, driver, token, made.pay_in.address, int(made.pay_in.amount_raw))
    await expect(page.get_by_role("heading", name="Paid")).to_be_visible()
    await expect(page.locator("html")).to_have_attribute("data-chimes", "1")
    await check_page(page, "cabinet-sale-paid")
    await page.get_by_role("link", name="Next sale").click()
    await expect(page.get_by_label("Amount")).to_have_value("")
    assert await invoices() == [sale]
    assert [words for words in complaints if not any(known in words for known in EXPECTED_COMPLAINTS)] == []
    await context.close()

    _, plain = await signed_in(browser, base, script=False)
    await plain.goto(base)
    await plain.goto(f"{base.partition('/cabinet')[0]}/cabinet/till")
    await plain.get_by_label("Amount").fill("3.00")
    await plain.get_by_label("In", exact=True).select_option("USDT@ethereum")
    await plain.get_by_role("button", name="Charge").click()
    await expect(plain.get_by_role("heading", name="Send exactly")).to_be_visible()
    await plain.go_back()
    await plain.get_by_role("button", name="Charge").click()  # the same form again is the same sale
    await expect(plain.get_by_role("heading", name="Send exactly")).to_be_visible()
    assert len(await invoices()) == 2
