"""The offer of a passkey after a sign-in with a code, the choice of a second step, and sites at IP addresses."""

from collections.abc import Callable
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from app.accounts import passkeys_repository
from app.accounts.sessions import FRESH_CODE
from app.core import clock
from app.core.settings import Settings
from app.core.webauthn import from_text
from tests.fakes.authenticator import Authenticator
from tests.identity.browsing import Account, Browser, an_account, enrol, hidden
from tests.identity.test_passkey_pages import asked

Browsers = Callable[..., Browser]

OFFER = "/account/passkey-offer"
PASSKEYS = "/account/security/passkeys"
WANTED = "/account/emails"
NO_NAME = "Passkeys need a host name; this Swap Pay runs at an IP address."


async def signed_in_with_code(browser: Browser, account: Account, makes_passkeys: str = "yes") -> httpx.Response:
    """Sign in to get to a page. The browser's script says whether it can make passkeys; without one the field is
    empty."""
    await browser.send("/sign-in", f"/sign-in?next={WANTED}", email=account.email, password=account.password)
    page = await browser.get(f"/sign-in/code?next={WANTED}")
    fields = hidden(page) | {"code": account.code(), "makes_passkeys": makes_passkeys}
    return await browser.post("/sign-in/code", fields)


async def opened(browser: Browser, answer: httpx.Response) -> httpx.Response:
    """The page that a redirect leads to; its own redirect adds the key of its form."""
    page = await browser.led_on(answer)
    return page if page.status_code == 200 else await browser.led_on(page)


def led_to(answer: httpx.Response) -> tuple[str, str]:
    """The path of a redirect, and the page on which to go on then."""
    found = urlsplit(answer.headers["location"])
    return found.path, parse_qs(found.query).get("next", [""])[0]


async def test_a_passkey_is_offered_until_it_is_answered_and_leads_on(browser: Browsers, settings: Settings) -> None:
    account = await an_account(settings, totp=True)
    assert led_to(await signed_in_with_code(browser(), account, makes_passkeys="")) == (WANTED, ""), "without a script"
    mara = browser()
    answer = await signed_in_with_code(mara, account)
    assert led_to(answer) == (OFFER, WANTED)
    page = await opened(mara, answer)
    assert "Sign in faster and safer with a passkey" in page.text
    assert led_to(await signed_in_with_code(browser(), account))[0] == OFFER, "nobody has answered yet"
    elsewhere = await mara.post(OFFER, hidden(page) | {"next": "//evil.example", "answer": "later"})
    assert elsewhere.headers["location"] == "/cabinet"
    assert led_to(await signed_in_with_code(browser(), account)) == (WANTED, ""), "not again"
    assert led_to(await mara.get(f"{OFFER}?next={WANTED}&form={'0' * 32}")) == (WANTED, "")


async def test_a_passkey_that_is_added_from_the_offer_leads_on_to_the_page(
    browser: Browsers, settings: Settings
) -> None:
    account, device, mara = await an_account(settings), Authenticator(settings.public_url), browser()
    await mara.sign_in(account)
    account, _ = await enrol(mara, account)
    elsewhere = browser(**{"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"})
    offered = await opened(elsewhere, await signed_in_with_code(elsewhere, account))
    answer = await elsewhere.post(OFFER, hidden(offered) | {"answer": "add"})
    assert led_to(answer) == (f"{PASSKEYS}/new", WANTED)
    new = await opened(elsewhere, answer)
    assert 'value="Firefox on Linux"' in new.text, "a name is there already"
    fields = hidden(new) | {"name": "Laptop", "passkey": device.make(asked(new))}
    assert led_to(await elsewhere.post(f"{PASSKEYS}/new", fields)) == (WANTED, "")

    clock.shift(FRESH_CODE)
    other = Authenticator(settings.public_url)
    await mara.send("/sign-out", "/account")
    await mara.sign_in(account)
    again = await mara.get(f"{PASSKEYS}/new")
    await mara.post(f"{PASSKEYS}/new", hidden(again) | {"name": "Phone", "passkey": other.make(asked(again))})
    clock.shift(FRESH_CODE)
    options = asked(await mara.get(f"{PASSKEYS}/confirm"))
    own = [each.credential_id for each in await passkeys_repository.of_account(account.id)]
    assert [from_text(each["id"]) for each in options["allowCredentials"]] == own, "its own passkeys alone are asked"


async def test_the_second_step_is_chosen_on_one_page(browser: Browsers, settings: Settings) -> None:
    mara = browser()
    await mara.sign_in(await an_account(settings))
    assert 'href="/account/security/second-step"' in (await mara.get("/account/security")).text
    page = (await mara.get("/account/security/second-step")).text
    assert f'href="{PASSKEYS}/new"' in page
    assert 'href="/account/security/authenticator"' in page
    operator = browser()
    await operator.sign_in(await an_account(settings, "olive@example.test", is_operator=True))
    assert (await operator.get("/desk")).headers["location"] == "/account/security/second-step"


class TestAtAnAddress:
    """Browsers make no passkeys for IP addresses: pages say so, and none asks for one."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return replace(settings, public_url="https://192.0.2.80")

    async def test_pages_say_that_there_can_be_no_passkeys(self, browser: Browsers, settings: Settings) -> None:
        account, mara = await an_account(settings, totp=True), browser()
        assert "data-passkey=" not in (await mara.get("/sign-in")).text
        await passkeys_repository.add(
            account=account.id,
            credential_id=b"of an earlier address",
            public_key=b"x",
            sign_count=0,
            is_synced=False,
            name="Old phone",
            created_at=clock.now(),
        )
        await mara.send("/sign-in", email=account.email, password=account.password)
        assert "data-passkey=" not in (await mara.get("/sign-in/code")).text
        assert led_to(await signed_in_with_code(mara, account)) == (WANTED, ""), "no offer"
        for path in ("/account/security", "/account/security/second-step", PASSKEYS):
            assert NO_NAME in (await mara.get(path)).text, path
        assert "Old phone" in (await mara.get(PASSKEYS)).text, "it can be removed"
        for path in (f"{PASSKEYS}/new", f"{PASSKEYS}/confirm"):
            assert (await mara.led_on(await mara.client.get(f"{path}?form={'0' * 32}"))).status_code == 200, path
        clock.shift(FRESH_CODE)
        assert "data-passkey=" not in (await mara.get("/account/password")).text, "a code is asked for, no passkey"
