"""The documentation in a real browser: samples in tabs, copying, the search by a key, and all without a script."""

from playwright.sync_api import Browser, expect

from tests.gallery.test_gallery import opened


def test_samples_are_tabs_and_remember_the_language(browser: Browser, gallery: str) -> None:
    with opened(browser, f"{gallery}/docs/accepting", permissions=["clipboard-read", "clipboard-write"]) as page:
        first, second = page.locator(".samples").nth(0), page.locator(".samples").nth(1)
        expect(first.get_by_role("tab", name="curl")).to_have_attribute("aria-selected", "true")
        expect(first.get_by_role("tabpanel")).to_have_count(1)
        first.get_by_role("tab", name="curl").press("ArrowRight")
        expect(first.get_by_role("tab", name="Python")).to_be_focused()
        for group in (first, second):
            expect(group.get_by_role("tab", name="Python")).to_have_attribute("aria-selected", "true")
            expect(group.get_by_role("tabpanel")).to_contain_text("import httpx")
        first.get_by_role("button", name="Copy the code").click()
        expect(page.get_by_role("status")).to_have_text("The code was copied")
        assert page.evaluate("navigator.clipboard.readText()").startswith("import os\n\nimport httpx\n")
        page.goto(f"{gallery}/docs/refunds")
        expect(page.locator(".samples").get_by_role("tab", name="Python")).to_have_attribute("aria-selected", "true")


def test_a_key_leads_to_the_search_and_the_search_to_a_row(browser: Browser, gallery: str) -> None:
    with opened(browser, f"{gallery}/docs") as page:
        page.keyboard.press("/")
        expect(page.get_by_role("searchbox")).to_be_focused()
        page.keyboard.type("DUPLICATE_ORDER_ID")
        page.keyboard.press("Enter")
        page.get_by_role("link", name="Errors DUPLICATE_ORDER_ID").click()
        expect(page).to_have_url(f"{gallery}/docs/errors#DUPLICATE_ORDER_ID")
        expect(page.get_by_role("row", name="DUPLICATE_ORDER_ID")).to_be_in_viewport()
        outline = page.get_by_role("navigation", name="On this page")
        expect(outline.locator("[data-current]")).to_have_text("Every code")


def test_all_of_it_is_there_without_a_script(browser: Browser, gallery: str) -> None:
    with opened(browser, f"{gallery}/docs/accepting", 360, java_script_enabled=False) as page:
        for language in ("curl", "Python", "TypeScript"):
            expect(
                page.get_by_role("group", name=f"{language}: 1. Create the invoice", exact=False).first
            ).to_be_visible()
        expect(page.get_by_role("tab")).to_have_count(0)
        expect(page.get_by_role("button", name="Copy the code")).to_have_count(0)
        page.get_by_role("button", name="Contents").click()
        page.get_by_role("navigation", name="Contents").get_by_role("link", name="Webhooks").click()
        expect(page.get_by_role("heading", name="Webhooks", level=1)).to_be_visible()
        page.get_by_role("searchbox").fill("retry-after")
        page.get_by_role("searchbox").press("Enter")
        expect(page.get_by_role("heading", name="Search", level=1)).to_be_visible()
        page.get_by_role("main").get_by_role("listitem").get_by_role("link").first.click()
        expect(page.locator(".prose h1")).to_be_visible()
