"""The example shop on Litestar, as its customers use it: they choose, pay on the payment page, and come back."""

import asyncio
import os
import re
import shlex
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import asyncpg
import httpx
import pyotp
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from swap_pay import SwapPay
from swap_pay.models import Invoice

from app.sandbox.home import ShopInterface
from app.sandbox.integrator import wait_for
from tests import commands
from tests.browsing import opened, overflow_px, violations
from tests.chromium import launch_options
from tests.sandbox.sandboxes import Sandbox

pytestmark = pytest.mark.timeout(600)

PATIENCE_S = 120
PATIENCE_MS = PATIENCE_S * 1000
CODE_S = 30
HOME = "0x1111111111111111111111111111111111111111"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(**launch_options())
        yield started
        started.close()


@pytest.fixture(scope="module")
def shop(sandbox: Sandbox) -> ShopInterface:
    """The shop, once it answers."""
    shop = next(one for one in sandbox.interface.shops if one.name == "shop")

    def answers() -> bool | None:
        try:
            return httpx.get(shop.url, trust_env=False).is_success or None
        except httpx.TransportError:
            return None

    wait_for("the shop", answers, PATIENCE_S)
    return shop


@pytest.fixture(scope="module")
def client(sandbox: Sandbox) -> Iterator[SwapPay]:
    """The merchant's own view of what happens."""
    with SwapPay(sandbox.interface.base_url, sandbox.interface.api_key) as client:
        yield client


def buy(page: Page, *articles: str) -> None:
    """Put things into the cart, and go to the payment page."""
    for article in articles:
        page.get_by_role("link", name="Saltmarsh").click()
        page.get_by_role("button", name=f"Add to cart: {article}").click()
    page.get_by_role("button", name="Pay €").click()
    page.wait_for_url("**/pay/INV-*")


def pay(page: Page, how: str) -> None:
    """Choose USDT on the payment page, and press a button of the sandbox's wallet."""
    choose_usdt(page)
    page.get_by_role("button", name=how).click()


def choose_usdt(page: Page) -> None:
    """Choose what to pay with."""
    page.locator("#ways").get_by_role("button", name="USDT").click()
    expect(page.locator(".amount__figure")).to_be_visible()


def come_back(page: Page) -> None:
    """Go back to the shop by the payment page's own button."""
    page.locator("#return").click(timeout=PATIENCE_MS)
    page.wait_for_url("**/orders/*")


def invoice_of(client: SwapPay, page: Page) -> Invoice:
    """The one invoice of the order whose page is open."""
    (invoice,) = client.invoices.list(order_id=page.url.rpartition("/")[2])
    return invoice


def test_a_customer_who_is_faster_than_the_webhook_is_told_that_we_are_checking(
    sandbox: Sandbox, shop: ShopInterface, client: SwapPay, browser: Browser
) -> None:
    customer = sandbox.customer()
    # Given webhooks that don't come, and a chain that makes no blocks,
    client.webhooks.update(shop.endpoint_id, status="paused")
    with opened(browser, shop.url, reduced_motion="reduce") as page:
        assert (violations(page), overflow_px(page)) == ([], 0)
        buy(page, "Stoneware mug", "Beeswax candle", "Beeswax candle")
        payment_page = page.url
        # a second press, and whoever comes back to the cart, are led to the same payment;
        page.goto(f"{shop.url}/cart")
        assert (violations(page), overflow_px(page)) == ([], 0)
        expect(page.locator(".line--total")).to_contain_text("42.50")
        page.get_by_role("button", name="Pay €").dblclick(no_wait_after=True)
        page.wait_for_url(payment_page)
        choose_usdt(page)
        order_id = page.context.cookies(shop.url)[0]["value"].partition(":")[0]
        (invoice,) = client.invoices.list(order_id=order_id)
        assert invoice.price is not None
        assert invoice.pay_in is not None
        assert (invoice.price.amount_decimal, invoice.payment_url) == ("42.50", payment_page)

        # when the customer comes back before anything was seen, and again with one confirmation,
        page.goto(f"{shop.url}/orders/{order_id}")
        expect(page.get_by_role("heading", name="We are checking")).to_be_visible()
        expect(page.get_by_text("has not reached us yet")).to_be_visible()
        assert (violations(page), overflow_px(page)) == ([], 0)
        customer.rpc("evm_setIntervalMining", 0)
        try:
            customer.send(invoice.pay_in.asset, invoice.pay_in.address, int(invoice.pay_in.amount_raw))
            customer.rpc("anvil_mine", "0x1")
            # then the page, which looks by itself, says that it is being checked;
            expect(page.get_by_text("1 of 3 are there")).to_be_visible(timeout=PATIENCE_MS)
            expect(page.get_by_role("heading", name="We are checking")).to_be_visible()
        finally:
            customer.rpc("evm_setIntervalMining", 1)
        # and once the gateway says so, that it is paid, without a webhook.
        expect(page.get_by_role("heading", name="Paid. Thank you!")).to_be_visible(timeout=PATIENCE_MS)
        assert (violations(page), overflow_px(page)) == ([], 0)
        expect(page.get_by_role("link", name="Cart 0")).to_be_visible()
        assert invoice_of(client, page).id == invoice.id

    # The webhooks that come later, twice, change nothing: the order is packed once.
    client.webhooks.update(shop.endpoint_id, status="enabled")
    paid_event = next(
        event for event in client.events.list() if event.type == "invoice.paid" and event.data["id"] == invoice.id
    )
    delivered(client, shop, paid_event.event_id, 1)
    client.events.redeliver(paid_event.event_id, webhook_id=shop.endpoint_id)
    delivered(client, shop, paid_event.event_id, 2)
    log = (sandbox.home.logs / "shop.log").read_text()
    assert log.count(f"Order {order_id} is paid: pack it.") == 1


def delivered(client: SwapPay, shop: ShopInterface, event_id: str, times: int) -> None:
    """Wait until the shop has accepted an event so many times."""

    def look() -> bool | None:
        found = [one for one in client.webhooks.deliveries(shop.endpoint_id) if one.event_id == event_id]
        accepted = [attempt for one in found for attempt in one.attempts if attempt.response_status == 200]
        return len(accepted) >= times or None

    wait_for("the delivery of the webhook", look, PATIENCE_S)


def test_a_payment_that_is_paid_on_the_page_and_refunded_later(
    sandbox: Sandbox, shop: ShopInterface, client: SwapPay, browser: Browser
) -> None:
    with opened(browser, shop.url, width=360, java_script_enabled=False, color_scheme="dark") as page:
        # Given a customer without scripts, on a phone, who chooses and pays,
        buy(page, "Linen apron")
        pay(page, "Pay exactly")
        come_back(page)
        expect(page.get_by_role("heading", name="Paid. Thank you!")).to_be_visible(timeout=PATIENCE_MS)
        # when the merchant refunds, and the operator approves,
        invoice = invoice_of(client, page)
        refund = client.invoices.refunds.create(invoice.id, amount="1.00", refund_address=HOME)
        approve(sandbox, refund.id)
        wait_for("the refund", lambda: client.refunds.get(refund.id).status == "confirmed" or None, PATIENCE_S)

        # then the order page says so: the webhook has told the shop.
        def told() -> bool | None:
            page.reload()
            return page.get_by_role("heading", name="Refunded").is_visible() or None

        wait_for("the shop to say that it is refunded", told, PATIENCE_S)
        expect(page.get_by_text("We have sent a part of your payment back to you.")).to_be_visible()


def test_too_little_and_too_late_are_said_in_plain_words(
    sandbox: Sandbox, shop: ShopInterface, client: SwapPay, browser: Browser
) -> None:
    with opened(browser, shop.url) as page:
        buy(page, "Oak board")
        pay(page, "Pay too little")
        come_back(page)
        says(page, "Too little has arrived", "Your payment is less than the order costs.")
        assert invoice_of(client, page).status == "manual_review"
    with opened(browser, shop.url) as page:
        # Given a customer who has copied address and amount, and sends after the quote's end,
        buy(page, "Oak board")
        choose_usdt(page)
        invoice = client.invoices.get(re.findall("INV-[0-9A-Z]{10}", page.url)[0])
        assert invoice.pay_in is not None
        with ThreadPoolExecutor(1) as elsewhere:  # Playwright's loop runs in this thread
            elsewhere.submit(asyncio.run, end_quote(sandbox, invoice.id)).result()
        sandbox.customer().send(invoice.pay_in.asset, invoice.pay_in.address, int(invoice.pay_in.amount_raw))
        # when they come back, then the shop doesn't ask them to pay again.
        come_back(page)
        says(page, "Your payment came late", "It arrived after the time to pay was up.")


def says(page: Page, title: str, words: str) -> None:
    """The order page says that somebody looks into it, and offers no second payment."""
    expect(page.get_by_role("heading", name=title)).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_text(words)).to_be_visible()
    expect(page.get_by_text("Nothing is lost")).to_be_visible()
    assert page.get_by_role("button", name="Pay again").count() == 0
    assert (violations(page), overflow_px(page)) == ([], 0)


async def end_quote(sandbox: Sandbox, invoice_id: str) -> None:
    """Make an invoice's quote a day older, which is sooner than waiting for its end."""
    connection = await asyncpg.connect(sandbox.interface.database_url)
    try:
        async with connection.transaction():
            await connection.execute("SET LOCAL session_replication_role = replica")  # a quote never changes
            for statement in (
                "UPDATE quotes SET created_at = created_at - interval '1 day', "
                "expires_at = expires_at - interval '1 day' WHERE invoice = $1",
                "UPDATE invoices SET quote_expires_at = quote_expires_at - interval '1 day' WHERE id = $1",
            ):
                await connection.execute(statement, invoice_id)
    finally:
        await connection.close()


def test_what_is_not_from_the_gateway_is_refused(shop: ShopInterface) -> None:
    for headers in ({}, {"Swap-Pay-Signature": f"t={int(time.time())},v1={uuid.uuid4().hex}"}):
        refused = httpx.post(f"{shop.url}/webhooks/swap-pay", content=b"{}", headers=headers, trust_env=False)
        assert (refused.status_code, "ignature" in refused.text) == (400, True)
    missing = httpx.get(f"{shop.url}/orders/NOSUCHORDER1", trust_env=False)
    assert (missing.status_code, "There is no such order." in missing.text) == (404, True)
    nothing = httpx.post(f"{shop.url}/checkout", cookies={"cart": "garbage:mug-999"}, trust_env=False)
    assert (nothing.status_code, nothing.headers["location"]) == (303, "/cart")


def approve(sandbox: Sandbox, withdrawal_id: str) -> None:
    """Approve a refund as the sandbox's operator, with the command of docs/sandbox.md."""
    lines = [line.partition("=") for line in sandbox.home.environment_file.read_text().splitlines()]
    settings = {name: "".join(shlex.split(value)) for name, _, value in lines}
    operator = sandbox.interface.operator_login

    def attempt() -> bool | None:
        approved = commands.run(
            *("approvals", "approve", withdrawal_id, "--operator", operator.email, "--password", operator.password),
            *("--code", pyotp.TOTP(operator.totp_secret).now()),
            env={**os.environ, **settings},
        )
        if "code is wrong" not in approved.stderr:
            assert approved.returncode == 0, approved.stderr
            return True
        time.sleep(CODE_S)  # another test has used this half minute's code
        return None

    wait_for("the approval", attempt, 4 * CODE_S)
