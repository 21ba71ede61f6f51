"""Emails about sign-ins from new places, the list of known ones, and “This wasn’t me”."""

import re
from collections.abc import Callable
from datetime import timedelta

from app.accounts import known_browsers, passkeys_repository
from app.accounts.known_browsers import EMAILS_A_DAY, network_of
from app.core import clock, database
from app.core.settings import Settings
from app.identity import cookies
from tests.factories.merchants import merchant
from tests.fakes.authenticator import Authenticator
from tests.identity.browsing import Account, Browser, an_account, enrol, hidden, letters, mailed_path
from tests.identity.test_passkey_pages import add
from tests.identity.test_passkey_pages import sign_in as by_passkey

Browsers = Callable[..., Browser]

NEW = "New sign-in to your Swap Pay account"
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"


async def alerts_to(email: str) -> list[str]:
    """The emails about sign-ins, the latest first."""
    return [each for each in await letters(email) if "sign-in" in each.split("\n", 1)[0]]


def moved(browser: Browser, other: Browser) -> Browser:
    """The same browser at the other one's address."""
    token = browser.client.cookies.get(cookies.BROWSER)
    other.client.cookies.set(cookies.BROWSER, token or "", domain="pay.example.test")
    return other


async def signs_out_and_in(browser: Browser, account: Account) -> None:
    await browser.send("/sign-out", "/account")
    await browser.sign_in(account)


async def test_a_sign_in_from_a_new_browser_or_network_is_written_about_once(
    browser: Browsers, settings: Settings
) -> None:
    account = await an_account(settings, totp=True)
    await database.execute("UPDATE accounts SET time_zone = 'Asia/Tokyo' WHERE id = $1", account.id)
    home = browser("198.51.100.7", **{"User-Agent": FIREFOX})
    await home.sign_in(account)
    (letter,) = await alerts_to(account.email)
    for part in (
        f"{NEW}\n",
        "from a browser that has not been used for it before",
        "Browser: Firefox",
        "Operating system: Windows",
        "IP address: 198.51.100.7",
        "By: password and a code of the authenticator app",
        "(Asia/Tokyo)",
    ):
        assert part in letter, letter

    await signs_out_and_in(home, account)
    neighbour = moved(home, browser("198.51.100.200"))
    await neighbour.sign_in(account)
    assert len(await alerts_to(account.email)) == 1, "the browser and the network are known"
    away = moved(home, browser("203.0.113.9"))
    await away.sign_in(account)
    await signs_out_and_in(away, account)
    latest, *others = await alerts_to(account.email)
    assert (len(others), "from a network that has not been used for it" in latest) == (1, True)
    assert "Operating system: unknown" in latest, "no words of the client"
    other = browser("203.0.113.9")
    await other.sign_in(account)
    assert len(await alerts_to(account.email)) == 3, "another browser in a known network"

    kept = [row["token_hash"] for row in await database.fetch_all("SELECT token_hash FROM known_browsers")]
    assert (home.client.cookies.get(cookies.BROWSER) or "").encode() not in kept
    clock.shift(known_browsers.LIFETIME)
    assert await known_browsers.purge(clock.now()) == len(kept)


def test_networks_are_blocks_of_addresses() -> None:
    assert network_of("192.0.2.77") == "192.0.2.0/24"
    assert network_of("2001:db8:1:2:3::4") == "2001:db8:1::/48"
    assert network_of("::ffff:192.0.2.1") == "192.0.2.0/24"
    assert network_of("nonsense") == ""


async def test_a_passkey_alone_counts_as_a_sign_in_too(browser: Browsers, settings: Settings) -> None:
    account, device = await an_account(settings, totp=True), Authenticator(settings.public_url)
    mara, elsewhere = browser(), browser("203.0.113.9")
    await mara.sign_in(account)
    await add(mara, device, "Phone")
    assert (await by_passkey(elsewhere, device)).status_code == 303
    assert "By: passkey\n" in (await alerts_to(account.email))[0]


async def test_a_new_account_gets_no_email_about_its_first_sign_in(browser: Browsers) -> None:
    nora, email = browser(), "nora@example.test"
    await nora.send("/sign-up", name="Nora", email=email, password="a rather long phrase 7")
    path = await mailed_path(email)
    await nora.send("/confirm-email", path, password="a rather long phrase 7")
    assert 'href="/account/security/second-step"' in (await nora.get("/account")).text, "a second step is offered"
    assert await alerts_to(email) == []
    listed = (await nora.get("/account/security")).text
    assert "192.0.2.0/24" in listed


async def test_floods_end_in_one_email_that_says_so(browser: Browsers, settings: Settings) -> None:
    account = await an_account(settings)
    for number in range(EMAILS_A_DAY + 3):
        await browser(f"203.0.{number}.9").sign_in(account)
    last, *others = await alerts_to(account.email)
    assert last.startswith("More new sign-ins")
    assert (len(others), {each.split("\n")[0] for each in others}) == (EMAILS_A_DAY, {NEW})
    await browser().send("/forgot-password", email=account.email)
    assert "Choose a new password" in (await letters(account.email))[0], "other emails are not used up"
    clock.shift(timedelta(days=1, seconds=1))
    await browser("198.51.100.1").sign_in(account)
    assert (await alerts_to(account.email))[0].startswith(NEW)


async def test_a_browser_that_is_forgotten_is_written_about_again(browser: Browsers, settings: Settings) -> None:
    account = await an_account(settings)
    mara, thief = browser(), browser("203.0.113.9", **{"User-Agent": FIREFOX})
    await mara.sign_in(account)
    await moved(mara, browser("198.51.100.7")).sign_in(account)
    await thief.sign_in(account)
    page = (await mara.get("/account/security")).text
    listed = page[page.index('id="browsers"') :]
    assert listed.index("Firefox on Windows") < listed.index("This one"), "the latest first"
    assert "198.51.100.0/24" in listed, "every network of a browser is named"
    theirs, _ = re.findall(r'action="(/account/security/browsers/\d+/forget)"', page)
    stranger = browser()
    await stranger.sign_in(await an_account(settings, "other@example.test"))
    assert (await stranger.send(theirs, "/account/security")).status_code == 404
    assert (await mara.send(theirs, "/account/security")).status_code == 303
    assert "Firefox on Windows" not in (await mara.get("/account/security")).text.split('id="browsers"')[1]
    before = len(await alerts_to(account.email))
    await signs_out_and_in(mara, account)
    assert len(await alerts_to(account.email)) == before
    await signs_out_and_in(thief, account)
    assert len(await alerts_to(account.email)) == before + 1


async def test_it_was_not_me_ends_everything_and_starts_the_reset(browser: Browsers, settings: Settings) -> None:
    account, mara, thief = await an_account(settings), browser(), browser("203.0.113.9")
    await mara.sign_in(account)
    enrolled, _ = await enrol(mara, account)
    await thief.sign_in(enrolled)
    path = await mailed_path(account.email)
    device = Authenticator(settings.public_url)
    await add(thief, device, "Thief’s phone")
    shop = await merchant(name="Harbour")
    await database.execute(
        "INSERT INTO memberships (merchant, account, role, created_at) VALUES ($1, $2, 'owner', $3)",
        shop,
        account.id,
        clock.now(),
    )
    # A change of credentials by the thief does not end the link.
    await thief.send("/account/password", password=account.password, new_password="the thief chose this 1")
    await thief.send("/account/email", email="thief@example.test", password="the thief chose this 1")
    change = await mailed_path("thief@example.test")

    reader = browser("198.51.100.7")
    shown = await reader.get(path)
    assert "“<bdi>Thief’s phone</bdi>”" in shown.text
    assert "After that sign-in" in shown.text
    assert "Authenticator app" in shown.text
    assert await thief.is_signed_in(), "opening the link does nothing"
    answer = await reader.send("/not-me", path)
    choosing = await reader.led_on(answer)
    assert choosing.status_code == 200
    assert "your old password no longer works" in choosing.text
    assert "Thief’s phone" in choosing.text, "what stays is named"

    assert not await mara.is_signed_in()
    assert not await thief.is_signed_in()
    refused = await thief.send("/sign-in", email=account.email, password="the thief chose this 1")
    assert refused.status_code == 422, "the password opens nothing until it is reset"
    assert (await thief.get(change)).status_code == 410, "the new address can't be confirmed"
    assert await database.fetch_value("SELECT count(*) FROM known_browsers WHERE account = $1", account.id) == 0
    assert "/reset-password?token=" in (await letters(account.email))[0], "mailed too, for whoever closes the page"
    (told,) = await database.fetch_all("SELECT kind, merchant, subject FROM merchant_notices")
    assert tuple(told) == ("member.sign_in_disowned", shop, account.id)
    (alert,) = await database.fetch_all("SELECT kind, severity FROM alerts")
    assert tuple(alert) == ("sign_in_disowned", "warning")
    assert await database.fetch_value("SELECT count(*) FROM audit_entries WHERE action = 'sign_in.disowned'") == 1

    done = await reader.post("/reset-password", hidden(choosing) | {"password": "mine again, and long 9"})
    assert done.headers["location"] == "/sign-in"
    for token in ("", "x", path.partition("token=")[2]):
        gone = await reader.get(f"/not-me?token={token}")
        assert (gone.status_code, "no longer works" in gone.text) == (410, True), "used, wrong and none alike"
    other = await reader.post("/not-me", hidden(shown))
    assert other.status_code == 410
    assert [each.name for each in await passkeys_repository.of_account(account.id)] == ["Thief’s phone"]


async def test_a_changed_address_gets_no_reset_from_the_old_mailbox(browser: Browsers, settings: Settings) -> None:
    account, mara = await an_account(settings, is_operator=True), browser()
    await mara.sign_in(account)
    path = await mailed_path(account.email)
    await database.execute("UPDATE accounts SET email = 'new@example.test' WHERE id = $1", account.id)
    reader = browser("198.51.100.7")
    assert "were approved in your name" in (await reader.get(path)).text
    answer = await reader.send("/not-me", path)
    assert answer.headers["location"] == "/not-me/done"
    assert "we can’t send you a link" in (await reader.led_on(answer)).text
    assert not await mara.is_signed_in()
    assert await letters("new@example.test") == []
    (alert,) = await database.fetch_all("SELECT kind, severity FROM alerts")
    assert tuple(alert) == ("sign_in_disowned", "critical"), "an operator's is critical"
