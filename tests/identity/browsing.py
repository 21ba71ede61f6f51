"""A browser without scripts: it stores cookies, and submits forms with the fields of the page."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from html import unescape

import httpx
import pyotp

from app.accounts import service as accounts
from app.core import clock, database
from app.core.settings import Settings
from app.identity import cookies
from tests.factories.letters import letters as waiting_letters

PASSWORD = "a rather long phrase 7"
_INPUT = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)">')


@dataclass(frozen=True)
class Account:
    """An account, and its authenticator if one is set up."""

    id: str
    email: str
    password: str
    totp_secret: str | None

    def code(self) -> str:
        """The next code: the clock moves by half a minute."""
        assert self.totp_secret is not None
        clock.shift(timedelta(seconds=30))
        return pyotp.TOTP(self.totp_secret).at(clock.now())


async def an_account(
    settings: Settings, email: str = "mara@example.test", *, totp: bool = False, is_operator: bool = False
) -> Account:
    """An account with a confirmed address."""
    made = await accounts.create(
        settings.data_keys,
        email=email,
        name="Mara Merchant",
        password=PASSWORD,
        is_operator=is_operator,
        now=clock.now(),
    )
    if not totp:
        await database.execute("UPDATE accounts SET totp_secret_sealed = NULL WHERE id = $1", made.id)
    return Account(made.id, email, PASSWORD, made.totp_secret if totp else None)


class Browser:
    """Follows no redirect by itself: tests check the target."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def get(self, path: str, **headers: str) -> httpx.Response:
        """Open a page. If it redirects to its address with a form key, return that page."""
        answer = await self.client.get(path, headers=headers)
        is_itself = re.fullmatch(rf"{re.escape(path)}[?&]form=[0-9a-f]{{32}}", answer.headers.get("location", ""))
        return await self.client.get(is_itself[0], headers=headers) if is_itself else answer

    async def send(self, path: str, page: str | None = None, **fields: str) -> httpx.Response:
        """Open the page (`path` by default) and submit its form to `path`."""
        shown = await self.get(page or path)
        return await self.post(path, hidden(shown) | fields)

    async def post(self, path: str, fields: Mapping[str, str | Sequence[str]], **headers: str) -> httpx.Response:
        """Send fields with the headers of a form on our own page. For a form that was refused, return its page."""
        same_origin = {"Sec-Fetch-Site": "same-origin"}
        return await self.shown_again(await self.client.post(path, data=fields, headers=same_origin | headers))

    async def shown_again(self, answer: httpx.Response) -> httpx.Response:
        """The page with the form again, where this answer to a form leads there; else the answer.

        With errors it gets the status that a refused form has where htmx sends it: 422.
        """
        location = answer.headers.get("location", "")
        if not re.search(r"[?&]form=[0-9a-f]{32}$", location):
            return answer
        page = await self.client.get(location)
        if "<title>Error: " in page.text:
            page.status_code = 422
        return page

    async def led_on(self, answer: httpx.Response) -> httpx.Response:
        """Open the page that a form's answer redirects to."""
        assert answer.status_code == 303, answer.text
        return await self.get(answer.headers["location"])

    async def sign_in(self, account: Account) -> httpx.Response:
        """Sign in, with a code where one is required."""
        answer = await self.send("/sign-in", email=account.email, password=account.password)
        if answer.headers.get("location", "").startswith("/sign-in/code"):
            answer = await self.send("/sign-in/code", code=account.code())
        assert answer.status_code == 303, answer.text
        return answer

    @property
    def session(self) -> str | None:
        """The session's cookie."""
        return self.client.cookies.get(cookies.SESSION)

    async def is_signed_in(self) -> bool:
        """Whether the account page opens."""
        return (await self.get("/account")).status_code == 200


def with_cookie_of(thief: Browser, victim: Browser) -> Browser:
    """Copy the session cookie of the victim's browser to the thief's browser."""
    thief.client.cookies.set(cookies.SESSION, victim.session or "", domain="pay.example.test")
    return thief


def hidden(page: httpx.Response) -> dict[str, str]:
    """The hidden fields of a page."""
    return {name: unescape(value) for name, value in _INPUT.findall(page.text)}


async def letters(email: str) -> list[str]:
    """Subject and body of each letter to an address, the latest first."""
    return [f"{letter.subject}\n{letter.body}" for letter in await waiting_letters(email)]


async def mailed_path(email: str) -> str:
    """The path of the link in the latest letter to an address."""
    (latest, *_) = await letters(email)
    found = re.search(r"https://pay\.example\.test(/\S+\?token=\S+)", latest)
    assert found, latest
    return found[1]


async def enrol(browser: Browser, account: Account) -> tuple[Account, list[str]]:
    """Set up an authenticator in a signed-in browser. Returns the account with it, and the recovery codes."""
    offered = await browser.led_on(await browser.send("/account/security/authenticator", password=account.password))
    assert offered.status_code == 200, offered.text
    secret = "".join(re.findall(r"<span>([A-Z2-7]{4})</span>", offered.text))
    enrolled = Account(account.id, account.email, account.password, secret)
    fields = hidden(offered) | {"code": enrolled.code()}
    shown = await browser.led_on(await browser.post("/account/security/authenticator/confirm", fields))
    assert shown.status_code == 200, shown.text
    return enrolled, re.findall(r"<code dir=\"ltr\"[^>]*>([0-9A-Z-]{19})</code>", shown.text)


def without_ids(page: httpx.Response) -> str:
    """The page's text without the parts that differ each time: request ids, form tokens and challenges of passkeys."""
    challenges = r'name="passkey_challenge" value="[^"]*"|data-options="[^"]*"'
    return re.sub(rf"[0-9a-f]{{32,64}}|{challenges}", "#", page.text)
