"""The command palette by keyboard, on a page that is signed in."""

from playwright.async_api import Page, expect

from tests.cabinet.world import World
from tests.page_checks import check_page


async def palette_by_keyboard(page: Page, base: str, world: World) -> None:
    """Open it, find and go to things, see the count announced, a failed search said, and what was opened lately."""
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
    await page.keyboard.type("pay")
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
