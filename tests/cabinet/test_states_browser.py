"""Axe finds nothing in any state of a page: empty, filtered to nothing, refused, with errors, with a dialog, the
palette or a message open; light and dark, wide and on a phone."""

from collections.abc import Awaitable, Callable
from typing import Literal

from playwright.async_api import Page, expect

from app.core import clock
from app.merchants import service as merchants
from tests.browsing import AXE_RUN, SCREENS, TAKE_SCREENS
from tests.cabinet.shop import Shop, receiver, shop
from tests.identity.browsing import an_account
from tests.operator.browsing import sign_in
from tests.page_checks import load_axe

__all__ = ["receiver", "shop"]

LOOKS: tuple[tuple[Literal["light", "dark"], int, str], ...] = (
    ("light", 1280, "light"),
    ("light", 360, "narrow"),
    ("dark", 360, "dark"),
    ("dark", 1280, "dark"),
)


async def test_axe_finds_nothing_in_any_state(shop: Shop) -> None:
    # Given somebody who owns a merchant and is an operator,
    account = await an_account(shop.settings, "mara@example.test", totp=True, is_operator=True)
    await merchants.add_member(shop.merchant_id, account.id, "owner", clock.now())
    context = await shop.chromium.new_context(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
    page = await context.new_page()
    await sign_in(page, shop.app, account)
    desk = f"http://127.0.0.1:{shop.app.port}/desk"

    async def refused_key() -> None:
        await page.goto(shop.url("keys/new"))
        await page.get_by_role("button", name="Create").click()
        await expect(page.locator(".error-summary")).to_be_visible()
        assert (await page.title()).startswith("Error: ")

    async def refused_switch() -> None:
        await page.goto(f"{desk}/switches/payouts")
        await page.get_by_role("button", name="Pause payouts").click()
        await expect(page.locator(".error-summary a")).to_have_attribute("href", "#field-reason")
        assert (await page.title()).startswith("Error: ")

    async def asked() -> None:
        await page.goto(shop.url("team"))
        await page.get_by_role("link", name="Leave").click()
        await expect(page.get_by_role("dialog")).to_be_visible()

    async def palette() -> None:
        await page.goto(shop.url("invoices"))
        await page.keyboard.press("/")
        await expect(page.get_by_role("option").first).to_be_visible()

    async def message() -> None:
        await page.goto(shop.url("invoices?status=paid"))
        await page.get_by_text("Save these filters").click()
        await page.get_by_label("Name").fill("Paid ones")
        await page.get_by_role("button", name="Save", exact=True).click()
        await expect(page.locator("#toasts-status .flash")).to_contain_text("Saved as “Paid ones”")

    states: dict[str, str | Callable[[], Awaitable[None]]] = {
        "empty": shop.url("invoices"),
        "nothing": shop.url("payouts?status=failed&asset=none"),
        "order-of-several": shop.url("refunds?order=largest"),
        "not-found": shop.url("invoices/INV-0000000000"),
        "errors": refused_key,
        "dialog": asked,
        "palette": palette,
        "message": message,
        "desk-empty": f"{desk}/holds",
        "desk-nothing": f"{desk}/audit?actor=nobody&merchant=MCH-0000000000",
        "desk-errors": refused_switch,
    }
    faults = []
    for name, reach in states.items():
        # when the page is in this state,
        await page.set_viewport_size({"width": 1280, "height": 800})
        if isinstance(reach, str):
            await page.goto(reach)
        else:
            await reach()
        # then axe finds nothing, and nothing is wider than the window.
        faults += await faults_in(page, name)
    assert not faults, "\n".join(faults)


async def faults_in(page: Page, name: str) -> list[str]:
    """What is wrong with the page as it is now."""
    await load_axe(page)
    faults = []
    for scheme, width, what in LOOKS:
        await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        await page.set_viewport_size({"width": width, "height": 800})
        wide = await page.evaluate("document.documentElement.scrollWidth")
        faults += [f"{name}: {wide} px wide at {width}, {scheme}"] if wide > width else []
        found = await page.evaluate(AXE_RUN[what])
        faults += [f"{name}: {rule} at {width}, {scheme}: {[each[:160] for each in where]}" for rule, where in found]
        if TAKE_SCREENS:
            SCREENS.mkdir(parents=True, exist_ok=True)
            await page.screenshot(path=SCREENS / f"state-{name}-{width}-{scheme}.png")
    return faults
