"""Forms in a real browser: errors without scripts, going back after them, and fields that are checked when left."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from app.core import clock, database
from app.identity.sentences import PLAIN_EMAIL
from app.merchants import service as merchants
from app.wiring import Services
from tests.checkout.running import RunningApp, running_app
from tests.complaints import complaints_of
from tests.factories.merchants import merchant
from tests.forms.test_browser import sign_in
from tests.identity.browsing import Account, an_account, letters
from tests.operator.browsing import chromium
from tests.page_checks import check_page


@pytest.fixture
async def web(environment: dict[str, str], tmp_path: Path, services: Services) -> AsyncIterator[RunningApp]:
    """The app in a process of its own."""
    async with running_app(environment, tmp_path / "web", sandbox=False) as app:
        yield app


async def test_errors_with_and_without_scripts(web: RunningApp, services: Services) -> None:
    owner = await an_account(services.settings, "owner@example.test")
    merchant_id = await merchant(name="Harbour & Pine")
    await merchants.add_member(merchant_id, owner.id, "owner", clock.now())
    site = f"http://127.0.0.1:{web.port}"
    base = f"{site}/cabinet/{merchant_id}/test"
    async with chromium() as browser:
        await without_scripts(browser, site, base, owner)
        await with_scripts(browser, site, base, owner)
        await as_a_visitor(browser, site)


async def without_scripts(browser: Browser, site: str, base: str, owner: Account) -> None:
    """Everything that is wrong is named; the page can be loaded again; going back to it sends nothing."""
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    await sign_in(page, site, owner)
    await page.goto(f"{base}/keys/new")
    await page.get_by_label("Where it may be used from").fill("10.0.0.1/8")
    await page.get_by_role("button", name="Create key").click()
    await expect(page).to_have_title("Error: New test key · Harbour & Pine")
    wrong_at = page.url
    summary = page.get_by_role("alert")
    await expect(summary.get_by_role("link")).to_have_count(3)
    await expect(summary).to_be_focused()
    await summary.get_by_role("link", name="Choose at least one permission for this key.").click()
    assert page.url.endswith("#field-scopes")
    await page.reload()
    await expect(page.get_by_label("Where it may be used from")).to_have_value("10.0.0.1/8")

    await page.get_by_label("Name").fill("Till")
    await page.get_by_label("Read invoices").check()
    await page.get_by_label("Where it may be used from").fill("10.0.0.0/8")
    await page.get_by_role("button", name="Create key").click()
    await page.get_by_role("heading", name="Your new key").wait_for()
    answer = await page.go_back()  # a page of its own: Chromium would fail with ERR_CACHE_MISS on an answer to a form
    assert answer is not None
    assert answer.request.method == "GET"
    assert page.url.split("#")[0] == wrong_at
    await expect(page.get_by_role("heading", name="New test key")).to_be_visible()
    assert await database.fetch_value("SELECT count(*) FROM api_keys") == 1
    await context.close()


async def with_scripts(browser: Browser, site: str, base: str, owner: Account) -> None:
    """A field is checked when it is left, not while somebody types; the page with errors has no faults."""
    context = await browser.new_context()
    page = await context.new_page()
    complaints = complaints_of(page)
    await sign_in(page, site, owner)
    await page.goto(f"{base}/team/invite")
    email = page.get_by_label("Email address")
    words = page.get_by_text("That is not a whole email address.")
    checks: list[str] = []
    page.on("request", lambda request: checks.append(request.url) if request.method == "POST" else None)
    await email.press_sequentially("nora")
    await asyncio.sleep(0.3)
    assert checks == []
    await email.blur()
    await expect(words).to_be_visible()
    await expect(email).to_have_attribute("aria-invalid", "true")
    await expect(email).to_have_accessible_description(
        "Error: That is not a whole email address. Enter one such as name@example.com."
    )
    await email.fill("nora@example.test")
    await email.blur()
    await expect(words).to_have_count(0)
    await expect(email).not_to_have_attribute("aria-invalid", "true")
    assert len(checks) == 2

    await page.goto(f"{base}/keys/new")
    await page.get_by_label("Rate limit").fill("many")
    await page.get_by_role("button", name="Create key").click()
    await expect(page).to_have_title("Error: New test key · Harbour & Pine")
    await expect(page.get_by_role("alert")).to_be_focused()
    await check_page(page, "cabinet-key-wrong")
    await page.goto(f"{base}/team/invite")
    await email.fill("nora@example.test")
    await page.get_by_label("Viewer", exact=True).check()
    await page.get_by_role("button", name="Send invitation").click()
    await page.get_by_text("An invitation is on its way to nora@example.test.").wait_for()
    assert complaints == []
    await context.close()


async def as_a_visitor(browser: Browser, site: str) -> None:
    """Signing up, and joining on the page of an invitation: the first field has the focus, errors are beside theirs."""
    context = await browser.new_context()
    page = await context.new_page()
    complaints = complaints_of(page)
    await page.goto(f"{site}/sign-up")
    await expect(page.get_by_label("Your name")).to_be_focused()
    await page.get_by_label("Email address").fill("nora")
    await page.get_by_label("Password").fill("a rather long phrase 7")
    await page.get_by_role("button", name="Create an account").click()
    await expect(page.get_by_role("alert").get_by_role("link")).to_have_text(["Enter your name.", PLAIN_EMAIL])
    await check_page(page, "sign-up-wrong")
    (letter, *_) = await letters("nora@example.test")
    await page.goto(next(word for word in letter.split() if "/invitation?token=" in word))
    await expect(page.get_by_label("Your name")).to_be_focused()
    await check_page(page, "invitation")
    await page.get_by_label("Your name").fill("Nora")
    await page.get_by_label("Password").fill("a rather long phrase 7")
    await page.get_by_role("button", name="Create an account and join").click()
    await page.get_by_text("Your account is ready. Welcome to the team of Harbour & Pine.").wait_for()
    assert complaints == []
    await context.close()
