"""The members of a merchant, each with a role and a browser that is signed in."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from html import unescape
from typing import Any

import httpx

from app.core import clock, database
from app.core.settings import Settings
from app.merchants import service as merchants
from app.merchants.members import Member, member
from app.merchants.roles import Role
from tests.identity.browsing import Account, Browser, an_account, hidden

SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}


@dataclass
class Colleague:
    """A member with a browser, in test mode by default."""

    account: Account
    merchant_id: str
    browser: Browser

    def path(self, place: str = "", mode: str = "test") -> str:
        """A page of the merchant."""
        return f"/cabinet/{self.merchant_id}/{mode}" + (f"/{place}" if place else "")

    async def see(self, place: str, *, status: int = 200, mode: str = "test") -> str:
        """The text of a page."""
        shown = await self.browser.get(self.path(place, mode))
        assert shown.status_code == status, f"{place}: {shown.status_code} {shown.text[:500]}"
        return unescape(shown.text)

    async def send(
        self, place: str, fields: dict[str, Any] | None = None, *, mode: str = "test", page: str = "team"
    ) -> httpx.Response:
        """Send fields with the CSRF token of `page`, which every role may see."""
        token = hidden(await self.browser.get(self.path(page, mode)))["csrf_token"]
        sent = {"csrf_token": token, **(fields or {})}
        return await self.browser.post(self.path(place, mode), sent)

    async def shown(self, place: str, fields: dict[str, Any] | None = None, *, mode: str = "test") -> httpx.Response:
        """Send a form that is accepted. Returns the page of the redirect, which may show a secret once."""
        answer = await self.send(place, fields, mode=mode)
        assert answer.status_code == 303, f"{place}: {answer.status_code} {problems(answer)}"
        return await self.browser.get(answer.headers["location"])

    async def do(self, place: str, fields: dict[str, Any] | None = None, *, mode: str = "test") -> str:
        """Send a form that is accepted. Returns the text of the page of the redirect."""
        shown = await self.shown(place, fields, mode=mode)
        assert shown.status_code == 200, shown.text[:500]
        return unescape(shown.text)

    async def member(self) -> Member:
        """The member, as services expect it."""
        found = await member(self.account.id, self.merchant_id, address="192.0.2.9")
        assert found is not None
        return found


@dataclass
class Office:
    """One merchant and its members."""

    merchant_id: str
    settings: Settings
    browsers: Callable[..., Browser]

    async def new_member(self, role: Role, *, name: str | None = None, totp: bool = False) -> Colleague:
        """A new signed-in member. With `totp`, the member has an authenticator and has just given a code."""
        account = await an_account(self.settings, f"{name or role}@example.test", totp=totp)
        await database.execute("UPDATE accounts SET name = $2 WHERE id = $1", account.id, (name or role).capitalize())
        await merchants.add_member(self.merchant_id, account.id, role, clock.now())
        browser = self.browsers()
        await browser.sign_in(account)
        return Colleague(account, self.merchant_id, browser)


def problems(answer: httpx.Response) -> list[str]:
    """The messages of the page's error summary."""
    summary = re.search(r'<div class="error-summary".*?</div>', answer.text, re.DOTALL)
    found = re.findall(r"<li>(.*?)</li>", summary[0], re.DOTALL) if summary else []
    return [unescape(re.sub(r"<[^>]+>", "", each)) for each in found]


def secret_in(page: str) -> str:
    """The secret that a page shows."""
    found = re.search(r'<code class="copyable__text"[^>]*>([^<]+)</code>', page)
    assert found, page
    return found[1]
