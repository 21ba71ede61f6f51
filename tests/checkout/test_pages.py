"""The checkout page in a real browser, under the strict CSP: each state, both schemes, phone and desk."""

import base64
import gzip

import pytest
import zxingcpp
from msgspec.structs import replace
from playwright.sync_api import Browser

from app.invoices.states import Status
from tests.browsing import opened, overflow_px, violations
from tests.checkout.site import ADDRESS, BITCOIN_ADDRESS, Site, a_deposit, a_view, pictured, states

PAGE_WEIGHT_BUDGET_BYTES = 30_000
"""Half of the promised 60 KB, so that growth is noticed early."""


@pytest.mark.timeout(600)
def test_every_page_fits_and_axe_finds_nothing(browser: Browser, site: Site) -> None:
    """In every state, on receipts and error pages, each loaded once. Only English is looked at with all of axe in both
    schemes: another language changes no colour. From right to left all else is, and every other language is measured
    where there is least room."""
    with opened(browser, width=320, reduced_motion="reduce") as page:
        for name, url in pictured(site):
            is_english, is_axed = name.endswith("-en"), name.endswith(("-en", "-ar"))
            page.goto(url)
            for width in (320, 1280, 360) if is_axed else (320,):
                page.set_viewport_size({"width": width, "height": 800})
                assert overflow_px(page) == 0, (name, width)
            if is_axed:
                assert violations(page, "light" if is_english else "narrow") == [], name
            if is_english:
                page.emulate_media(color_scheme="dark")
                assert violations(page, "dark") == [], name
                page.emulate_media(color_scheme="light")


def test_words_of_any_length_fit_at_320_px(browser: Browser, site: Site) -> None:
    view = a_view(merchant_name="Donaudampfschiff" * 6, description="x" * 500, amount_decimal="9" * 78)
    with opened(browser, site.put("wide", view), 320) as page:
        assert overflow_px(page) == 0


def test_stored_text_does_not_reverse_the_text_around_it(browser: Browser, site: Site) -> None:
    """Rows from before the check of incoming text."""
    refund = a_deposit(reason="\u202ereason\u2066")
    view = a_view(Status.PAID, merchant_name="\u202eShop", description="Pay\u202e 1\u2067", refunds=(refund,))
    with opened(browser, site.put("turned", view)) as page:
        assert not set("\u202e\u2066\u2067") & set(page.content() + page.title())
        assert page.get_by_role("heading", name="Payment to Shop").is_visible()
        isolated = "e => getComputedStyle(e).unicodeBidi"
        for text in ("Shop", "Pay 1", "reason"):
            assert page.locator("bdi", has_text=text).first.evaluate(isolated) == "isolate"


def test_the_exact_amount_is_first_and_shown_once(browser: Browser, site: Site) -> None:
    with opened(browser, site.put("amount", a_view())) as page:
        text = page.locator("main").inner_text()
        figure = page.locator(".amount__figure")

        assert figure.inner_text() == "5.000073"
        assert text.count("5.000073") == 1
        assert text.index("5.000073") < text.index("Address")
        sizes = "[...document.querySelectorAll('main *')].map(e => parseFloat(getComputedStyle(e).fontSize))"
        assert figure.evaluate("e => parseFloat(getComputedStyle(e).fontSize)") == max(page.evaluate(sizes))
        assert "The last digits identify your payment: send exactly this amount." in text


def test_copying_gives_the_exact_text_and_says_so(browser: Browser, site: Site) -> None:
    url = site.put("copy", a_view())
    with opened(browser, url, permissions=["clipboard-read", "clipboard-write"]) as page:
        page.get_by_role("button", name="Copy amount").click()
        page.get_by_text("Amount copied").wait_for()
        assert page.evaluate("navigator.clipboard.readText()") == "5.000073"

        page.get_by_role("button", name="Copy address").press("Enter")
        page.get_by_text("Address copied").wait_for()
        assert page.evaluate("navigator.clipboard.readText()") == ADDRESS


def test_copying_works_where_the_clipboard_is_blocked(browser: Browser, site: Site) -> None:
    url = site.put("copy", a_view())
    with opened(browser, url, permissions=["clipboard-read"]) as page:
        page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('barred')) }")
        page.get_by_role("button", name="Copy amount").click()
        page.get_by_text("Amount copied").wait_for()
        assert page.evaluate("document.activeElement.id") == "copy-amount"
        assert page.evaluate("navigator.clipboard.readText()") == "5.000073"


def test_an_address_selected_by_hand_is_copied_without_gaps(browser: Browser, site: Site) -> None:
    with opened(browser, site.put("copy", a_view())) as page:
        selected = "getSelection().selectAllChildren(document.querySelector('.grouped')), String(getSelection())"
        assert page.evaluate(selected) == ADDRESS


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["awaiting", "awaiting_test_mode", "branded", "bitcoin"])
def test_a_wallet_s_camera_reads_the_payment_uri(browser: Browser, site: Site, name: str, scheme: str) -> None:
    """Decoded from a screenshot of the whole page at one dot per pixel, by an independent decoder."""
    capitals = "BITCOIN:BC1QCR8TE4KR609GCAWUTMRZA0J4XV80JY8Z306FYU?amount=0.00150000"
    on_bitcoin = a_view(payment_uri=f"{capitals[:8].lower()}{capitals[8:]}", qr_text=capitals)
    view = {**states(), "bitcoin": on_bitcoin}[name]
    with opened(browser, site.put("qr", view), color_scheme=scheme) as page:
        photo = page.screenshot(full_page=True)

    codes = zxingcpp.read_barcodes(grey_pixels(browser, photo), try_invert=False)

    assert [(str(code.format), code.text) for code in codes] == [("QR Code", view.qr_text or view.payment_uri)]


def test_a_bitcoin_code_is_in_capitals_but_for_its_parameters(browser: Browser, site: Site) -> None:
    """BIP-173: a bech32 address means the same in capitals, and a code of capitals is smaller."""
    view = states()["bitcoin"]
    with opened(browser, site.put("qr", view)) as page:
        photo = page.screenshot(full_page=True)

    (code,) = zxingcpp.read_barcodes(grey_pixels(browser, photo), try_invert=False)

    address, parameters = code.text.split("?")
    assert address == f"BITCOIN:{BITCOIN_ADDRESS.upper()}"
    assert parameters == "amount=0.00051234"
    assert f"{address.lower()}?{parameters}" == view.payment_uri


def test_the_second_code_is_the_payment_link_and_needs_no_script(browser: Browser, site: Site) -> None:
    """On chains with accounts the first code is the address alone; beside it the link, which holds the amount."""
    view = states()["wallets"]
    with opened(browser, site.put("link", view), 360, java_script_enabled=False) as page:
        page.get_by_text("Show the QR code").click()
        before = page.screenshot(full_page=True)
        page.get_by_text("For wallets that read payment links").click()
        after = page.screenshot(full_page=True)
        assert page.locator("#wallets").is_hidden()
        detection = page.locator("meta[name=format-detection]").get_attribute("content")
        assert detection is not None
        assert "telephone=no" in detection
        for each in (".pay__code", ".pay__address code", ".amount"):
            assert page.locator(each).first.get_attribute("translate") == "no"

    codes = [
        {code.text for code in zxingcpp.read_barcodes(grey_pixels(browser, photo), try_invert=False)}
        for photo in (before, after)
    ]
    assert codes == [{view.address}, {view.address, view.payment_uri}]


TWO_WALLETS = """window.addEventListener("eip6963:requestProvider", () => ["Fox", "A wallet of a name that is long"]
    .forEach((name) => window.dispatchEvent(new CustomEvent("eip6963:announceProvider",
        { detail: { info: { uuid: name, name }, provider: { request: () => new Promise(() => {}) } } }))));"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_buttons_of_wallets_fit_and_axe_finds_nothing(browser: Browser, site: Site, scheme: str) -> None:
    """While a wallet is asked, and folded under what was sent; from left to right and from right to left."""
    with opened(browser, width=320, color_scheme=scheme, bypass_csp=True) as page:
        page.add_init_script(TWO_WALLETS)
        for language in ("en", "ar"):
            for name in ("wallets", "wallets_sent"):
                page.goto(site.put(name, states()[name], language))
                if name == "wallets_sent":
                    page.locator("#wallets-again summary").click()
                page.locator(".wallets__button").nth(1).click()
                page.locator(".wallets__says").wait_for()
                assert overflow_px(page) == 0, name
                assert violations(page, scheme) == [], name


def test_an_opened_view_stays_open_while_the_page_changes(browser: Browser, site: Site) -> None:
    view = states()["wallets"]
    with opened(browser, site.put("stays", view)) as page:
        page.get_by_text("For wallets that read payment links").click()
        site.put("stays", replace(view, network_delayed=True))
        site.tell("stays")
        page.get_by_text("We see the Ethereum network late").wait_for()
        assert page.locator("#payment-link").get_attribute("open") == ""


def grey_pixels(browser: Browser, png: bytes) -> memoryview:
    """A picture's luminance, rows of bytes. The browser knows PNG, so no library for pictures is needed."""
    with opened(browser) as page:
        width, height, encoded = page.evaluate(
            """async source => {
                const image = new Image(); image.src = source; await image.decode();
                const canvas = new OffscreenCanvas(image.width, image.height), pen = canvas.getContext('2d');
                pen.drawImage(image, 0, 0);
                const { data } = pen.getImageData(0, 0, image.width, image.height);
                let grey = '';
                for (let at = 0; at < data.length; at += 4)
                    grey += String.fromCharCode(0.2126 * data[at] + 0.7152 * data[at + 1] + 0.0722 * data[at + 2]);
                return [image.width, image.height, btoa(grey)];
            }""",
            "data:image/png;base64," + base64.b64encode(png).decode(),
        )
    return memoryview(base64.b64decode(encoded)).cast("B", (height, width))


def test_the_keyboard_goes_through_the_page_in_the_order_of_paying(browser: Browser, site: Site) -> None:
    with opened(browser, site.put("keys", a_view()), 360) as page:
        reached = []
        for _ in range(7):
            page.keyboard.press("Tab")
            reached.append(page.evaluate("document.activeElement.id || document.activeElement.parentElement.id"))
            outline = "getComputedStyle(document.activeElement).outlineStyle"
            assert page.evaluate(outline) == "solid"
        assert reached == [
            "copy-amount",
            "copy-address",
            "open-wallet",
            "show-qr",
            "payment-link",
            "lookup",
            "copy-link",
        ]


def test_without_javascript_everything_is_there_but_the_copy_buttons(browser: Browser, site: Site) -> None:
    with opened(browser, java_script_enabled=False) as page:
        for name, view in states().items():
            page.goto(site.put(name, view))
            assert view.merchant_name in page.locator("main").inner_text()
            assert page.locator("meta[http-equiv=refresh]").count() == int(view.is_live)
            assert page.locator("#live button:not([type=submit]):visible").count() == 0
            if view.is_payable:
                wallet = page.get_by_role("link", name="Open in wallet")
                assert "".join(page.locator(".grouped span").all_inner_texts()) == view.address
                assert wallet.get_attribute("href") == view.payment_uri
            elif view.address and not view.may_still_be_paid:
                assert view.address not in page.content()
            if view.is_settled:
                assert page.locator("#return").get_attribute("href") == view.success_url


def test_an_expired_page_shows_no_way_to_pay(browser: Browser, site: Site) -> None:
    with opened(browser, site.put("late", states()["time_up"])) as page:
        assert page.get_by_role("heading", name="The time to pay is up").is_visible()
        assert page.locator("svg.qr").count() == 0
        assert "Send exactly" not in page.locator("main").inner_text()


def test_confirmations_are_a_named_progress_bar(browser: Browser, site: Site) -> None:
    with opened(browser, site.put("bar", states()["confirming"])) as page:
        bar = page.get_by_role("progressbar", name="12 of 20 confirmations")
        assert bar.get_attribute("value") == "12"
        assert page.get_by_text("About 30 seconds to go").is_visible()


def test_a_payment_that_waits_for_its_block_says_so(browser: Browser, site: Site) -> None:
    with opened(browser, site.put("pool", states()["bitcoin_waits"])) as page:
        assert page.get_by_role("heading", name="Seen, waits for the first block").is_visible()
        assert page.get_by_role("progressbar", name="0 of 3 confirmations").get_attribute("value") == "0"
        assert page.get_by_text("About 30 minutes to go").is_visible()
        assert page.locator("svg.qr").count() == 0


@pytest.mark.parametrize(("name", "words"), [("replaced", "was replaced by another"), ("dropped", "has dropped the")])
def test_a_payment_that_is_gone_is_named_beside_the_way_to_pay(
    browser: Browser, site: Site, name: str, words: str
) -> None:
    view = states()[f"bitcoin_{name}"]
    with opened(browser, site.put("gone", view)) as page:
        assert page.get_by_text(words).is_visible()
        assert page.get_by_text(view.gone_transfers[0].short_id).is_visible()
        assert page.locator("svg.qr").count() == 1


def test_markup_in_an_invoice_is_shown_as_text(browser: Browser, site: Site) -> None:
    hostile = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)> 100% {{ 7*7 }}"
    for view in (a_view(Status.CONFIRMING, network_delayed=True), states()["paid"]):
        named = replace(view, merchant_name=hostile, description=hostile, chain_name=hostile)
        with opened(browser, site.put("hostile", named)) as page:
            assert page.locator("h1").inner_text().endswith(hostile)
            assert page.title().endswith(hostile)
            assert page.locator("img").count() == 0


def test_the_whole_page_stays_small(site: Site, browser: Browser) -> None:
    sizes = []
    made = browser.new_context()
    page = made.new_page()
    page.on("response", lambda response: sizes.append(len(gzip.compress(response.body()))))
    page.goto(site.put("light", a_view()), wait_until="load")
    made.close()
    assert sum(sizes) < PAGE_WEIGHT_BUDGET_BYTES
