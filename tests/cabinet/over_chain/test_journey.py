"""A merchant's steps in a real browser: apply, be approved, create an invoice, see it paid, request a payout."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, async_playwright

from app.core import clock
from app.merchants import applications
from app.sandbox.chain_driver import AnvilDriver
from app.wiring import Services
from tests.cabinet.world import ELSEWHERE, make_world
from tests.checkout.running import RunningApp, running_app
from tests.chromium import launch_options
from tests.complaints import complaints_of
from tests.factories.operators import operator
from tests.factories.payments import pay_on_chain
from tests.identity.browsing import Account, an_account
from tests.page_checks import check_page


@dataclass(frozen=True)
class Staff:
    """An operator, as the services expect one."""

    actor: str
    address: str | None = None


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


async def sign_in(page: Page, served: RunningApp, account: Account) -> str:
    """Sign in; the site's address."""
    base = f"http://127.0.0.1:{served.port}"
    await page.goto(f"{base}/sign-in?next=/cabinet")
    await page.get_by_label("Email address").fill(account.email)
    await page.get_by_label("Password").fill(account.password)
    await press(page, "Sign in")
    await page.wait_for_url("**/cabinet/**")
    return base


async def press(page: Page, label: str) -> None:
    await page.locator("main").get_by_role("button", name=label, exact=True).click()


@pytest.mark.parametrize("script", [True, False], ids=["with scripts", "without"])
async def test_from_application_to_paid_invoice_and_payout(
    served: RunningApp, chromium: Browser, services: Services, driver: AnvilDriver, token: str, script: bool
) -> None:
    account = await an_account(services.settings, "mara@example.test")
    page = await (await chromium.new_context(java_script_enabled=script)).new_page()
    complaints = complaints_of(page)

    async def seen(name: str) -> None:
        if script:
            await check_page(page, f"cabinet-{name}")

    await sign_in(page, served, account)
    await page.get_by_text("You belong to no merchant yet").wait_for()
    await seen("choice-empty")
    await page.get_by_role("link", name="Apply").click()
    await press(page, "Send application")
    await page.get_by_role("heading", name="There is a problem").wait_for()
    await page.get_by_label("Name of the business").fill("Harbour & Pine")
    await page.get_by_label("Legal name").fill("Harbour & Pine GmbH")
    await page.get_by_label("Country of registration").select_option("DE")
    await page.get_by_label("Website").fill("https://harbour-pine.example")
    await page.get_by_label("What you sell, and to whom").fill("Linen shirts and oak trays, to people at home.")
    await seen("apply")
    await page.get_by_label("10,000 to 100,000 USD").check()
    await press(page, "Send application")
    await page.get_by_text("Your application was sent.").wait_for()
    await page.get_by_role("heading", name="First steps").wait_for()  # test mode is open at once
    await page.get_by_role("link", name="New invoice").first.wait_for()
    await page.get_by_role("link", name="Live", exact=True).click()
    await page.get_by_role("link", name="See the application").wait_for()
    assert await page.get_by_role("link", name="New invoice").count() == 0
    await seen("waiting")

    (waiting,) = await applications.waiting()
    staff = await operator(services.settings.data_keys)
    by, url = Staff(f"account:{staff.id}"), services.settings.public_url
    await applications.approve(waiting.id, services.networks, by, clock.now(), public_url=url)

    await page.get_by_role("link", name="Test", exact=True).click()
    await page.get_by_text("No invoices yet").wait_for()
    await seen("home-new")
    await page.get_by_role("link", name="New invoice").first.click()
    await page.get_by_label("Amount", exact=True).fill("25.00")
    await page.get_by_label("Asset", exact=True).select_option("USDT@ethereum")
    await page.get_by_label("Description").fill("Two linen shirts")
    await page.get_by_label("Order").fill("1041")
    await seen("invoice-new")
    await press(page, "Create invoice")
    await page.get_by_role("heading", name="25.00 USDT Awaiting payment").wait_for()
    await seen("invoice-open")
    assert "/pay/INV-" in await page.locator("#payment-link").inner_text()

    invoice_id = page.url.rsplit("/", 1)[1]
    invoice = await services.invoice_reader.get_any(invoice_id)
    assert invoice.pay_in is not None
    await pay_on_chain(services, driver, token, invoice.pay_in.address, int(invoice.pay_in.amount_raw))
    await page.reload()
    await page.get_by_role("heading", name="25.00 USDT Paid").wait_for()
    history = page.locator(".timeline")
    for fact in ("Transfer seen on chain, waiting for confirmations", "Invoice credited", "Paid"):
        await history.get_by_text(fact, exact=True).wait_for()
    await seen("invoice-paid")

    await page.get_by_role("link", name="Payouts").click()
    await seen("payouts-empty")
    await page.get_by_role("link", name="New payout").first.click()
    await page.get_by_label("Amount", exact=True).fill("10")
    await page.get_by_label("Asset").select_option("USDT@ethereum")
    await page.get_by_label("Destination address").fill(ELSEWHERE[:-1] + "E")
    await press(page, "Continue")
    await page.locator(".field__error").get_by_text(re.compile("mistyped")).wait_for()
    await seen("payout-refused")
    await page.get_by_label("Destination address").fill(ELSEWHERE)
    await press(page, "Continue")
    await page.get_by_role("heading", name="Check the payout").wait_for()
    await seen("payout-review")
    await press(page, "Request payout")
    await page.get_by_role("heading", name="10.00 USDT Awaiting approval").wait_for()
    await seen("payout")
    *_, merchant_id, mode, _, payout_id = page.url.split("/")
    payout = await services.withdrawal_reader.payout(merchant_id, mode, payout_id)
    assert payout is not None
    assert payout.amount_raw == "10000000"
    await page.get_by_role("link", name="Cancel payout").click()
    question = page.get_by_role("dialog") if script else page.locator("main")
    await question.get_by_role("heading", name=f"Cancel {payout.id}?").wait_for()
    await question.get_by_role("button", name="Cancel payout").click()
    await page.get_by_role("heading", name="10.00 USDT Cancelled").wait_for()
    assert complaints == []


async def test_every_page_with_things_in_it(
    served: RunningApp, chromium: Browser, services: Services, driver: AnvilDriver, token: str
) -> None:
    world = await make_world(services.settings, services, driver, token)
    page = await (await chromium.new_context()).new_page()
    complaints = complaints_of(page)
    base = await sign_in(page, served, world.people["owner"])
    await check_page(page, "cabinet-choice")
    ids, problems = world.ids, []
    for name, path in {
        "home": "",
        "invoices": "/invoices",
        "invoices-found": f"/invoices?search={world.paid_invoice.deposits[0].txid}",
        "invoices-nothing": "/invoices?search=nothing&status=paid",
        "invoice-review": f"/invoices/{world.late_invoice.id}",
        "invoice-refund": f"/invoices/{ids['invoice_id']}/refund",
        "invoice-partly-refunded": f"/invoices/{ids['invoice_id']}",
        "payouts": "/payouts",
        "payout-new": "/payouts/new",
        "refunds": "/refunds",
        "refund": f"/refunds/{ids['refund_id']}",
        "reviews": "/reviews",
        "transactions": f"/transactions?txid={world.late_invoice.deposits[0].txid}",
        "transactions-wrong": "/transactions?txid=no-id",
        "search": f"/search?q={world.paid_invoice.id[:6]}",
        "search-nothing": f"/search?q={ELSEWHERE[:-1]}E",
        "words": "/words",
        "balances": "/balances",
        "ledger": "/ledger/USDT@ethereum",
        "ledger-entry": "/ledger/USDT@ethereum/1",
        "exports": "/exports",
        "invoice-new": "/invoices/new",
        "prices-of-assets": "/settings/prices",
        "return-address": f"/reviews/{ids['deposit_id']}/return-address",
    }.items():
        answer = await page.goto(base + world.base + path)
        assert answer is not None
        assert answer.status == 200, path
        try:
            await check_page(page, f"cabinet-{name}")
        except AssertionError as error:
            problems.append(str(error))
    assert problems == []
    await page.goto(f"{base}{world.base}/ledger/USDT@ethereum")
    await press(page, "Verify")
    await page.get_by_text("The chain holds").wait_for()
    await check_page(page, "cabinet-ledger-verified")
    assert complaints == []
