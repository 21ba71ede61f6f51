"""The app on a real server, people with sessions there, and their browser."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import Browser, BrowserContext, async_playwright

from app.accounts import sessions
from app.core import clock
from app.identity import cookies
from app.merchants import service as merchants
from app.merchants.roles import Role
from app.merchants.terms import Terms
from app.wiring import Services
from tests.checkout.running import RunningApp, running_app
from tests.chromium import launch_options
from tests.factories.merchants import terms
from tests.identity.browsing import Account, an_account


@dataclass(frozen=True)
class Person:
    """Somebody who is signed in."""

    account: Account
    token: str

    @property
    def cookie(self) -> dict[str, str]:
        """The header of their requests."""
        return {"Cookie": f"{cookies.SESSION}={self.token}"}


@dataclass(frozen=True)
class Shop:
    """A merchant on the served app."""

    services: Services
    terms: Terms
    served: RunningApp

    @property
    def base(self) -> str:
        """The path of its pages in test mode."""
        return f"/cabinet/{self.terms.merchant_id}/test"

    @property
    def url(self) -> str:
        """Where its pages in test mode are."""
        return f"http://127.0.0.1:{self.served.port}{self.base}"

    async def person(self, name: str, role: Role = "owner") -> Person:
        """A new member, signed in."""
        account = await an_account(self.services.settings, f"{name}@example.test")
        await merchants.add_member(self.terms.merchant_id, account.id, role, clock.now())
        return await signed_in(account)


async def signed_in(account: Account) -> Person:
    """Somebody with a new session."""
    _, token = await sessions.open_session(
        account.id, code_given=True, address="192.0.2.9", user_agent="", now=clock.now()
    )
    return Person(account, token)


@pytest.fixture
async def shop(environment: dict[str, str], tmp_path: Path, services: Services) -> AsyncIterator[Shop]:
    """An approved merchant; the app is served over plain http on loopback, on the gateway's own books."""
    async with running_app(environment, tmp_path, sandbox=False) as app:
        yield Shop(services, await terms(service_fee_bps=0), app)


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    """One for the test."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(**launch_options())
        yield browser
        await browser.close()


async def browser_of(chromium: Browser, shop: Shop, person: Person) -> BrowserContext:
    """A browser in which a person is signed in."""
    context = await chromium.new_context()
    address = f"https://127.0.0.1:{shop.served.port}"
    await context.add_cookies([{"name": cookies.SESSION, "value": person.token, "url": address}])
    return context
