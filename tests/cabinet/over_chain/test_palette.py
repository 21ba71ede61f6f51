"""The command palette by keyboard: find things and go to them, see what is announced, and a failed search."""

from playwright.async_api import Browser, expect

from app.sandbox.chain_driver import AnvilDriver
from app.wiring import Services
from tests.cabinet.over_chain.test_journey import chromium, served, sign_in
from tests.cabinet.world import make_world
from tests.checkout.running import RunningApp
from tests.page_checks import check_page

__all__ = ["chromium", "served"]


async def test_the_palette_by_keyboard(
    served: RunningApp,
    chromium: Browser,
    services: Services,
    driver: AnvilDriver,
    token: str,
) -> None:
    world = await make_world(services.settings, services, driver, token)
    page = await (await chromium.new_context()).new_page()
    base = await sign_in(page, served, world.people["owner"])
    invoice, here = world.paid_invoice, base + world.base
    box, dialog = page.get_by_role("combobox", name="Search, and go to"), page.get_by_role("dialog")
    options = page.get_by_role("listbox", name="Results").get_by_role("option")
    await page.goto(f"{here}/invoices/{invoice.id}")

    await page.keyboard.press("/")
    await expect(box).to_be_focused()
    await expect(options.filter(has_text="New invoice")).to_be_visible()
    await check_page(page, "cabinet-palette")
    await page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)

    await page.keyboard.press("Control+k")
    await page.keyboard.type("new payout")
    await expect(options).to_have_count(1)
    await expect(page.locator("#palette-count")).to_have_text("1 result")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="New payout")).to_be_visible()

    await page.get_by_label("Amount", exact=True).focus()
    await page.keyboard.type("/")  # typed into a field, it is a character
    await expect(page.get_by_label("Amount", exact=True)).to_have_value("/")
    await page.keyboard.press("Control+k")
    await expect(options.first).to_have_text(f"{invoice.id}Invoices")  # opened lately
    await page.keyboard.type(invoice.id[4:10].lower())
    group = page.get_by_role("group", name="Invoices")
    await expect(group.get_by_role("option")).to_have_attribute("aria-selected", "true")
    active = await box.get_attribute("aria-activedescendant")
    assert active == await group.get_by_role("option").get_attribute("id")
    await check_page(page, "cabinet-palette-found")
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"**/invoices/{invoice.id}")

    await page.keyboard.press("Control+k")
    await box.fill("pay")  # one event, and so one answer
    await expect(options.first).to_have_attribute("aria-selected", "true")
    count = await options.count()
    assert count > 1
    await page.keyboard.press("ArrowDown")
    await expect(options.nth(1)).to_have_attribute("aria-selected", "true")
    await page.keyboard.press("ArrowUp")
    await page.keyboard.press("ArrowUp")
    await expect(options.nth(count - 1)).to_have_attribute("aria-selected", "true")

    await page.route("**/search/found**", lambda route: route.abort())
    await page.keyboard.type("o")
    await expect(page.get_by_role("alert").filter(has_text="The search did not answer.")).to_be_visible()
    await expect(box).to_have_value("payo")
    await page.unroute("**/search/found**")
    await page.keyboard.type("xyz")
    await expect(page.locator("#palette-list")).to_contain_text("Nothing found.")
    await expect(page.locator("#palette-count")).to_contain_text("Looked at ids, orders, customers")
    await page.keyboard.press("Enter")  # nothing is chosen: the page of the search
    await page.wait_for_url("**/search?q=payoxyz")
