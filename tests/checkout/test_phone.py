"""The page on a phone, and what it says where the network, a wallet or the rest of a description is missing."""

from msgspec.structs import replace
from playwright.sync_api import Browser, Page

from app.invoices.states import Status
from tests.browsing import opened
from tests.checkout.site import Site, a_deposit, a_view, states

FOLD_PX = 740
"""The height of a common phone's window, with the browser's bars."""

ONE_WALLET_LATE = """window.addEventListener("eip6963:requestProvider", () => setTimeout(() => window.dispatchEvent(
    new CustomEvent("eip6963:announceProvider", { detail: { info: { uuid: "fox", name: "Fox" },
        provider: { request: () => new Promise(() => {}) } } })), 300));"""
SHIFTS = """(since) => new Promise((done) => new PerformanceObserver((list) => done(list.getEntries()
    .filter((entry) => entry.startTime > since).reduce((sum, entry) => sum + entry.value, 0)))
    .observe({ type: "layout-shift", buffered: true }) || setTimeout(done, 700, 0))"""
"""How much of the page has moved by itself since then."""


def edges(page: Page, selector: str) -> tuple[float, float]:
    """Where an element begins and ends, from the top of the page."""
    box = page.locator(selector).bounding_box()
    assert box is not None, selector
    return box["y"], box["y"] + box["height"]


def test_a_phones_first_screen_has_what_a_payment_needs(browser: Browser, site: Site) -> None:
    """Without scrolling, and the warning before what sends; with scripts and without."""
    for scripted in (True, False):
        with opened(browser, java_script_enabled=scripted) as page:
            for name in ("awaiting", "bitcoin", "wallets", "described"):
                page.set_viewport_size({"width": 390, "height": FOLD_PX})
                page.goto(site.put(name, states()[name]))
                parts = [".amount", ".slip__on-top", ".pay__address", ".pay .notice--caution", "#open-wallet"]
                assert max(edges(page, part)[1] for part in parts) < FOLD_PX, name
                if scripted:
                    assert edges(page, "#copy-address")[1] < edges(page, ".pay .notice--caution")[0]
                assert edges(page, ".pay .notice--caution")[1] < edges(page, "#open-wallet")[0], name
                # Its own screen can't be scanned by itself: the code is there for another one.
                assert not page.locator(".pay__code").first.is_visible()
                page.get_by_text("Show the QR code").click()
                assert page.locator(".pay__code").first.is_visible()
                page.set_viewport_size({"width": 1280, "height": 800})
                page.goto(site.url(name))
                assert page.locator(".pay__code").first.is_visible()
                assert not page.get_by_text("Show the QR code").is_visible()


def test_a_long_description_leaves_the_amount_in_sight_and_can_be_read(browser: Browser, site: Site) -> None:
    view = states()["described"]
    with opened(browser, site.put("described", view), 390, java_script_enabled=False) as page:
        folded = page.locator(".slip__description bdi").bounding_box()
        page.get_by_text("more", exact=True).click()
        whole = page.locator(".slip__description bdi").bounding_box()
        assert folded is not None
        assert whole is not None
        assert folded["height"] < 45 < 100 < whole["height"]
        assert page.get_by_text("less", exact=True).is_visible()
        assert page.locator(".slip__description bdi").inner_text().strip() == view.description.strip()


def test_the_page_says_what_is_missing_and_takes_away_what_is_over(browser: Browser, site: Site) -> None:
    sandbox = a_view(wallet_url="/pay/missing/wallet")
    with opened(browser, site.put("missing", sandbox), 390) as page:
        page.evaluate(
            "addEventListener('click', (event) => event.target.closest('#open-wallet') && event.preventDefault())"
        )
        # Without a wallet, the link to one does nothing: the page says what to do instead.
        page.locator("#open-wallet").click()
        page.evaluate("dispatchEvent(new Event('blur'))")  # a wallet has opened
        page.locator("#open-wallet").click()
        assert page.locator("#no-wallet").is_hidden()
        page.locator("#no-wallet").wait_for()
        page.locator("#announcer", has_text="No wallet has opened on this device.").wait_for(state="attached")

        # The device's network goes away and comes back.
        page.context.set_offline(True)
        page.locator("#offline").wait_for()
        page.locator("#announcer", has_text="No connection.").wait_for(state="attached")
        assert edges(page, "#offline")[0] >= 0
        page.context.set_offline(False)
        page.locator("#offline").wait_for(state="hidden")

        # Once it is paid, neither the sandbox's wallet nor the box that looks for a transaction has anything to do.
        assert page.locator("#sandbox-wallet, #lookup").count() == 2
        paid = replace(sandbox, status=Status.PAID, lookup_url="", deposits=(a_deposit(),), paid_at=sandbox.now)
        site.put("missing", paid)
        site.tell("missing")
        page.get_by_role("heading", name="Payment complete").wait_for()
        assert page.locator("#sandbox-wallet, #lookup").count() == 0
        page.goto(site.url("missing"))
        assert page.locator("#sandbox-wallet, #lookup").count() == 0


def test_a_wallet_that_is_found_moves_nothing(browser: Browser, site: Site) -> None:
    for width in (390, 1280):
        with opened(browser, width=width) as page:
            page.add_init_script(ONE_WALLET_LATE)
            page.goto(site.put("found", states()["wallets"]))
            before, since = edges(page, "#payment-link"), page.evaluate("performance.now()")
            page.get_by_role("button", name="Fox").wait_for()
            assert edges(page, "#payment-link") == before, width
            assert page.locator("#open-wallet").is_visible() == (width == 1280)
            assert page.evaluate(SHIFTS, since) < 0.01, width


def test_the_page_and_the_receipt_name_the_readers_time_zone(browser: Browser, site: Site) -> None:
    site.put("zone", states()["paid"])
    for path, scripted, zone in (("", True, "GMT+9"), ("/receipt", True, "GMT+9"), ("", False, "UTC")):
        with opened(browser, site.url("zone") + path, timezone_id="Asia/Tokyo", java_script_enabled=scripted) as page:
            shown = page.locator("time[data-local-time]").first
            day, _, clock = shown.inner_text().partition(", ")
            assert len(day.split(" ")) == 3
            assert clock[2] == ":"
            assert clock.endswith(f" {zone}")
            if scripted:
                assert (shown.get_attribute("title") or "").endswith(" UTC")
