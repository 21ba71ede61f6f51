"""A passkey is made in a real browser, with Chromium's own virtual authenticator.

Chromium without a window makes passkeys, and ends when it is asked for one: what they are used for is in
tests/identity/test_passkey_pages.py, with an authenticator in software.
"""

import re
from pathlib import Path
from typing import Any

from playwright.async_api import Page, expect

from app.accounts import passkeys_repository
from app.core import clock
from app.core.webauthn import fingerprint
from app.wiring import Services
from tests.browsing import TAKE_SCREENS
from tests.checkout.running import running_app
from tests.identity.browsing import PASSWORD, an_account
from tests.operator.browsing import chromium, code_at, opened
from tests.page_checks import check_page

DEVICE: dict[str, Any] = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


async def device(page: Page) -> None:
    """Give the page's browser a virtual authenticator."""
    control = await page.context.new_cdp_session(page)
    await control.send("WebAuthn.enable")
    await control.send("WebAuthn.addVirtualAuthenticator", {"options": DEVICE})


async def test_an_operator_makes_a_passkey_and_sees_what_the_signer_needs_of_it(
    services: Services, environment: dict[str, str], tmp_path: Path
) -> None:
    olive = await an_account(services.settings, "olive@example.test", totp=True, is_operator=True)
    clock.unshift()
    async with (
        running_app(environment, tmp_path / "web", sandbox=False, host="localhost") as web,
        chromium() as browser,
        opened(browser, viewport={"width": 1280, "height": 800}) as page,
    ):
        base = f"http://localhost:{web.port}"

        # Sign in with password and code: a passkey is offered before the desk. No more is asked, the code is fresh.
        await page.goto(f"{base}/sign-in")
        await page.get_by_label("Email address").fill(olive.email)
        await page.get_by_label("Password", exact=True).fill(PASSWORD)
        await page.get_by_role("button", name="Sign in", exact=True).click()
        await page.get_by_label("Code").fill(code_at(olive))
        await page.get_by_role("button", name="Continue").click()
        await page.wait_for_url("**/account/passkey-offer?next=%2Fdesk**")
        await check_page(page, "passkey-offer")
        await page.get_by_role("button", name="Add a passkey").click()
        await expect(page.get_by_label("Name")).to_have_value(re.compile("Chrome on "))
        await page.get_by_label("Name").fill("Work laptop")
        await device(page)  # now: the checks of a page end the sessions that hold one
        if TAKE_SCREENS:
            await page.screenshot(path="var/screens/passkey-new.png")
        await page.get_by_role("button", name="Make a passkey").click()
        await expect(page.get_by_role("heading", name="Your passkey is added")).to_be_visible()  # with recovery codes
        (stored,) = await passkeys_repository.of_account(olive.id)
        await page.get_by_role("link", name="I have kept them").click()
        await page.wait_for_url(re.compile("/desk$|/desk[?]"))
        await page.goto(f"{base}/account/security/passkeys")
        await page.get_by_role("link", name="Work laptop").click()
        await expect(page.get_by_text(fingerprint(stored.public_key))).to_be_visible()
        await check_page(page, "a passkey")
