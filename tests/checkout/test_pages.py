"""The checkout page in a real browser, under the strict CSP: each state, both schemes, phone and desk."""

import base64
import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import segno
from playwright.sync_api import Browser, Page

from app.checkout.qr import MASK
from app.invoices.states import Status
from tests.checkout.site import ADDRESS, ROOT, Site, a_view, states

SCREENS = ROOT / "var" / "screens"
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
STATES = list(states())
ERRORS = (404, 429, 500)
PAGE_WEIGHT_BUDGET_BYTES = 30_000


@contextmanager
def opened(browser: Browser, url: str = "about:blank", width: int = 1280, **context: Any) -> Iterator[Page]:
    """A page at `url`; fails on anything the browser complains of, CSP violations among them."""
    complaints: list[str] = []
    made = browser.new_context(viewport={"width": width, "height": 800}, **context)
    page = made.new_page()
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(url)
    try:
        yield page
        assert complaints == []
    finally:
        made.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360, 320])
def test_every_state_fits_without_complaint(browser: Browser, site: Site, width: int, scheme: str) -> None:
    SCREENS.mkdir(parents=True, exist_ok=True)
    urls = {f"checkout-{name}": site.put(name, view) for name, view in states().items()}
    urls |= {f"error-{error}": site.error_url(error) for error in ERRORS}
    with opened(browser, width=width, color_scheme=scheme, reduced_motion="reduce") as page:
        for name, url in urls.items():
            page.goto(url)
            assert page.evaluate("document.documentElement.scrollWidth") == width, name
            if width != 320:
                page.screenshot(path=SCREENS / f"{name}-{width}-{scheme}.png", full_page=True)


def test_words_of_any_length_fit_at_320_px(browser: Browser, site: Site) -> None:
    view = a_view(merchant_name="Donaudampfschiff" * 6, description="x" * 500, amount_decimal="9" * 78)
    with opened(browser, site.put("wide", view), 320) as page:
        assert page.evaluate("document.documentElement.scrollWidth") == 320


@pytest.mark.parametrize(
    ("scheme", "names"), [("light", STATES), ("dark", ["awaiting", "confirming_delayed", "paid_twice"])]
)
def test_axe_finds_nothing(browser: Browser, site: Site, scheme: str, names: list[str]) -> None:
    axe = AXE.read_text()
    every = states()
    urls = [site.put(name, every[name]) for name in names] + [site.error_url(error) for error in ERRORS]
    with opened(browser, width=360, color_scheme=scheme, reduced_motion="reduce", bypass_csp=True) as page:
        for url in urls:
            page.goto(url)
            page.add_script_tag(content=axe)
            found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
            told = [(each["id"], [node["html"] for node in each["nodes"]]) for each in found["violations"]]
            assert told == [], url


def test_the_exact_amount_comes_first_and_once(browser: Browser, site: Site) -> None:
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


def test_copying_works_where_the_clipboard_is_barred(browser: Browser, site: Site) -> None:
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
def test_a_camera_sees_the_qr_code_of_the_payment_uri(browser: Browser, site: Site, scheme: str) -> None:
    view = a_view()
    wanted = [list(row) for row in segno.make_qr(view.payment_uri, error="m", mask=MASK).matrix_iter(border=4)]
    with opened(browser, site.put("qr", view), color_scheme=scheme, device_scale_factor=2) as page:
        photo = page.locator("svg.qr").screenshot()

    seen = luminance_per_module(browser, photo, len(wanted))

    assert [[int(light < 0.5) for light in row] for row in seen] == wanted
    assert min(light for row in seen for light in row if light >= 0.5) > 0.95
    assert max(light for row in seen for light in row if light < 0.5) < 0.15


def luminance_per_module(browser: Browser, photo: bytes, modules: int) -> list[list[float]]:
    """How light the middle of each module of a photographed QR code is, 0 to 1."""
    page = browser.new_page()
    source = "data:image/png;base64," + base64.b64encode(photo).decode()
    seen: list[list[float]] = page.evaluate(
        """async ([source, modules]) => {
            const image = new Image(); image.src = source; await image.decode();
            const canvas = new OffscreenCanvas(image.width, image.height), pen = canvas.getContext('2d');
            pen.drawImage(image, 0, 0);
            const at = (n, size) => Math.floor((n + 0.5) * size / modules);
            const light = ([r, g, b]) => (0.2126 * r + 0.7152 * g + 0.0722 * b) / 255;
            return [...Array(modules).keys()].map(y => [...Array(modules).keys()].map(x =>
                light(pen.getImageData(at(x, image.width), at(y, image.height), 1, 1).data)));
        }""",
        [source, modules],
    )
    page.close()
    return seen


def test_the_keyboard_goes_through_the_page_in_the_order_of_paying(browser: Browser, site: Site) -> None:
    with opened(browser, site.put("keys", a_view()), 360) as page:
        reached = []
        for _ in range(4):
            page.keyboard.press("Tab")
            reached.append(page.evaluate("document.activeElement.id || document.activeElement.lang"))
            outline = "getComputedStyle(document.activeElement).outlineStyle"
            assert page.evaluate(outline) == "solid"
        assert reached == ["copy-amount", "copy-address", "open-wallet", "en"]


def test_without_javascript_everything_is_there_but_the_copy_buttons(browser: Browser, site: Site) -> None:
    with opened(browser, java_script_enabled=False) as page:
        for name, view in states().items():
            page.goto(site.put(name, view))
            assert view.merchant_name in page.locator("main").inner_text()
            assert page.locator("meta[http-equiv=refresh]").count() == int(view.is_live)
            assert page.locator("#live").get_by_role("button").count() == 0
            if view.is_payable:
                wallet = page.get_by_role("link", name="Open in wallet")
                assert "".join(page.locator(".grouped span").all_inner_texts()) == view.address
                assert wallet.get_attribute("href") == view.payment_uri
            else:
                assert view.address not in page.content()
            if view.is_settled:
                assert page.locator("#return").get_attribute("href") == view.success_url


def test_nothing_to_pay_to_is_left_when_the_time_is_up(browser: Browser, site: Site) -> None:
    with opened(browser, site.put("late", states()["time_up"])) as page:
        assert page.get_by_role("heading", name="The time to pay is up").is_visible()
        assert page.locator("svg.qr").count() == 0
        assert "Send exactly" not in page.locator("main").inner_text()


def test_confirmations_are_a_named_progress_bar(browser: Browser, site: Site) -> None:
    with opened(browser, site.put("bar", states()["confirming"])) as page:
        bar = page.get_by_role("progressbar", name="12 of 20 confirmations")
        assert bar.get_attribute("value") == "12"
        assert page.get_by_text("About 30 seconds to go").is_visible()


def test_a_hostile_invoice_stays_text(browser: Browser, site: Site) -> None:
    hostile = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)> 100% {{ 7*7 }}"
    for view in (a_view(Status.CONFIRMING, network_delayed=True), states()["paid"]):
        named = replace(view, merchant_name=hostile, description=hostile, chain_name=hostile)
        with opened(browser, site.put("hostile", named)) as page:
            assert page.locator("h1").inner_text().endswith(hostile)
            assert page.title().endswith(hostile)
            assert page.locator("img").count() == 0


def test_the_whole_page_stays_light(site: Site, browser: Browser) -> None:
    sizes = []
    made = browser.new_context()
    page = made.new_page()
    page.on("response", lambda response: sizes.append(len(gzip.compress(response.body()))))
    page.goto(site.put("light", a_view()), wait_until="load")
    made.close()
    assert sum(sizes) < PAGE_WEIGHT_BUDGET_BYTES
