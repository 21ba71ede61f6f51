"""Double click, loading again, going back and two tabs in a real browser, for every form that makes something."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.async_api import Browser, BrowserContext, Locator, Page, expect

from app.core import clock
from app.identity.form_routes import SENT_BEFORE
from app.sandbox.chain_driver import AnvilDriver
from app.wiring import Services
from tests.cabinet.world import make_world
from tests.checkout.running import RunningApp, running_app
from tests.complaints import complaints_of
from tests.forms import filled
from tests.forms.filled import MERCHANT, Filled
from tests.forms.walking import address, audited
from tests.identity.browsing import Account, an_account
from tests.operator.browsing import chromium, past_code
from tests.page_checks import check_page


@dataclass(frozen=True)
class Maker:
    """A form that makes something. `page` is the form's page, if not its own address; `from_two_tabs` is how many
    things two tabs make of it."""

    pattern: str
    page: str = ""
    from_two_tabs: int = 2


MAKERS = (
    Maker(f"{MERCHANT}/invoices/new"),
    Maker(f"{MERCHANT}/invoices/{{invoice_id:str}}/refund"),
    Maker(f"{MERCHANT}/payouts/review"),
    Maker(f"{MERCHANT}/keys/new"),
    Maker(f"{MERCHANT}/keys/{{key_id:str}}/rotate", from_two_tabs=1),  # the second form did not say which secret ends
    Maker(f"{MERCHANT}/webhooks/new"),
    Maker(f"{MERCHANT}/webhooks/{{endpoint_id:str}}/rotate", from_two_tabs=1),
    Maker(f"{MERCHANT}/webhooks/{{endpoint_id:str}}/secret"),
    Maker(f"{MERCHANT}/webhooks/{{endpoint_id:str}}/test", f"{MERCHANT}/webhooks/{{endpoint_id:str}}"),
    Maker(f"{MERCHANT}/team/invite"),
    Maker(f"{MERCHANT}/security/remedy", f"{MERCHANT}/security", from_two_tabs=0),  # one reminder a day
    Maker("/cabinet/apply"),
)
AT_THE_DESK = (Maker("/desk/reconciliation"),)


@pytest.fixture
async def web(environment: dict[str, str], tmp_path: Path, services: Services) -> AsyncIterator[RunningApp]:
    """The app in a process of its own, on the gateway's database and chain."""
    async with running_app(environment, tmp_path / "web", sandbox=False) as app:
        yield app


@dataclass(frozen=True)
class Form:
    """A form on a site: the address of its page, where it is sent to, and how it is filled in."""

    page: str
    target: str
    filled: Filled

    async def open(self, context: BrowserContext) -> Page:
        """Open the form in a new tab."""
        tab = await context.new_page()
        await tab.goto(self.page)
        return tab

    async def fill(self, tab: Page) -> Locator:
        """Fill the form in. Returns its button."""
        form = tab.locator(f'form[action="{self.target}"]').filter(
            has=tab.locator(",".join(f'[name="{name}"]' for name in [*self.filled.fields, "csrf_token"]))
        )
        for name, value in self.filled.fields.items():
            fields = form.locator(f'[name="{name}"]:not([type=hidden])')
            for at in range(await fields.count()):
                one = fields.nth(at)
                if await one.get_attribute("type") in ("radio", "checkbox"):
                    if await one.get_attribute("value") == value:
                        await one.check()
                elif await one.evaluate("each => each.tagName") == "SELECT":
                    await one.select_option(value)
                else:
                    await one.fill(value)
        finding = self.filled.fields.get("finding")
        within = form.filter(has=tab.locator(f'[value="{finding}"]')) if finding else form
        return within.locator("button[type=submit]").first


async def sign_in(page: Page, site: str, account: Account) -> None:
    """Sign in with a password, and a code if the page requests one."""
    await page.goto(f"{site}/sign-in")
    await page.get_by_label("Email address").fill(account.email)
    await page.get_by_label("Password").fill(account.password)
    await page.get_by_role("button", name="Sign in").click()
    if account.totp_secret is not None:
        await page.get_by_label("Code").fill(past_code(account))
        await page.get_by_role("button", name="Continue").click()
    await page.wait_for_url(lambda url: "/sign-in" not in url)


async def until_audited(wanted: int) -> None:
    """Wait until the audit log has this many rows, and no more follow."""
    async with asyncio.timeout(30):
        while await audited() < wanted:
            await asyncio.sleep(0.02)
    await asyncio.sleep(0.15)
    assert await audited() == wanted


async def is_made_once(context: BrowserContext, form: Form, maker: Maker) -> None:
    """By a double click, then loading the answer again, then going back and pressing again; twice by two tabs."""
    before = await audited()
    tab = await form.open(context)
    opened_at = tab.url
    assert "form=" in opened_at, maker
    await (await form.fill(tab)).dblclick()
    await expect(tab).not_to_have_url(opened_at, timeout=20_000)  # the second click aborts the first one's navigation
    await until_audited(before + 1)
    await tab.wait_for_load_state()
    made_at = tab.url

    await tab.reload()
    assert tab.url == made_at
    await until_audited(before + 1)

    await tab.go_back()
    assert tab.url == opened_at
    await (await form.fill(tab)).click()
    await expect(tab.locator(".flash")).to_have_text(SENT_BEFORE)
    assert tab.url.split("?")[0] == made_at.split("?")[0]
    await until_audited(before + 1)
    await tab.close()

    tabs = [await form.open(context) for _ in range(2)]
    for one in tabs:
        await (await form.fill(one)).click()
        await one.wait_for_load_state()
    await until_audited(before + 1 + maker.from_two_tabs)
    for one in tabs:
        await one.close()


@pytest.mark.timeout(600)  # thirteen forms, six page loads each
async def test_every_form_that_makes_something(
    web: RunningApp, services: Services, driver: AnvilDriver, token: str
) -> None:
    world = await make_world(services.settings, services, driver, token)
    operator = await an_account(services.settings, "olive@example.test", totp=True, is_operator=True)
    ids = world.ids | {"merchant_id": world.terms.merchant_id, "mode": "test"}
    site = f"http://127.0.0.1:{web.port}"
    forms = filled.of_cabinet(
        today=clock.now().date().isoformat(),
        viewer_id=world.people["viewer"].id,
        key_id=ids["key_id"],
        open_invoice_id=world.open_invoice.id,
    ) | {"/cabinet/apply": filled.of_account("", 0)["/cabinet/apply"], "/desk/reconciliation": Filled()}

    async def each_once(browser: Browser, account: Account, makers: tuple[Maker, ...]) -> None:
        context = await browser.new_context(java_script_enabled=False)
        await sign_in(await context.new_page(), site, account)
        for maker in makers:
            one = forms[maker.pattern]
            page = site + address(maker.page or maker.pattern, ids) + (f"?{urlencode(one.query)}" if one.query else "")
            await is_made_once(context, Form(page, address(maker.pattern, ids), one), maker)
        await context.close()

    async with chromium() as browser:
        await each_once(browser, world.people["owner"], MAKERS)
        await each_once(browser, operator, AT_THE_DESK)
        await with_scripts(browser, site, world.people["owner"], world.base)


async def with_scripts(browser: Browser, site: str, owner: Account, base: str) -> None:
    """The same for one form with scripts on; takes screenshots of the pages."""
    context = await browser.new_context()
    page = await context.new_page()
    complaints = complaints_of(page)
    await sign_in(page, site, owner)
    before = await audited()
    await page.goto(f"{site}{base}/keys/new")
    await page.get_by_label("Name").fill("Till")
    await page.get_by_label("Read invoices").check()
    await page.get_by_role("button", name="Create key").dblclick()
    await page.get_by_role("heading", name="Your new key").wait_for()
    await until_audited(before + 1)
    assert await page.locator("#the-secret").count() == 1
    await check_page(page, "cabinet-key-shown-once")
    await page.reload()
    await page.get_by_text("Already shown.").wait_for()
    await page.go_back()
    await page.get_by_label("Read invoices").check()
    await page.get_by_role("button", name="Create key").click()
    await page.get_by_text(SENT_BEFORE).wait_for()
    await check_page(page, "cabinet-key-sent-before")
    await until_audited(before + 1)
    assert complaints == []
    await context.close()
