"""The list of what to pay with, in a browser: the search, what was used last on the device, both without a script."""

from msgspec.structs import replace
from playwright.sync_api import Browser, Page, expect

from tests.browsing import opened, overflow_px
from tests.checkout.site import Site, a_priced_view, a_view_of_many_ways

SHIFTS = """new Promise(done => new PerformanceObserver(
    list => done(list.getEntries().map(e => e.value))).observe({type: 'layout-shift', buffered: true})
    || setTimeout(() => done([]), 300))"""


def shown(page: Page) -> list[str]:
    """The ways on the page, in their order."""
    ways: list[str] = page.locator("#ways > li:visible").evaluate_all("all => all.map(e => e.dataset.way)")
    return ways


def test_a_search_at_320_px_finds_assets_by_any_of_their_names(browser: Browser, site: Site) -> None:
    view = a_view_of_many_ways()
    everything = [f"{way.asset}/{way.chain}" for way in view.ways_to_pay]
    with opened(browser, site.put("many", view), 320) as page:
        search = page.get_by_role("searchbox", name="Search")
        assert shown(page) == everything
        assert page.evaluate(SHIFTS) == []
        for words, found in (
            ("tether", ["USDT/tron"]),
            ("usdc ARBI", ["USDC/arbitrum"]),
            ("bïtcoin", ["BTC/bitcoin"]),
            ("euro coin", ["EURC/ethereum", "EURC/base", "EURC/polygon", "EURC/arbitrum"]),
        ):
            search.fill(words)
            assert shown(page) == found
        expect(page.locator("#announcer")).to_have_text("4 of 11 are shown")
        search.fill("dogecoin")
        expect(page.get_by_text("Nothing here has that name.")).to_be_visible()
        assert (shown(page), overflow_px(page)) == ([], 0)

        # What the server sends anew does not undo what was searched for, nor close what is open.
        search.fill("usdc")
        page.get_by_text("I don’t have any of these").click()
        search.focus()
        dearer = replace(view.ways_to_pay[3], amount_decimal="54.9999")
        site.put("many", replace(view, ways_to_pay=(*view.ways_to_pay[:3], dearer, *view.ways_to_pay[4:])))
        site.tell("many")
        page.get_by_text("54.9999").wait_for()
        assert (shown(page), search.input_value()) == ([way for way in everything if way.startswith("USDC")], "usdc")
        assert page.evaluate("document.activeElement.id") == "ways-search"
        expect(page.get_by_text("Or ask Harbour & Pine for another way to pay.")).to_be_visible()
        search.fill("")
        assert shown(page) == everything


def test_what_was_chosen_last_is_first_on_this_device_and_nothing_else_is_kept(browser: Browser, site: Site) -> None:
    with opened(browser, site.put("first", a_priced_view()), 320) as page:
        assert page.get_by_text("Used last").count() == 0
        page.route("**/choose", lambda route: route.fulfill(status=204))
        with page.expect_request("**/choose") as sent:
            page.get_by_role("button", name="USDT").click()
        assert sent.value.post_data == "asset=USDT&chain=tron"
        page.goto(site.put("second", a_priced_view()))
        assert shown(page) == ["USDT/tron", "BTC/bitcoin", "ETH/ethereum"]
        expect(page.get_by_role("button", name="USDT Tron (TRC-20) Used last")).to_be_visible()
        assert page.evaluate(SHIFTS) == []
        assert page.evaluate("({...localStorage})") == {"swap-pay:way": "USDT/tron"}
        assert page.evaluate("sessionStorage.length") == 0

        # It keeps the focus when the list is sent anew.
        page.get_by_role("button", name="USDT").focus()
        ways = a_priced_view().ways_to_pay
        site.put("second", a_priced_view(ways_to_pay=(replace(ways[0], amount_decimal="0.00099"), *ways[1:])))
        site.tell("second")
        page.get_by_text("0.00099").wait_for()
        assert page.evaluate("document.activeElement.id") == "choose-USDT-tron"
        assert shown(page)[0] == "USDT/tron"

        # What can't be chosen now stays where the merchant has put it.
        page.goto(site.put("third", a_priced_view(ways_to_pay=(ways[0], replace(ways[1], amount_decimal="")))))
        assert shown(page) == ["BTC/bitcoin", "USDT/tron"]
        # Where nothing can be stored, the list is as it is without.
        page.add_init_script("Object.defineProperty(window, 'localStorage', { get() { throw new Error('barred') } })")
        page.goto(site.put("fourth", a_priced_view()))
        assert shown(page)[0] == "BTC/bitcoin"
        page.get_by_role("button", name="USDT").click()


def test_without_javascript_the_list_is_whole_and_says_what_to_do_without_any(browser: Browser, site: Site) -> None:
    with opened(browser, site.put("plain", a_view_of_many_ways()), 320, java_script_enabled=False) as page:
        assert len(shown(page)) == 11
        assert page.locator("#ways-search:visible").count() == 0
        told = page.get_by_text("Send exactly that amount from the app.")
        expect(told).to_be_hidden()
        page.get_by_text("I don’t have any of these").click()
        expect(told).to_be_visible()
        back = page.get_by_role("link", name="Back to Harbour & Pine")
        assert back.get_attribute("href") == "https://shop.example/basket"
        assert page.locator("#without-any a").count() == 1
        page.goto(site.put("few", a_priced_view()))
        assert page.locator("#ways-search").count() == 0
        assert page.locator("#without-any a").count() == 0, "the merchant has named no page"
