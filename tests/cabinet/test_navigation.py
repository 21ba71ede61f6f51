"""Going from page to page in a real browser, where pages are put in place without being loaded anew."""

from playwright.async_api import expect

from tests.cabinet.shop import Shop, receiver, shop

__all__ = ["receiver", "shop"]


async def test_pages_follow_one_another_as_a_browser_would_show_them(shop: Shop) -> None:
    await shop.new_member("owner")
    page = await shop.sign_in("owner@example.test")
    await page.goto(shop.url())
    await page.evaluate("window.isStillHere = true")
    menu = page.get_by_role("navigation", name="Main")

    await menu.get_by_role("link", name="Invoices").click()
    await expect(page).to_have_url(shop.url("invoices"))
    await expect(page.get_by_role("heading", name="Invoices", level=1)).to_be_focused()
    await expect(page).to_have_title("Invoices · Harbour & Pine")
    await expect(page.locator("#announcer")).to_have_text("Invoices · Harbour & Pine")
    await expect(menu.get_by_role("link", name="Invoices")).to_have_attribute("aria-current", "page")
    assert await page.evaluate("window.isStillHere")
    await page.go_back()
    await expect(page.get_by_role("heading", name="Home", level=1)).to_be_visible()
    await page.go_forward()
    await expect(page.get_by_role("heading", name="Invoices", level=1)).to_be_visible()
    assert await page.evaluate("window.isStillHere")
