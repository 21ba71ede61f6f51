"""A merchant whose pages a real browser opens: the served app, and members who sign in there."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, async_playwright

from app.core import clock
from app.core.settings import Settings
from app.merchants import service as merchants
from app.merchants.roles import Role
from tests.checkout.running import RunningApp, running_app
from tests.chromium import launch_options
from tests.factories.merchants import merchant
from tests.identity.browsing import PASSWORD, an_account
from tests.webhooks.receiving import Receiver, receiving


@dataclass
class Shop:
    """The served app, one merchant of it, and browsers."""

    app: RunningApp
    chromium: Browser
    merchant_id: str
    settings: Settings

    def url(self, place: str = "", mode: str = "test") -> str:
        """A page of the merchant."""
        return f"http://127.0.0.1:{self.app.port}/cabinet/{self.merchant_id}/{mode}/{place}".rstrip("/")

    async def new_member(self, role: Role) -> str:
        """A new member's account, who signs in with PASSWORD."""
        account = await an_account(self.settings, f"{role}@example.test")
        await merchants.add_member(self.merchant_id, account.id, role, clock.now())
        return account.id

    async def sign_in(self, email: str) -> Page:
        """A signed-in browser page. Any message on its console fails the test at its end."""
        context = await self.chromium.new_context(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
        page = await context.new_page()
        self.messages[email] = []
        page.on("console", lambda message: self.messages[email].append(message.text))
        page.on("pageerror", lambda error: self.messages[email].append(str(error)))
        await page.goto(f"http://127.0.0.1:{self.app.port}/sign-in")
        await page.get_by_label("Email").fill(email)
        await page.get_by_label("Password", exact=True).fill(PASSWORD)
        await page.get_by_role("button", name="Sign in").click()
        await page.wait_for_url("**/cabinet**")
        return page

    def __post_init__(self) -> None:
        self.messages: dict[str, list[str]] = {}


USUAL = re.compile(r".*status of 4|htmx:(sendAbort|afterRequest), ")
"""What the console may say: Chromium notes refusals (403, 422) there, and htmx a read that ended because its page was
left."""


@pytest.fixture
async def receiver(tmp_path: Path) -> AsyncIterator[Receiver]:
    """The merchant's server."""
    async with receiving(tmp_path) as running:
        yield running


@pytest.fixture
async def shop(
    environment: dict[str, str], tmp_path: Path, db: str, valkey: str, settings: Settings, receiver: Receiver
) -> AsyncIterator[Shop]:
    """The app on a real server, which may send to the receiver."""
    environment |= {"WEBHOOK_ALLOW_NETWORKS": "127.0.0.0/8", "WEBHOOK_CA_FILE": str(receiver.ca_file)}
    async with running_app(environment, tmp_path, sandbox=False) as app, async_playwright() as playwright:
        chromium = await playwright.chromium.launch(**launch_options())
        made = Shop(app, chromium, await merchant(name="Harbour & Pine"), settings)
        yield made
        unexpected = [words for messages in made.messages.values() for words in messages if not USUAL.match(words)]
        assert not unexpected, "\n".join(unexpected)
        await chromium.close()
