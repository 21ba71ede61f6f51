"""The components of signed-in pages in a real browser, under the strict CSP: every state, both schemes, all widths."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from app.sandbox import gallery as pages_of_gallery
from tests.browsing import SCREENS, TAKE_SCREENS, violations

LEAST_TARGET_PX = 24

DOCUMENTATION = ("/docs", "/docs/accepting", "/docs/errors", "/docs/approvals", "/docs/search?q=refnud")


def addresses() -> list[str]:
    """Every page of the gallery, the front page, and one page of the documentation of each kind."""
    return [*pages_of_gallery.addresses(), "/", *DOCUMENTATION]


@contextmanager
def opened(browser: Browser, url: str, width: int = 1280, **context: Any) -> Iterator[Page]:
    """A page at `url`; fails on any message of the browser, CSP violations included."""
    messages: list[str] = []
    made = browser.new_context(viewport={"width": width, "height": 800}, reduced_motion="reduce", **context)
    page = made.new_page()
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    page.goto(url)
    try:
        yield page
        assert messages == []
    finally:
        made.close()


@pytest.mark.timeout(600)
def test_every_page_fits_and_axe_finds_nothing(browser: Browser, gallery: str) -> None:
    """Each page is loaded once. The dark scheme differs in its colours alone."""
    with opened(browser, gallery + "/gallery") as page:
        for address in addresses():
            page.goto(gallery + address)
            for width, checks in ((320, None), (360, "narrow"), (768, None), (1280, "light")):
                page.set_viewport_size({"width": width, "height": 800})
                assert page.evaluate("document.documentElement.scrollWidth") == width, (address, width)
                assert checks is None or violations(page, checks) == [], (address, width)
                take_picture(page, address, width, "light")
            page.emulate_media(color_scheme="dark")
            assert violations(page, "dark") == [], address
            for width in (360, 1280):
                take_picture(page, address, width, "dark")
            page.emulate_media(color_scheme="light")


def take_picture(page: Page, address: str, width: int, scheme: str) -> None:
    """With `TAKE_SCREENS`, a picture of the page on a phone or a desk goes to `var/screens`."""
    if TAKE_SCREENS and width in (1280, 360):
        page.set_viewport_size({"width": width, "height": 800})
        SCREENS.mkdir(parents=True, exist_ok=True)
        name = address.strip("/").replace("/", "-") or "front"
        page.screenshot(path=SCREENS / f"{name}-{width}-{scheme}.png", full_page=True)


def test_axe_finds_nothing_in_what_opens(browser: Browser, gallery: str) -> None:
    with opened(browser, gallery + "/gallery", 360) as page:
        for opener in ("Menu", "Your account", "Revoke this key"):
            page.get_by_role("link" if "key" in opener else "button", name=opener, exact=True).click()
            assert violations(page) == [], opener
            page.keyboard.press("Escape")


@pytest.mark.parametrize("width", [1280, 360])
def test_whatever_can_be_pressed_is_large_enough(browser: Browser, gallery: str, width: int) -> None:
    """WCAG 2.2, 2.5.8: 24 by 24 px, but for links within a sentence."""
    small = """least => [...document.querySelectorAll('a, button, input:not([type=hidden]), select, summary')]
        .filter(e => e.checkVisibility({visibilityProperty: true}) && !e.closest('p') && !e.closest('.error-summary')
            && !e.matches('.skip'))
        .filter(e => { const r = e.getBoundingClientRect();
            const after = getComputedStyle(e, '::after').position === 'absolute';
            return !after && r.width && (r.width < least - 0.5 || r.height < least - 0.5) })
        .map(e => e.outerHTML.slice(0, 120))"""
    with opened(browser, gallery + "/gallery", width) as page:
        for address in addresses():
            page.goto(gallery + address)
            assert page.evaluate(small, LEAST_TARGET_PX) == [], address


def test_on_a_phone_the_navigation_is_a_drawer_that_needs_no_script(browser: Browser, gallery: str) -> None:
    with opened(browser, gallery + "/gallery/tables", 360, java_script_enabled=False) as page:
        drawer = page.get_by_role("navigation", name="Main")
        expect(drawer).to_be_hidden()
        page.get_by_role("button", name="Menu", exact=True).click()
        expect(drawer).to_be_visible()
        expect(drawer.get_by_role("link", name="Tables and lists")).to_have_attribute("aria-current", "page")
        page.get_by_role("button", name="Close the menu").click()
        expect(drawer).to_be_hidden()
        page.get_by_role("button", name="Menu", exact=True).click()
        drawer.get_by_role("link", name="Charts").click()
        expect(page.get_by_role("heading", name="Charts", level=1)).to_be_visible()
        expect(drawer).to_be_hidden()


def test_on_a_desk_the_navigation_is_there(browser: Browser, gallery: str) -> None:
    with opened(browser, gallery + "/gallery/tables", java_script_enabled=False) as page:
        expect(page.get_by_role("navigation", name="Main")).to_be_visible()
        expect(page.get_by_role("button", name="Menu", exact=True)).to_be_hidden()


def test_the_account_menu_opens_and_escape_closes_it(browser: Browser, gallery: str) -> None:
    with opened(browser, gallery + "/gallery/tables") as page:
        page.get_by_role("button", name="Your account").press("Enter")
        expect(page.get_by_role("button", name="Sign out")).to_be_visible()
        expect(page.get_by_text("robin@harbour-and-pine.example")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.get_by_role("button", name="Sign out")).to_be_hidden()
        assert "Your account" in page.evaluate("document.activeElement.textContent")


def test_test_mode_is_shown_in_words_and_by_the_switch(browser: Browser, gallery: str) -> None:
    with opened(browser, gallery + "/gallery/test-mode") as page:
        expect(page.get_by_text("Nothing here is real money.")).to_be_visible()
        expect(page.get_by_role("link", name="Test", exact=True)).to_have_attribute("aria-current", "true")
    with opened(browser, gallery + "/gallery/tables") as page:
        assert page.get_by_text("Nothing here is real money.").count() == 0


def test_errors_are_on_top_in_focus_and_link_to_their_fields(browser: Browser, gallery: str) -> None:
    with opened(browser, gallery + "/gallery/errors") as page:
        summary = page.get_by_role("alert", name="There is a problem")
        expect(summary).to_be_focused()
        for words, field in (("Enter a name for the key", "Name"), ("The limit must be", "Rate limit")):
            summary.get_by_role("link", name=words).click()
            expect(page.get_by_label(field, exact=True)).to_be_focused()
        expect(page.get_by_label("Name", exact=True)).to_have_accessible_description(
            re.compile("So that you know it again.*Error: Enter a name for the key")
        )
        expect(page.get_by_label("Name", exact=True)).to_have_attribute("aria-invalid", "true")
        summary.get_by_role("link", name="Choose at least one scope").click()
        expect(page.get_by_label("Read invoices")).to_be_focused()
        expect(page.get_by_role("group", name="Scopes")).to_have_accessible_description(
            re.compile("Error: Choose at least one scope")
        )


def test_a_form_shows_what_was_sent_but_no_code(browser: Browser, gallery: str) -> None:
    with opened(browser, gallery + "/gallery/forms") as page:
        expect(page.get_by_label("Name", exact=True)).to_have_value("Shop server")
        expect(page.get_by_label("Read invoices")).to_be_checked()
        expect(page.get_by_label("Request payouts")).not_to_be_checked()
        expect(page.get_by_label("The merchant")).to_be_checked()
        code = page.get_by_label("Code from your authenticator")
        expect(code).to_have_value("")
        expect(code).to_have_attribute("autocomplete", "one-time-code")


def test_a_table_stays_a_table_where_its_rows_are_cards(browser: Browser, gallery: str) -> None:
    for width in (1280, 360):
        with opened(browser, gallery + "/gallery/tables", width) as page:
            table = page.get_by_role("table", name="Invoices")
            row = table.get_by_role("row").nth(2)
            expect(row.get_by_role("cell").nth(2)).to_contain_text("1250.50 USDT")
            expect(table.get_by_role("columnheader", name="Amount")).to_have_count(1)
            row.scroll_into_view_if_needed()
            box = row.bounding_box()
            assert box
            page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] - 8)
            expect(page.get_by_role("heading", name="5.00 USDT Paid")).to_be_visible()


def test_figures_are_aligned(browser: Browser, gallery: str) -> None:
    with opened(browser, gallery + "/gallery/tables") as page:
        ends = page.locator("td.table__number .money__asset").evaluate_all(
            "all => all.map(e => Math.round(e.getBoundingClientRect().right))"
        )
        assert len(set(ends)) == 1
        expect(page.locator("td.table__number").first).to_have_css("font-variant-numeric", "tabular-nums")


@pytest.mark.parametrize("width", [1280, 768, 360, 320])
def test_amounts_of_18_places_stay_inside_their_frame(browser: Browser, gallery: str, width: int) -> None:
    outside = """[...document.querySelectorAll('.table-box .figure, .table-box .sum, .table-box .money')]
        .filter(e => { const frame = e.closest('.table-box').getBoundingClientRect();
            return [...e.getClientRects()].some(r => r.left < frame.left - 0.5 || r.right > frame.right + 0.5) })
        .map(e => e.outerHTML)"""
    with opened(browser, gallery + "/gallery/long", width) as page:
        assert page.evaluate(outside) == []
        scrolled = "[...document.querySelectorAll('.table-box')].filter(e => e.scrollWidth > e.clientWidth).length"
        assert page.evaluate(scrolled) == 0


def test_a_chart_is_one_image_with_a_sentence_and_a_table_behind_it(browser: Browser, gallery: str) -> None:
    with opened(browser, gallery + "/gallery/charts") as page:
        volume = page.get_by_role("figure", name="Volume")
        expect(volume.get_by_role("img")).to_have_accessible_name("Volume 19\u202f204 USDT in 30 days, most on 19 Nov.")
        table = volume.get_by_role("table")
        expect(table).to_be_hidden()
        volume.get_by_text("Show as a table").press("Enter")
        expect(table.get_by_role("row", name="19 Nov 1\u202f402.00 USDT")).to_be_visible()


def test_copying_says_so(browser: Browser, gallery: str) -> None:
    url = gallery + "/gallery/data"
    with opened(browser, url, permissions=["clipboard-read", "clipboard-write"]) as page:
        page.get_by_role("button", name="Copy API key").click()
        expect(page.get_by_role("status").filter(has_text="API key copied")).to_have_count(1)
        assert page.evaluate("navigator.clipboard.readText()").startswith("sspay_sec_live_7WX2M4B8QD_")
        page.get_by_role("button", name="Copy id").click()
        expect(page.locator("#announcer")).to_have_text("Copied")
        assert page.evaluate("navigator.clipboard.readText()") == "INV-0K3V9ZQ2TA"


def test_times_are_in_the_readers_zone_and_keep_utc_in_the_title(browser: Browser, gallery: str) -> None:
    url = gallery + "/gallery/tables"
    with opened(browser, url, timezone_id="Europe/Lisbon", java_script_enabled=False) as page:  # the account's counts
        first = page.locator("td time").first
        expect(first).to_have_text("24 Nov 2026, 18:37")
        expect(first).to_have_attribute("title", "2026-11-24 09:37:07 UTC")
        expect(page.get_by_text("Asia/Tokyo (UTC+9)")).to_be_visible()


def test_a_dialog_asks_in_place_of_a_page_and_gives_the_focus_back(browser: Browser, gallery: str) -> None:
    with opened(browser, gallery + "/gallery") as page:
        opener = page.get_by_role("link", name="Revoke this key")
        opener.click()
        expect(page.get_by_role("dialog", name="Revoke “Shop server”?")).to_be_visible()
        page.keyboard.press("Escape")
        expect(opener).to_be_focused()
    with opened(browser, gallery + "/gallery", java_script_enabled=False) as page:
        page.get_by_role("link", name="Revoke this key").click()
        expect(page).to_have_url(gallery + "/gallery/forms")


def test_keys_reach_the_content_past_the_navigation(browser: Browser, gallery: str) -> None:
    with opened(browser, gallery + "/gallery/tables") as page:
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Export CSV")).to_be_focused()
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_the_print_style_hides_the_frame(browser: Browser, gallery: str) -> None:
    with opened(browser, gallery + "/gallery/data") as page:
        page.emulate_media(media="print")
        expect(page.get_by_role("heading", name="5.00 USDT Paid")).to_be_visible()
        for gone in (
            page.locator(".frame__nav"),
            page.locator(".frame__head"),
            page.get_by_role("button", name="Copy"),
        ):
            expect(gone.first).to_be_hidden()
