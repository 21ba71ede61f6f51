"""The TypeScript client and the shop on Express against a running gateway: its README as written, a customer's way."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from app.sandbox import tls
from app.sandbox.home import ShopInterface
from app.sandbox.integrator import Integrator, wait_for
from app.sandbox.ports import free_port
from app.sandbox.tls_front import TlsFront
from tests.browsing import opened
from tests.chromium import launch_options
from tests.clients.typescript import built, installed
from tests.sandbox.sandboxes import Sandbox

pytestmark = pytest.mark.timeout(600)
PATIENCE_S = 90
PATIENCE_MS = PATIENCE_S * 1_000
PAGE = re.compile(r"/pay/(INV-[0-9A-Z]{10})\.")


@pytest.fixture
def integrator(sandbox: Sandbox) -> Iterator[Integrator]:
    """The merchant's server."""
    integrator = sandbox.integrator()
    yield integrator
    integrator.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**launch_options())
        yield browser
        browser.close()


@pytest.fixture
def shop(sandbox: Sandbox) -> ShopInterface:
    """The shop on Express, which the sandbox runs."""
    (shop,) = (shop for shop in sandbox.interface.shops if shop.name == "shop-express")
    return shop


def test_the_readme_as_written_from_an_empty_folder_to_a_verified_payment(
    sandbox: Sandbox, integrator: Integrator, tmp_path: Path
) -> None:
    copy = built(tmp_path / "client")
    place = installed(copy, tmp_path / "place")
    program = re.search(r"^```javascript\n(.*?)^```$", (copy / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert program is not None
    (place / "pay.mjs").write_text(program[1])

    port = free_port()
    front = TlsFront(tls.ensure(sandbox.home.tls), port)
    hook = {"url": f"https://localhost:{front.port}/", "event_types": ["invoice.paid"]}
    endpoint = integrator.post("/webhooks", hook, once="the readme of typescript")
    env = {
        "PATH": os.environ["PATH"],
        "SWAP_PAY_URL": sandbox.interface.base_url,
        "SWAP_PAY_KEY": sandbox.interface.api_key,
        "SWAP_PAY_WEBHOOK_SECRET": endpoint["secret"],
        "PORT": str(port),
    }
    running = subprocess.Popen(
        ["node", "pay.mjs"], cwd=place, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        assert running.stdout is not None
        said = running.stdout.readline()
        invoice_id = PAGE.search(said)
        assert said.startswith("Send the customer to "), said
        assert invoice_id is not None
        forged = httpx.post(f"http://127.0.0.1:{port}/", content=b"{}", headers={"Swap-Pay-Signature": "t=1,v1=00"})
        assert forged.status_code == 400
        paid = sandbox.command("pay", invoice_id[1])
        assert paid.returncode == 0, paid.stdout + paid.stderr
        assert running.stdout.readline() == "Paid: T-1042\n"
    finally:
        running.kill()
        running.communicate()
        front.stop()
        _delete_endpoint(sandbox, endpoint["id"])


def _delete_endpoint(sandbox: Sandbox, endpoint_id: str) -> None:
    """So that no more events go where nothing listens."""
    key = {"Authorization": f"Bearer {sandbox.interface.api_key}"}
    gone = httpx.delete(f"{sandbox.interface.base_url}/api/v1/merchant/webhooks/{endpoint_id}", headers=key)
    assert gone.status_code == 204


def test_a_customer_pays_an_order_of_the_shop(browser: Browser, shop: ShopInterface, integrator: Integrator) -> None:
    with opened(browser, shop.url, width=360) as page:
        checkout = _to_the_payment_page(page)
        invoice = integrator.get(f"/invoices/{checkout}")
        order = invoice["success_url"]
        assert (invoice["price"], invoice["status"]) == (
            {"amount_decimal": "54.50", "currency": "EUR"},
            "awaiting_choice",
        )

        # Back before anything has come: the shop has asked, and says nothing of a failure.
        page.goto(order)
        _expect(page, "We are checking your payment")
        assert "fail" not in page.content().lower()
        page.get_by_role("button", name="Go on paying").click()
        page.wait_for_url(PAGE)
        assert checkout in page.url

        page.get_by_role("button", name="USDT").click()
        page.get_by_role("button", name="Pay exactly").click()
        page.wait_for_url(order)  # the checkout page leads back by itself
        _expect(page, "Paid. Thank you!")
        assert "54.50" in page.locator(".line--total").inner_text()

        # The order is paid: pressing pay once more leads to it, and makes no second invoice.
        answer = httpx.post(order + "/pay")
        assert (answer.status_code, answer.headers["Location"]) == (303, httpx.URL(order).path)
        assert [each["id"] for each in integrator.get("/invoices", order_id=invoice["order_id"])["data"]] == [checkout]

    def delivered() -> str | None:
        log = integrator.get(f"/webhooks/{shop.endpoint_id}/deliveries", status="delivered", limit=100)["data"]
        events = {each["event_id"]: each["attempts"][-1]["response_status"] for each in log}
        ours = (each for each in integrator.get("/events", limit=100)["data"] if each["type"] == "invoice.paid")
        ids = [each["event_id"] for each in ours if each["data"]["invoice_id"] == checkout]
        return "204" if [events.get(each) for each in ids] == [204] else None

    wait_for("the shop accepts the signed event", delivered, PATIENCE_S)
    forged = httpx.post(f"{shop.url}/webhooks/swap-pay", content=b'{"type": "invoice.paid"}')
    assert forged.status_code == 400


def test_a_customer_who_pays_too_little_reads_it_in_plain_words(
    browser: Browser, shop: ShopInterface, integrator: Integrator
) -> None:
    with opened(browser, shop.url) as page:
        checkout = _to_the_payment_page(page)
        page.get_by_role("button", name="USDT").click()
        page.get_by_role("button", name="Pay too little").click()

        def in_review() -> str | None:
            invoice = integrator.get(f"/invoices/{checkout}")
            return invoice["success_url"] if invoice["status"] == "manual_review" else None

        page.goto(wait_for("the review", in_review, PATIENCE_S))
        _expect(page, "that is too little")
        _expect(page, "Please do not pay again")
        assert page.get_by_role("button").count() == 0


def _to_the_payment_page(page: Page) -> str:
    """Put two things into the cart, and go to pay them. The id of the invoice whose page is open then."""
    page.set_default_timeout(PATIENCE_MS)
    for name in ("Stoneware mug", "Oak board"):
        page.get_by_role("link", name="Saltmarsh").click()
        page.get_by_role("button", name=f"Add to cart: {name}").click()
    page.get_by_role("button", name="Pay €").click()
    page.wait_for_url(PAGE)
    invoice_id = PAGE.search(page.url)
    assert invoice_id is not None
    return invoice_id[1]


def _expect(page: Page, text: str) -> None:
    """How the order stands, as the shop's page says it."""
    expect(page.get_by_role("status")).to_contain_text(text, timeout=PATIENCE_MS)
