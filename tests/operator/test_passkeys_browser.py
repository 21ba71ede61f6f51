"""Passkeys in a real browser, with Chromium's own virtual authenticator: made, used to sign in, as a second step, as a
code, and for an operator's approval."""

from pathlib import Path
from typing import Any

from playwright.async_api import CDPSession, Page, expect

from app.accounts import passkeys_repository
from app.core import clock, database
from app.core.webauthn import fingerprint
from app.wiring import Services
from tests.browsing import TAKE_SCREENS
from tests.checkout.running import running_app
from tests.factories.withdrawals import payout
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


async def device(page: Page) -> tuple[CDPSession, str]:
    """Give the page's browser a virtual authenticator. Returns the session that controls it, and its id."""
    control = await page.context.new_cdp_session(page)
    await control.send("WebAuthn.enable")
    made = await control.send("WebAuthn.addVirtualAuthenticator", {"options": DEVICE})
    return control, made["authenticatorId"]


async def test_a_passkey_from_making_it_to_an_approval(
    services: Services, environment: dict[str, str], merchant_id: str, tmp_path: Path
) -> None:
    olive = await an_account(services.settings, "olive@example.test", totp=True, is_operator=True)
    requested = await payout(services, merchant_id, "3.00")
    clock.unshift()
    async with (
        running_app(environment, tmp_path / "web", sandbox=False, host="localhost") as web,
        chromium() as browser,
        opened(browser, viewport={"width": 1280, "height": 800}) as page,
    ):
        base = f"http://localhost:{web.port}"
        control, authenticator = await device(page)

        # Sign in with password and code, and add a passkey: nothing more is asked, since the code is fresh.
        await page.goto(f"{base}/sign-in")
        await page.get_by_label("Email address").fill(olive.email)
        await page.get_by_label("Password", exact=True).fill(PASSWORD)
        await page.get_by_role("button", name="Sign in", exact=True).click()
        await page.get_by_label("Code").fill(code_at(olive))
        await page.get_by_role("button", name="Continue").click()
        await page.wait_for_url("**/desk**")
        await page.goto(f"{base}/account/security")
        await page.get_by_role("link", name="Add a passkey").click()
        await page.get_by_role("link", name="Add a passkey").first.click()
        await page.get_by_label("Name").fill("Work laptop")
        if TAKE_SCREENS:
            await page.screenshot(path="var/screens/passkey-new.png")
        await page.get_by_role("button", name="Make a passkey").click()
        await expect(page.get_by_role("heading", name="Your passkey is added")).to_be_visible()  # with recovery codes
        (stored,) = await passkeys_repository.of_account(olive.id)
        await page.goto(f"{base}/account/security/passkeys")
        await page.get_by_role("link", name="Work laptop").click()
        await expect(page.get_by_text(fingerprint(stored.public_key))).to_be_visible()
        await check_page(page, "a passkey")

        # Signed out, the passkey alone signs in.
        await page.get_by_role("button", name="Your account").click()
        await page.get_by_role("button", name="Sign out").click()
        await page.wait_for_url("**/sign-in**")
        await page.get_by_role("button", name="Sign in with a passkey").click()
        await page.wait_for_url("**/desk**")

        # An approval signs the digest of exactly this payment; the database keeps the signature beside the approval.
        await page.goto(f"{base}/desk/approvals/{requested.id}")
        await page.get_by_role("button", name="Approve with a passkey").click()
        await expect(page.get_by_text("Approved: ")).to_be_visible()
        status = await database.fetch_value("SELECT status FROM withdrawals WHERE id = $1", requested.id)
        signed = await database.fetch_value(
            "SELECT passkey_name FROM approval_signatures WHERE withdrawal = $1 AND account = $2",
            requested.id,
            olive.id,
        )
        assert (status, signed) == ("approved", "Work laptop")

        # It replaces a code where one is asked for, and is the second step after a password.
        await database.execute("UPDATE sessions SET code_given_at = now() - interval '1 hour'")
        await page.goto(f"{base}/account/security/passkeys/new")
        await page.get_by_role("button", name="Use a passkey instead").click()
        await expect(page.get_by_role("button", name="Make a passkey")).to_be_visible()
        # The same device makes no second one, and says so.
        await page.get_by_label("Name").fill("Twice")
        await page.get_by_role("button", name="Make a passkey").click()
        await expect(page.get_by_text("This device has a passkey for this account already.")).to_be_visible()
        await page.context.clear_cookies()
        await page.goto(f"{base}/sign-in")
        await page.get_by_label("Email address").fill(olive.email)
        await page.get_by_label("Password", exact=True).fill(PASSWORD)
        await page.get_by_role("button", name="Sign in", exact=True).click()
        # A person whom the device does not recognise gets no further.
        await control.send("WebAuthn.setUserVerified", {"authenticatorId": authenticator, "isUserVerified": False})
        await page.get_by_role("button", name="Use a passkey instead").click()
        await expect(page.get_by_text("Nothing was done.")).to_be_visible()
        await control.send("WebAuthn.setUserVerified", {"authenticatorId": authenticator, "isUserVerified": True})
        await page.get_by_role("button", name="Use a passkey instead").click()
        await page.wait_for_url("**/desk**")
