"""Helpers for a real browser at the desk."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pyotp
from playwright.async_api import Browser, Page, async_playwright

from app.core import clock, database
from tests.checkout.running import RunningApp
from tests.chromium import launch_options
from tests.complaints import complaints_of
from tests.identity.browsing import Account

STEP_S = 30
"""How long a code is the present one."""

ARRIVES_WITHIN_S = 4
"""From the moment when a code is read until the server checks it, also on a busy machine."""


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """One for the test."""
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(**launch_options())
        yield started
        await started.close()


@asynccontextmanager
async def opened(browser: Browser, **context: Any) -> AsyncIterator[Page]:
    """A page in a context of its own; fails on any complaint of the browser, CSP violations included."""
    made = await browser.new_context(**context)
    page = await made.new_page()
    complaints = complaints_of(page)
    try:
        yield page
        assert complaints == []
    finally:
        await made.close()


async def sign_in(page: Page, web: RunningApp, account: Account, *, code: str | None = None) -> None:
    """Sign in by the pages, with password and code."""
    await page.goto(f"http://127.0.0.1:{web.port}/sign-in")
    await page.get_by_label("Email").fill(account.email)
    await page.get_by_label("Password", exact=True).fill(account.password)
    await page.get_by_role("button", name="Sign in").click()
    if code is None:
        await begin_half_minute()
    await page.get_by_label("Code").fill(code or past_code(account))
    await page.locator("main button[type=submit]").first.click()
    await page.wait_for_url(lambda url: "/sign-in" not in url)


async def begin_half_minute() -> None:
    """Wait for the next half minute where this one is nearly over: a past code would be too old when it arrives."""
    left_s = STEP_S - clock.now().timestamp() % STEP_S
    if left_s < ARRIVES_WITHIN_S:
        await asyncio.sleep(left_s + 0.1)


def past_code(account: Account) -> str:
    """The code of half a minute ago: it is still accepted, and the present one stays unused for an action."""
    return code_at(account, -1)


def code_at(account: Account, steps: int = 0) -> str:
    """The authenticator's code `steps` half minutes from now. Each is accepted once, in order."""
    assert account.totp_secret is not None
    return pyotp.TOTP(account.totp_secret).at(clock.now() + timedelta(seconds=STEP_S * steps))


async def forget_codes(account: Account) -> None:
    """Forget the used codes: a scene's set-up moves the clock ahead."""
    await database.execute("UPDATE accounts SET totp_last_counter = 0 WHERE id = $1", account.id)
