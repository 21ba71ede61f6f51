"""The pages of a person's passkeys, and the forms that take one in place of a code."""

import html
import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx

from app.accounts import passkeys_repository
from app.accounts.passkeys import REFUSED
from app.core import clock
from app.core.settings import Settings
from tests.fakes.authenticator import Authenticator
from tests.identity.browsing import Account, Browser, an_account, hidden, letters

Browsers = Callable[..., Browser]

PASSKEYS = "/account/security/passkeys"
_OPTIONS = re.compile(r'data-options="([^"]+)"')


def asked(page: httpx.Response) -> dict[str, Any]:
    """What the page asks the browser for."""
    found = _OPTIONS.search(page.text)
    assert found is not None, page.text
    options: dict[str, Any] = json.loads(html.unescape(found[1]))
    return options


async def add(browser: Browser, device: Authenticator, name: str) -> httpx.Response:
    page = await browser.get(f"{PASSKEYS}/new")
    return await browser.post(f"{PASSKEYS}/new", hidden(page) | {"name": name, "passkey": device.make(asked(page))})


async def sign_in(browser: Browser, device: Authenticator) -> httpx.Response:
    page = await browser.get("/sign-in")
    fields = hidden(page) | {"passkey": device.sign(asked(page))}
    return await browser.post("/sign-in/passkey", fields)


async def with_a_passkey(browser: Browser, settings: Settings) -> tuple[Account, Authenticator]:
    """Mara, who is signed in and has an authenticator app and a passkey."""
    account, device = await an_account(settings, totp=True), Authenticator(settings.public_url)
    await browser.sign_in(account)
    assert (await add(browser, device, "Phone")).status_code == 303
    return account, device


async def test_a_passkey_is_added_renamed_used_and_removed(browser: Browsers, settings: Settings) -> None:
    mara, elsewhere = browser(), browser()
    account, device = await with_a_passkey(mara, settings)
    assert "A passkey was added" in (await letters(account.email))[-1] + (await letters(account.email))[0]
    assert "Phone" in (await mara.get(PASSKEYS)).text
    (stored,) = await passkeys_repository.of_account(account.id)
    page = f"{PASSKEYS}/{stored.id}"
    await mara.send(f"{page}/rename", page, name="Old phone")
    assert "Old phone" in (await mara.get(page)).text

    assert (await sign_in(elsewhere, device)).status_code == 303
    assert await elsewhere.is_signed_in()
    fresh = await elsewhere.get("/account/security/authenticator/off")
    assert 'id="field-code"' not in fresh.text, "signing in with it counts as both steps"

    removed = await mara.send(f"{page}/remove")
    assert removed.headers["location"] == PASSKEYS
    assert not await elsewhere.is_signed_in(), "what it has opened has ended"
    assert "No passkeys yet" in (await mara.get(PASSKEYS)).text
    refused = await sign_in(browser(), device)
    assert refused.status_code == 422
    assert html.escape(REFUSED[1:]) in refused.text


async def test_a_passkey_replaces_a_code(browser: Browsers, settings: Settings) -> None:
    mara = browser()
    _, device = await with_a_passkey(mara, settings)
    clock.shift(timedelta(minutes=11))
    assert (await mara.get(f"{PASSKEYS}/new")).headers["location"] == f"{PASSKEYS}/confirm"
    page = await mara.get(f"{PASSKEYS}/confirm")
    answer, fields = device.sign(asked(page)), hidden(page)
    stranger = Authenticator(settings.public_url)
    refused = await mara.post(f"{PASSKEYS}/confirm", fields | {"passkey": stranger.sign(asked(page))})
    assert refused.status_code == 422
    again = await mara.get(f"{PASSKEYS}/confirm")
    confirmed = await mara.post(
        f"{PASSKEYS}/confirm",
        hidden(again) | {"passkey": answer, "passkey_challenge": fields["passkey_challenge"]},
    )
    assert confirmed.headers["location"] == f"{PASSKEYS}/new"
    twice = await mara.get("/account/security/passkeys/new")
    assert twice.status_code == 200, "no code is asked for within ten minutes"


async def test_a_passkey_is_the_second_step_after_a_password(browser: Browsers, settings: Settings) -> None:
    mara, elsewhere = browser(), browser()
    account, device = await with_a_passkey(mara, settings)
    await elsewhere.send("/sign-in", email=account.email, password=account.password)
    page = await elsewhere.get("/sign-in/code")
    fields = hidden(page) | {"passkey": device.sign(asked(page)), "code": ""}
    assert (await elsewhere.post("/sign-in/code", fields)).status_code == 303
    assert await elsewhere.is_signed_in()
