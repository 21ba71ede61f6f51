"""The open page shows changes of the payment: by events, by polling, and only while changes are possible."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace
from playwright.sync_api import Browser, Page, expect

from app.invoices.states import Status
from tests.checkout.site import Site, a_deposit, a_view, states


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page in a context of its own."""
    made = browser.new_context()
    yield made.new_page()
    made.close()


def open_live(page: Page, site: Site, url: str, name: str) -> None:
    """Opens the page and waits until its event stream is there."""
    with page.expect_response("**/events?*"):
        page.goto(url)
    assert site.listeners(name) == 1


def test_events_carry_the_page_from_waiting_to_paid(page: Page, site: Site) -> None:
    waiting = a_view()
    url = site.put("journey", waiting)
    open_live(page, site, url, "journey")
    expect(page.locator("#headline")).to_have_text("Waiting for your payment")

    site.put("journey", replace(waiting, status=Status.CONFIRMING, confirmations_seen=3, deposits=(a_deposit(),)))
    site.tell("journey")
    expect(page.get_by_role("progressbar")).to_have_attribute("value", "3")
    expect(page.get_by_role("status")).to_contain_text("We see your payment")

    site.put("journey", replace(states()["paid"], success_url=None))
    site.tell("journey")
    expect(page.locator("#headline")).to_have_text("Payment complete")
    expect(page).to_have_title("Payment complete · Harbour & Pine")
    expect(page.get_by_role("status")).to_contain_text("Payment complete")
    assert site.pages.count("journey") == 1


def test_a_stream_brings_what_changed_and_the_page_asks_for_nothing(page: Page, site: Site) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    waiting = a_view(merchant_name="Harbour\r& Pine")
    open_live(page, site, site.put("brought", waiting), "brought")

    site.put("brought", replace(waiting, status=Status.CONFIRMING, confirmations_seen=3, deposits=(a_deposit(),)))
    site.bring("brought")
    expect(page.get_by_role("progressbar")).to_have_attribute("value", "3")
    expect(page.get_by_role("status")).to_contain_text("We see your payment")
    expect(page.get_by_role("heading", name="Pine")).to_contain_text("Harbour & Pine")
    site.put("brought", replace(states()["paid"], success_url=None))
    site.bring("brought")
    expect(page).to_have_title("Payment complete · Harbour & Pine")
    assert [url for url in asked if "/status" in url] == []


def test_a_paid_page_closes_its_stream(page: Page, site: Site) -> None:
    url = site.put("done", a_view(Status.CONFIRMING))
    open_live(page, site, url, "done")

    site.put("done", replace(states()["paid"], success_url=None))
    site.tell("done")
    expect(page.locator("#headline")).to_have_text("Payment complete")

    requests = []
    page.on("request", lambda request: requests.append(request.url))
    site.tell("done")
    page.wait_for_timeout(600)
    assert requests == []


def test_an_update_leaves_focus_where_it_is(page: Page, site: Site) -> None:
    confirming = a_view(Status.CONFIRMING, deposits=(a_deposit(explorer_url="https://explorer.example/tx"),))
    waiting = a_view()
    url = site.put("focus", waiting)
    open_live(page, site, url, "focus")
    page.locator("#copy-address").focus()

    site.put("focus", replace(waiting, network_delayed=True))
    site.tell("focus")
    page.get_by_text("We see the Tron network late").wait_for()
    assert page.evaluate("document.activeElement.id") == "copy-address"

    site.put("focus", confirming)
    site.tell("focus")
    page.get_by_text("We see your payment").first.wait_for()
    assert page.evaluate("document.activeElement.id") == "headline"


def test_an_update_without_changes_leaves_the_page_as_it_is(page: Page, site: Site) -> None:
    url = site.put("still", a_view())
    open_live(page, site, url, "still")
    page.evaluate("document.querySelector('#copy-amount').dataset.kept = 'yes'")

    with page.expect_response("**/status?*"):
        site.tell("still")
    page.wait_for_timeout(100)

    assert page.evaluate("document.querySelector('#copy-amount').dataset.kept") == "yes"


def test_without_a_stream_the_page_polls(page: Page, site: Site) -> None:
    site.streams_open = False
    try:
        page.clock.install()
        with page.expect_response("**/events?*"):
            page.goto(site.put("polled", a_view()))
        page.wait_for_timeout(100)
        site.put("polled", a_view(Status.CONFIRMING))
        page.clock.run_for(5_100)
        expect(page.locator("#headline")).to_have_text("We see your payment")
    finally:
        site.streams_open = True


def test_a_broken_connection_is_shown_until_it_is_back(page: Page, site: Site) -> None:
    page.clock.install()
    url = site.put("trouble", a_view())
    open_live(page, site, url, "trouble")
    site.reachable = False
    try:
        site.tell("trouble")
        expect(page.get_by_text("No connection.", exact=True)).to_be_visible()
    finally:
        site.reachable = True
    page.clock.run_for(5_100)
    expect(page.get_by_text("No connection.", exact=True)).to_be_hidden()


def test_the_countdown_follows_the_server_and_ends_by_itself(page: Page, site: Site) -> None:
    page.clock.install(time=datetime(2001, 1, 1, tzinfo=UTC))
    view = a_view(expires_at=datetime.now(UTC) + timedelta(seconds=90))
    with page.expect_response("**/events?*"):
        page.goto(site.put("clock", view))
    expect(page.get_by_role("timer")).to_have_text("01:29")

    page.clock.run_for(30_000)
    expect(page.get_by_role("timer")).to_have_text("00:59")
    expect(page.get_by_role("status")).to_contain_text("Time left")

    site.put("clock", a_view(Status.EXPIRED, expires_at=datetime.now(UTC)))
    page.clock.run_for(60_000)
    expect(page.locator("#headline")).to_have_text("This payment has expired")


def test_a_paid_page_redirects_to_the_merchant_unless_the_customer_stops_it(page: Page, site: Site) -> None:
    page.route("https://shop.example/**", lambda route: route.fulfill(body="the shop"))
    page.clock.install()
    url = site.put("back", states()["paid"])

    page.goto(url)
    page.get_by_text("The page goes back by itself in 10 seconds.", exact=True).wait_for()
    page.get_by_role("button", name="Stay here").click()
    page.clock.run_for(12_000)
    assert page.url == url

    page.reload()
    page.locator(".onward__by-itself").wait_for()
    page.clock.run_for(11_000)
    page.wait_for_url("https://shop.example/thanks")

    page.go_back()
    page.clock.run_for(12_000)
    assert page.url == url
