"""A person in a real browser: sign up, confirm by the letter, set up an authenticator, sign out and in again.

Nothing is complained of on the console, axe finds nothing on any page, light or dark, and each page fits a phone.
"""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pyotp
import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from app.core import clock, database
from app.identity import cookies
from tests.checkout.running import RunningApp, running_app
from tests.chromium import launch_options
from tests.complaints import complaints_of
from tests.factories.letters import letters
from tests.page_checks import check_page

EMAIL, PASSWORD = "nina@example.test", "a rather long phrase 7"


@pytest.fixture
async def served(environment: dict[str, str], tmp_path: Path, db: str, valkey: str) -> AsyncIterator[RunningApp]:
    """The app on a real server, over plain http on loopback as the sandbox is."""
    async with running_app(environment, tmp_path, sandbox=False) as app:
        yield app


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    """One for the test."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(**launch_options())
        yield browser
        await browser.close()


async def press(page: Page, label: str) -> None:
    await page.locator("main").get_by_role("button", name=label, exact=True).click()


async def mailed_url(app: RunningApp) -> str:
    (letter, *_) = await letters()
    found = re.search(r"http://\S+token=\S+", letter.body)
    assert found, letter
    return found[0]


def next_code(secret: str) -> str:
    """The code of the next step, which the server accepts too, so that no test waits for half a minute."""
    return pyotp.TOTP(secret).at(clock.now() + timedelta(seconds=30))


@pytest.mark.parametrize("script", [True, False], ids=["with scripts", "without"])
async def test_from_sign_up_to_two_step_sign_in(served: RunningApp, chromium: Browser, script: bool) -> None:
    context = await chromium.new_context(java_script_enabled=script, timezone_id="Asia/Tokyo")
    page = await context.new_page()
    complaints = complaints_of(page)
    base = f"http://127.0.0.1:{served.port}"

    async def seen(name: str) -> None:
        if script:
            await check_page(page, f"identity-{name}")

    await page.goto(f"{base}/sign-up?next=/account/security")
    await press(page, "Create an account")
    await page.get_by_role("heading", name="There is a problem").wait_for()
    await seen("sign-up-refused")
    await page.goto(f"{base}/sign-up?next=/account/security")
    await seen("sign-up")
    await page.get_by_label("Your name").fill("Nina New")
    await page.get_by_label("Email address").fill(EMAIL)
    await page.get_by_label("Password").fill(PASSWORD)
    await press(page, "Create an account")
    await page.wait_for_url("**/sign-up/sent")
    await seen("sign-up-sent")

    await page.goto(await mailed_url(served))
    await seen("confirm-email")
    await page.get_by_label("Password").fill(PASSWORD)
    await press(page, "Confirm and sign in")
    await page.wait_for_url("**/account/security")
    await page.get_by_text("your account is ready").wait_for()
    await seen("security-without-totp")
    times = page.get_by_role("contentinfo").get_by_text("Times are in Asia/Tokyo (UTC+9)")
    if script:  # the zone came along with the password
        await expect(times).to_be_visible()
        await database.execute("UPDATE accounts SET time_zone = NULL")
        await page.reload()
        await expect(page.get_by_text("Your browser’s time zone is Asia/Tokyo.")).to_be_visible()
        await seen("zone-offered")
        await page.get_by_role("button", name="Use it").click()
        await page.get_by_text("from now on").wait_for()
        await expect(times).to_be_visible()
        assert page.url == f"{base}/account/security"
    await expect(page.get_by_role("button", name="Use it")).to_be_hidden()

    await page.get_by_role("link", name="Choose a second step").click()
    await seen("second-step")
    await page.get_by_role("link", name="Set up an authenticator app").click()
    await seen("authenticator")
    await page.get_by_label("Your password").fill(PASSWORD)
    await press(page, "Continue")
    await page.get_by_role("heading", name="Scan the code").wait_for()
    await seen("authenticator-offer")
    secret = re.sub(r"\s", "", await page.locator("code.grouped").inner_text())
    await page.get_by_label("Code from the app").fill(pyotp.TOTP(secret).at(clock.now()))
    await press(page, "Turn on")
    await page.get_by_role("heading", name="Two-step verification is on").wait_for()
    codes = await page.locator(".recovery-codes code").all_inner_texts()
    assert len(set(codes)) == 10
    await seen("recovery-codes")
    await page.get_by_role("link", name="I have kept them").click()
    await seen("security")
    for path in ("/account", "/account/email", "/account/password", "/account/security/recovery-codes"):
        await page.goto(base + path)
        await seen(path.strip("/").replace("/", "-"))
    await page.goto(f"{base}/account/security/authenticator/off")
    await seen("authenticator-off")

    await page.get_by_role("button", name="Your account").click()
    await page.get_by_role("button", name="Sign out").click()
    await page.wait_for_url("**/sign-in")
    await seen("signed-out")
    await page.goto(f"{base}/account")
    await page.wait_for_url("**/sign-in?next=/account")
    await page.get_by_label("Email address").fill(EMAIL)
    await page.get_by_label("Password").fill("not the password")
    await press(page, "Sign in")
    await page.get_by_role("heading", name="There is a problem").wait_for()
    await seen("sign-in-refused")
    await page.get_by_label("Password").fill(PASSWORD)
    await press(page, "Sign in")
    await page.wait_for_url("**/sign-in/code?next=/account")
    await seen("sign-in-code")
    await page.get_by_label("Code").fill(next_code(secret))
    await press(page, "Continue")
    await page.wait_for_url(f"{base}/account?form=*")
    assert {cookie["name"] for cookie in await context.cookies()} == {cookies.SESSION, cookies.BROWSER}

    for path in ("/forgot-password", "/forgot-password/sent", "/reset-password?token=gone"):
        await page.goto(base + path)
        await seen(path.strip("/").partition("?")[0].replace("/", "-"))
    # A refused form is answered with 422, and a link that is gone with 410, which Chromium notes on its console.
    assert [each for each in complaints if "status of 4" not in each] == []
    await context.close()
