"""By keyboard, by screen reader, enlarged, in forced colours and without motion: each state of the page."""

import itertools
from collections.abc import Iterator

import pytest
import zxingcpp
from msgspec.structs import replace
from playwright.sync_api import Browser, Page, expect

from app.invoices.states import Status
from tests.browsing import opened, overflow_px, violations
from tests.checkout.site import Site, a_deposit, a_view, states
from tests.checkout.test_pages import grey_pixels

LEAST_TARGET_PX = 24
"""WCAG 2.2, success criterion 2.5.8."""

KEYS = 40
"""More than any state has places to stop at."""

SMALL = """least => [...document.querySelectorAll('a, button, input:not([type=hidden]), select, summary')]
    .filter(e => e.checkVisibility({visibilityProperty: true}))
    .filter(e => { const r = e.getBoundingClientRect();
        return r.width && (r.width < least - 0.5 || r.height < least - 0.5) })
    .map(e => e.outerHTML.slice(0, 120))"""

FOCUSED = """() => { const e = document.activeElement, style = getComputedStyle(e);
    return e === document.body ? null : [e.outerHTML.slice(0, 80), style.outlineStyle, parseFloat(style.outlineWidth),
        e.getBoundingClientRect().top + scrollY, e.closest('footer, .keeping, .wallet') !== null] }"""

LISTEN = """() => { window.spoken = []; new MutationObserver(() => { const said = announcer.textContent;
    if (said) spoken.push(said) }).observe(announcer, {childList: true, characterData: true, subtree: true}) }"""


def all_pages(site: Site) -> Iterator[tuple[str, str]]:
    """Every state, and a receipt."""
    for name, view in states().items():
        yield name, site.put(name, view)
    yield "receipt", site.url("paid_price") + "/receipt"


def test_every_stop_of_the_keyboard_is_seen_and_large_enough(browser: Browser, site: Site) -> None:
    with opened(browser, width=360, reduced_motion="reduce") as page:
        for name, url in all_pages(site):
            page.goto(url)
            expect(page.locator("html[data-script]")).to_be_attached()
            assert page.evaluate(SMALL, LEAST_TARGET_PX) == [], name
            stops = []
            for _ in range(KEYS):
                page.keyboard.press("Tab")
                if (stop := page.evaluate(FOCUSED)) is None:
                    break
                stops.append(stop)
            assert stops, name
            assert [html for html, style, width, *_ in stops if style != "solid" or width < 2] == [], name
            # Downwards, but for what stands side by side; what belongs to the page itself comes last.
            tops = [top for *_, top, _ in stops]
            assert all(after > before - 60 for before, after in itertools.pairwise(tops)), (name, stops)
            of_page = [is_of_page for *_, is_of_page in stops]
            assert of_page == sorted(of_page), name


def test_enlarged_twice_nothing_is_lost(browser: Browser, site: Site) -> None:
    """A window of 1,280 px at 200 percent has 640 of the page's."""
    with opened(browser, width=640, device_scale_factor=2, reduced_motion="reduce") as page:
        for name, url in all_pages(site):
            page.goto(url)
            assert overflow_px(page) == 0, name


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_in_forced_colours_the_code_is_read_and_states_stay_apart(browser: Browser, site: Site, scheme: str) -> None:
    forced = {"forced_colors": "active", "color_scheme": scheme, "reduced_motion": "reduce"}
    with opened(browser, site.put("forced", a_view()), 1280, **forced) as page:  # on a phone the code is folded
        photo = page.screenshot(full_page=True)
        tail = page.locator(".amount em").evaluate("e => getComputedStyle(e).textDecorationLine")
        assert tail == "underline"
        for name in ("confirming", "paid", "expired"):
            page.goto(site.put(name, states()[name]))
            sign = page.locator(".verdict__sign").evaluate("e => getComputedStyle(e).borderTopStyle")
            assert sign == "solid"
    (code,) = zxingcpp.read_barcodes(grey_pixels(browser, photo), try_invert=False)
    assert code.text == (a_view().qr_text or a_view().payment_uri)


def test_without_motion_nothing_moves(browser: Browser, site: Site) -> None:
    for motion, moves in (("reduce", False), ("no-preference", True)):
        with opened(browser, site.put("still", a_view()), reduced_motion=motion) as page:
            assert page.evaluate("document.getAnimations().length > 0") is moves


def test_a_framed_page_has_no_faults(browser: Browser, site: Site) -> None:
    with opened(browser, width=480, reduced_motion="reduce", bypass_csp=True) as page:
        for name in ("framed", "framed_paid"):
            page.goto(site.put(name, states()[name]))
            assert violations(page) == [], name
            assert page.locator("[data-return-after-s]").count() == 0


def test_a_state_is_announced_once_and_no_second_is(browser: Browser, site: Site) -> None:
    waiting = a_view()
    with opened(browser, width=360) as page:
        listening(page, site, site.put("said", waiting))
        page.wait_for_timeout(2_500)
        assert page.evaluate("spoken") == []

        site.put("said", replace(waiting, status=Status.CONFIRMING, confirmations_seen=3, deposits=(a_deposit(),)))
        site.tell("said")
        expect(page.get_by_role("progressbar")).to_be_visible()
        page.wait_for_timeout(200)
        site.put("said", states()["paid"])
        site.tell("said")
        expect(page.locator("#headline")).to_have_text("Payment complete")
        page.wait_for_timeout(2_500)
        assert page.evaluate("spoken") == [
            "We see your payment. 3 of 20 confirmations. About 60 seconds to go",
            "Payment complete. The page goes back by itself in 10 seconds.",
        ]


def test_who_uses_the_page_is_not_taken_away_from_it(browser: Browser, site: Site) -> None:
    """The way back waits for a window that is seen, and ends with a press on anything else."""
    url = site.put("stays", states()["paid"])
    for press in ("#stay", "#copy-receipt", "#copy-link"):
        with opened(browser, url, permissions=["clipboard-read", "clipboard-write"]) as page:
            expect(page.locator("[data-return-after-s]")).to_contain_text("in 10 seconds")
            page.locator(press).click()
            expect(page.locator("[data-return-after-s]")).to_be_hidden()
            focused = "return" if press == "#stay" else press.removeprefix("#")
            assert page.evaluate("document.activeElement.id") == focused
            if press == "#copy-receipt":
                assert page.evaluate("navigator.clipboard.readText()") == states()["paid"].receipt_link
            if press == "#copy-link":
                assert page.evaluate("navigator.clipboard.readText()") == states()["paid"].page_link
    with opened(browser, url) as page:
        expect(page.locator("[data-return-after-s]")).to_contain_text("in 10 seconds")
        page.evaluate("Object.defineProperty(document, 'hidden', {value: true})")
        before = page.locator("[data-return-after-s]").inner_text()
        page.wait_for_timeout(2_200)
        assert page.locator("[data-return-after-s]").inner_text() == before


def listening(page: Page, site: Site, url: str) -> None:
    """Open a live page and note what its live region says."""
    with page.expect_response("**/events?*"):
        page.goto(url)
    page.evaluate(LISTEN)
