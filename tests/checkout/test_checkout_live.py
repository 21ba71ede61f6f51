"""The running app, a real chain and a real browser: what a customer sees during a payment."""

import asyncio
import resource
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from app.core import clock
from app.core.settings import Settings
from app.live.hub import MAX_STREAMS_PER_OWNER
from app.sandbox.chain_driver import AnvilDriver
from app.wiring import Services
from tests.checkout.running import RunningApp, running_app
from tests.chromium import launch_options
from tests.complaints import complaints_of
from tests.factories.invoices import AskedInvoice, invoice
from tests.factories.merchants import terms

SOON_MS = 4_500
"""Less than the 5 s between two polls, so that the stream has told it. `bench.open_pages` measures how soon it does."""


@pytest.fixture
async def web(
    services: Services, environment: dict[str, str], chain_settings: Callable[..., Settings], tmp_path: Path
) -> AsyncIterator[RunningApp]:
    """The app of a sandbox, on the gateway's database and chain."""
    async with running_app(environment, tmp_path / "web", sandbox=True) as app:
        yield app


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Chromium."""
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(**launch_options())
        yield started
        await started.close()


async def opened(browser: Browser, url: str, complaints: list[str], **context: object) -> Page:
    """A page in a context of its own; what the browser complains of goes to `complaints`."""
    made = await browser.new_context(**context)  # type: ignore[arg-type]
    page = await made.new_page()
    complaints_of(page, complaints)
    await page.goto(url)
    return page


async def pay(driver: AnvilDriver, token: str, to: AskedInvoice) -> None:
    await driver.transfer_token(token, to.pay_in.address, int(to.pay_in.amount_raw))


async def test_a_payment_is_seen_and_completes_without_a_reload(
    services: Services, watching: None, web: RunningApp, browser: Browser, driver: AnvilDriver, token: str
) -> None:
    new = await invoice(services, await terms(service_fee_bps=80))
    url, complaints = web.url(services.links.slug(new.id)), list[str]()
    page = await opened(browser, url, complaints)
    phone = {"viewport": {"width": 360, "height": 800}}
    arabic = await opened(browser, f"{url}?lang=ar", complaints, **phone)
    dark = await opened(browser, url, complaints, color_scheme="dark", **phone)
    await web.until_open(3)
    for each in (page, arabic, dark):
        await each.evaluate("window.neverReloaded = true")
    await expect(page.locator(".amount__figure")).to_have_text(new.pay_in.amount_decimal)
    await expect(arabic.locator("html")).to_have_attribute("dir", "rtl")

    await pay(driver, token, new)
    await expect(page.locator("#headline")).to_have_text("We see your payment", timeout=SOON_MS)
    await expect(arabic.locator("#headline")).to_have_text("رصدنا دفعتك", timeout=SOON_MS)
    await expect(page.get_by_text("1 of 3 confirmations").first).to_be_visible()

    await driver.mine(1)
    await expect(page.locator("#confirmations")).to_have_text("2 of 3 confirmations", timeout=SOON_MS)
    await driver.mine(1)
    await expect(page.locator("#headline")).to_have_text("Payment complete", timeout=SOON_MS)
    await expect(arabic.locator("#headline")).to_have_text("اكتمل الدفع", timeout=SOON_MS)
    await expect(dark.locator("#headline")).to_have_text("Payment complete", timeout=SOON_MS)
    for each in (page, arabic, dark):
        assert await each.evaluate("window.neverReloaded")
    await web.until_open(0)

    await page.get_by_role("link", name="Receipt for printing").click()
    await expect(page.get_by_role("heading", name="Receipt")).to_be_visible()
    assert new.pay_in.amount_decimal in await page.locator("main").inner_text()
    assert complaints == []


async def test_expiry_and_cancellation_remove_the_address_without_a_reload(
    services: Services, watching: None, web: RunningApp, browser: Browser, driver: AnvilDriver
) -> None:
    merchant, complaints = await terms(service_fee_bps=0), list[str]()
    for end, headline in (("cancelled", "This payment was cancelled"), ("expired", "This payment has expired")):
        new = await invoice(services, merchant, fail_url="https://shop.example/basket")
        page = await opened(browser, web.url(services.links.slug(new.id)), complaints, color_scheme="dark")
        await web.until_open(1)
        if end == "cancelled":
            await services.invoices.cancel(merchant.merchant_id, "test", new.id, clock.now())
        else:
            await services.invoices.expire_early(new.id, clock.now() - timedelta(minutes=2))
            await driver.mine(1)
        await expect(page.locator("#headline")).to_have_text(headline)
        assert new.pay_in.address not in await page.content()
        assert await page.locator("#return").get_attribute("href") == "https://shop.example/basket"
        await page.close()
    assert complaints == []


async def test_without_a_stream_the_page_polls_and_without_scripts_it_reloads(
    services: Services, watching: None, web: RunningApp, browser: Browser, driver: AnvilDriver, token: str
) -> None:
    new = await invoice(services, await terms(service_fee_bps=0))
    url = web.url(services.links.slug(new.id))
    polling = await (await browser.new_context()).new_page()
    await polling.route("**/events?*", lambda route: route.abort())
    await polling.goto(url)
    plain = await opened(browser, url, [], java_script_enabled=False)

    await pay(driver, token, new)
    await expect(polling.locator("#headline")).to_have_text("We see your payment")
    await expect(plain.locator("#headline")).to_have_text("We see your payment")
    assert await web.open_streams() == 0


async def test_the_sandbox_wallet_shows_each_outcome(
    services: Services, watching: None, web: RunningApp, browser: Browser, driver: AnvilDriver
) -> None:
    merchant, complaints = await terms(service_fee_bps=0), list[str]()
    page = await opened(browser, "about:blank", complaints)
    for button, headline, words in (
        ("Pay exactly", "We see your payment", "1 of 3 confirmations"),
        ("Pay too little", "We are checking your payment", "Less came in than was asked for."),
        ("Pay too much", "We are checking your payment", "More came in than was asked for."),
        ("Pay too late", "We are checking your payment", "The payment came in after its time was up."),
        ("Pay in another token", "We are checking your payment", "Something other than USDT came in."),
    ):
        new = await invoice(services, merchant)
        await page.goto(web.url(services.links.slug(new.id)))
        await page.get_by_role("button", name=button).press("Enter")
        await expect(page.locator("#headline")).to_have_text(headline)
        await expect(page.get_by_text(words).first).to_be_visible()
    assert complaints == []


async def test_a_foreign_page_can_neither_pay_nor_frame(
    services: Services, web: RunningApp, browser: Browser, driver: AnvilDriver
) -> None:
    new = await invoice(services, await terms(service_fee_bps=0))
    url, blocks = web.url(services.links.slug(new.id)), await driver.height()
    for headers in ({}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "null"}):
        answer = await web.client.post(f"{url}/wallet", data={"choice": "exact"}, headers=headers)
        assert answer.status_code == 404
    assert await driver.height() == blocks

    page = await (await browser.new_context()).new_page()
    words: list[str] = []
    page.on("console", lambda message: words.append(message.text))
    # On loopback too: Chromium blocks requests from other addresses to loopback.
    html = f'<h1>Free coins</h1><iframe src="{url}"></iframe>'.encode()

    async def answer_html(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n" + html)
        await writer.drain()
        writer.close()

    evil = await asyncio.start_server(answer_html, "127.0.0.1", 0)
    async with evil:
        await page.goto(f"http://127.0.0.1:{evil.sockets[0].getsockname()[1]}/")
        await page.wait_for_timeout(500)
    assert [line for line in words if "frame-ancestors 'none'" in line or "X-Frame-Options" in line], words
    (frame,) = [frame for frame in page.frames if frame is not page.main_frame]
    assert await frame.locator("#payment").count() == 0
    assert "Send exactly" not in await frame.content()


async def test_streams_of_disconnected_clients_are_closed(services: Services, web: RunningApp) -> None:
    new = await invoice(services, await terms(service_fee_bps=0))
    path = f"/pay/{services.links.slug(new.id)}/events"
    writers = [await open_stream(web, path, f"203.0.113.{number}") for number in range(60)]
    await web.until_open(60)
    for place, writer in enumerate(writers):
        if place % 2:
            writer.transport.abort()  # a reset, as from a phone that lost its network
        else:
            writer.close()
    await web.until_open(0)


async def test_thousands_of_open_pages_delay_no_other_request(services: Services, web: RunningApp) -> None:
    """More than Granian would accept by default; one address is still limited to its hundred."""
    allow_files(4_000)
    new = await invoice(services, await terms(service_fee_bps=0))
    path = f"/pay/{services.links.slug(new.id)}/events"
    open_pages = []
    for number in range(22):
        some = [open_stream(web, path, f"203.0.113.{number}") for _ in range(MAX_STREAMS_PER_OWNER)]
        open_pages += await asyncio.gather(*some)
    await web.until_open(len(open_pages))

    refused = await web.client.get(path, headers={"X-Forwarded-For": "203.0.113.0"})
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "30")
    async with asyncio.timeout(30):
        assert (await web.client.get(path.removesuffix("/events"))).status_code == 200
    for page in open_pages:
        page.close()


async def open_stream(web: RunningApp, path: str, address: str) -> asyncio.StreamWriter:
    """An event stream of a customer at `address`; closing what is returned ends it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", web.port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Forwarded-For: {address}\r\n\r\n".encode())
    async with asyncio.timeout(20):
        assert b"text/event-stream" in await reader.readuntil(b"\r\n\r\n")
    return writer


def allow_files(wanted: int) -> None:
    """Each open page is an open file of this process, and many systems allow only 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


async def test_the_thirty_first_load_waits_while_the_open_page_stays_live(
    services: Services, watching: None, web: RunningApp, driver: AnvilDriver, token: str
) -> None:
    new = await invoice(services, await terms(service_fee_bps=0))
    url, mine = web.url(services.links.slug(new.id)), {"X-Forwarded-For": "198.51.100.7"}
    async with web.client.stream("GET", f"{url}/events", headers=mine) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert "content-encoding" not in stream.headers
        lines = stream.aiter_lines()
        loads = [(await web.client.get(url, headers=mine)).status_code for _ in range(30)]
        refused = await web.client.get(url, headers=mine | {"Accept-Language": "de"})

        assert set(loads) == {200}
        assert refused.status_code == 429
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert "Einen Moment, bitte" in refused.text
        assert (await web.client.get(f"{url}/status", headers=mine)).status_code == 200
        assert (await web.client.get(url, headers={"X-Forwarded-For": "198.51.100.8"})).status_code == 200

        await pay(driver, token, new)
        async with asyncio.timeout(30):
            while "event: changed" not in await anext(lines):
                pass
