"""Paying from a wallet in the browser: the running app, a real chain, Chromium, and a fake wallet with a real key."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Locator, Page, async_playwright, expect

from app.core import database
from app.core.settings import Settings
from app.merchants.terms import Terms
from app.sandbox.chain_driver import AnvilDriver
from app.wiring import Services
from tests.checkout.running import RunningApp, running_app
from tests.chromium import launch_options
from tests.complaints import complaints_of
from tests.factories.invoices import AskedInvoice, invoice, reread
from tests.factories.merchants import terms
from tests.fakes.browser_wallet import SECOND_KEY, BrowserWallet, install

PUBLIC_NODE = "https://node.example/public"
SEND = "eth_sendTransaction"


@pytest.fixture
async def web(
    environment: dict[str, str], services: Services, chain_settings: Callable[..., Settings], tmp_path: Path
) -> AsyncIterator[RunningApp]:
    """The app on the gateway's database and chain; wallets may be told of a public node."""
    chain_settings(public_rpc_url=PUBLIC_NODE, explorer_tx_url="https://explorer.example/tx/{txid}")
    async with running_app(environment, tmp_path / "web", sandbox=False) as app:
        yield app


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Chromium."""
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(**launch_options())
        yield started
        await started.close()


class Shop:
    """Opens the pages of invoices of one merchant, in a browser with the wallets that a test gives."""

    def __init__(self, services: Services, web: RunningApp, browser: Browser, merchant: Terms) -> None:
        self.services, self.web, self.browser, self.merchant = services, web, browser, merchant
        self.complaints: list[str] = []

    async def ask(self, **fields: Any) -> AskedInvoice:
        """A new invoice."""
        return await invoice(self.services, self.merchant, **fields)

    @asynccontextmanager
    async def opened(
        self, new: AskedInvoice, wallets: dict[str, BrowserWallet], *, announced: bool = True, width: int = 1280
    ) -> AsyncIterator[Page]:
        """The page of an invoice. The browser's complaints, of its policies too, are kept."""
        context = await self.browser.new_context(viewport={"width": width, "height": 800})
        await install(context, wallets, announced=announced)
        page = await context.new_page()
        complaints_of(page, self.complaints)
        page.on("request", lambda request: self._note(request.url))
        await page.goto(self.web.url(self.services.links.slug(new.id)))
        yield page
        await context.close()

    def _note(self, url: str) -> None:
        if not url.startswith(self.web.url("").removesuffix("/pay/")):
            self.complaints.append(f"asked somebody else: {url}")


@pytest.fixture
async def no_blocks(driver: AnvilDriver) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Stops the node's mining when it is called, until the end of the test or `evm_setAutomine`."""

    async def stop() -> None:
        await driver.call("evm_setAutomine", False)

    yield stop
    await driver.call("evm_setAutomine", True)


@pytest.fixture
async def shop(services: Services, web: RunningApp, browser: Browser) -> AsyncIterator[Shop]:
    """With nothing to complain of at the end."""
    made = Shop(services, web, browser, await terms(service_fee_bps=0))
    yield made
    assert made.complaints == []


def says(page: Page) -> Locator:
    """The step that the page names."""
    return page.locator(".wallets__says")


async def test_a_press_pays_and_what_was_sent_is_shown_until_the_network_has_it(
    services: Services,
    watching: None,
    shop: Shop,
    driver: AnvilDriver,
    no_blocks: Callable[[], Awaitable[None]],
) -> None:
    token, coin = await shop.ask(), await shop.ask(currency="ETH", amount="0.25")
    other = BrowserWallet(driver, key=SECOND_KEY)
    wallet = BrowserWallet(driver)
    await no_blocks()
    async with shop.opened(token, {"Fox <b>Wallet": wallet, "Other": other}, width=320) as page:
        button = page.get_by_role("button", name="Pay with \u2068Fox <b>Wallet\u2069")
        await expect(page.locator(".wallets__button")).to_have_count(2)
        assert await page.evaluate("document.documentElement.scrollWidth") == 320
        wallet.hesitates.clear()
        await button.click()
        await expect(says(page)).to_contain_text("Compare the amount in your wallet")
        await button.click(force=True)
        await page.locator(".wallets__button", has_text="Other").click(force=True)
        await page.route("**/sent", lambda route: route.fulfill(status=503))
        wallet.hesitates.set()
        await expect(says(page)).to_have_text("Sent. This page says when the network has it.")
        await button.click(force=True)
        await page.unroute("**/sent")
        await page.reload()  # the server is told then
        shop.complaints.clear()  # of the 503
        await expect(page.get_by_text("Sent from your wallet:")).to_be_visible()
        await expect(page.locator("#headline")).to_have_text("Waiting for your payment")
        await page.reload()
        await expect(page.get_by_text("Waiting for the network. Please don’t send it twice.")).to_be_visible()
        await expect(page.locator(".wallets__button").first).to_be_hidden()
        await page.get_by_text("Send again from a wallet").click()
        await expect(page.locator(".wallets__button").first).to_be_visible()
        await driver.call("evm_setAutomine", True)
        await driver.mine(1)
        await expect(page.locator("#headline")).to_have_text("We see your payment")
        await expect(page.get_by_text("Sent from your wallet:")).to_have_count(0)
        await driver.mine(3)
        await expect(page.locator("#headline")).to_have_text("Payment complete")
        await expect(page.locator("#wallets")).to_have_count(0)
    assert wallet.asked.count(SEND) == 1, "a double press sends once"
    assert other.asked == []
    assert (await reread(services, token)).status == "paid"

    async with shop.opened(coin, {"Fox": wallet}) as page:
        await page.locator(".wallets__button").click()
        await expect(page.locator("#headline")).to_have_text("We see your payment")
        await driver.mine(3)
        await expect(page.locator("#headline")).to_have_text("Payment complete")
    assert (await reread(services, coin)).received_raw == coin.pay_in.amount_raw


async def test_each_refusal_is_said_in_words_and_nothing_is_sent(shop: Shop, driver: AnvilDriver) -> None:
    new = await shop.ask()
    wallet = BrowserWallet(driver)
    poor = BrowserWallet(driver, key=SECOND_KEY)
    async with shop.opened(new, {"Fox": wallet, "Poor": poor}) as page:
        fox = page.locator(".wallets__button", has_text="Fox")
        for method, code, words in (
            ("eth_requestAccounts", 4001, "declined in your wallet"),
            ("eth_requestAccounts", -32002, "another question open"),
            ("eth_chainId", -32603, "could not do it. Nothing was sent"),
            ("eth_accounts", 4100, "account in your wallet has changed"),
            (SEND, 4001, "declined in your wallet"),
            (SEND, -32603, "no clear answer"),
        ):
            wallet.refuses = {method: code}
            await fox.click()
            await expect(says(page)).to_contain_text(words)
        wallet.refuses = {}
        as_after_a_part = "document.getElementById('wallets').dataset.asked += ' '"
        wallet.before = {"eth_accounts": lambda: page.evaluate(as_after_a_part)}
        await fox.click()
        await expect(says(page)).to_contain_text("The amount on this page has changed")
        await page.locator(".wallets__button", has_text="Poor").click()
        await expect(says(page)).to_have_text(f"This account holds less than {new.pay_in.amount_decimal} USDT.")
        await expect(page.locator("#announcer")).to_contain_text("holds less")
    assert (wallet.asked.count(SEND), poor.asked.count(SEND)) == (2, 0)
    assert await database.fetch_value("SELECT count(*) FROM announced_transactions") == 0


async def test_the_network_is_changed_or_added_and_an_old_wallet_pays_too(
    shop: Shop, driver: AnvilDriver, watching: None, web: RunningApp
) -> None:
    new = await shop.ask()
    wallet = BrowserWallet(driver, chain_id=1)
    wallet.refuses = {"wallet_switchEthereumChain": 4001}
    async with shop.opened(new, {"Fox": wallet}, announced=False) as page:
        button = page.get_by_role("button", name="Pay with \u2068your browser’s wallet\u2069")
        await button.click()
        await expect(says(page)).to_contain_text("declined")
        wallet.refuses = {"wallet_addEthereumChain": 4200}
        await button.click()
        await expect(says(page)).to_contain_text("is on another network. Change to Ethereum there")
        assert SEND not in wallet.asked
        wallet.refuses = {}
        await button.click()
        await expect(page.locator("#headline")).to_have_text("We see your payment")
    (added,) = wallet.added
    assert added == {
        "chainId": "0x7a69",
        "chainName": "Ethereum test",
        "nativeCurrency": {"name": "Ether", "symbol": "ETH", "decimals": 18},
        "rpcUrls": [PUBLIC_NODE],
        "blockExplorerUrls": ["https://explorer.example"],
    }
