"""The page in a frame: only for the origins that the merchant lists, and only where `?embed` asks for it."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from app.asgi import create_app
from app.core import clock, database
from app.core.settings import Settings
from app.invoices.service import announce
from app.sandbox import ports
from app.sandbox.home import ROOT
from app.web.headers import CONTENT_SECURITY_POLICY
from app.wiring import Services
from tests.checkout.running import RunningApp, running_app
from tests.chromium import launch_options
from tests.complaints import complaints_of
from tests.factories.invoices import AskedInvoice, invoice
from tests.factories.merchants import terms

SCRIPT_BUDGET_BYTES = 3_000
SHOP = "https://shop.example"


@pytest.fixture
async def client(services: Services, chain_settings: Callable[..., Settings]) -> AsyncIterator[httpx.AsyncClient]:
    """The app without its lifespan: the gateway's pool and Redis are open."""
    transport = httpx.ASGITransport(app=create_app(chain_settings()), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="https://pay.example.test") as client:
        yield client


async def list_origins(merchant_id: str, *origins: str) -> None:
    """Let pages of these origins frame the merchant's checkout pages."""
    await database.execute("UPDATE merchants SET frame_origins = $2 WHERE id = $1", merchant_id, list(origins))


async def pay(asked: AskedInvoice) -> None:
    """Mark an invoice as paid."""
    await database.execute(
        "UPDATE invoices SET status = 'paid', paid_at = $2, credited_raw = net_raw WHERE id = $1", asked.id, clock.now()
    )


def may_frame(answer: httpx.Response) -> list[str]:
    """The origins that may frame an answer, by both of its headers; they must agree."""
    (ancestors,) = [
        part.removeprefix("frame-ancestors ")
        for part in answer.headers["content-security-policy"].split("; ")
        if part.startswith("frame-ancestors")
    ]
    denied = ancestors == "'none'"
    assert (answer.headers.get("x-frame-options") == "DENY") == denied
    return [] if denied else ancestors.split(" ")


async def test_only_listed_origins_frame_only_the_embedded_page(services: Services, client: httpx.AsyncClient) -> None:
    merchant = await terms(service_fee_bps=0)
    new = await invoice(services, merchant, success_url=f"{SHOP}/thanks")
    url = f"/pay/{services.links.slug(new.id)}"

    # Nothing is listed: the page is itself, with or without the query.
    for query in ("", "?embed", "?embed=", "?embed=1", "?lang=de&embed"):
        answer = await client.get(url + query)
        assert (answer.status_code, may_frame(answer)) == (200, [])
        assert "embedded.js" not in answer.text

    await list_origins(merchant.merchant_id, SHOP, "https://other.example:8443", "http://localhost:3000")
    listed = [SHOP, "https://other.example:8443", "http://localhost:3000"]
    for query in ("?embed", "?embed=", "?lang=de&embed"):
        answer = await client.get(url + query)
        assert may_frame(answer) == listed
        own = answer.headers["content-security-policy"].rpartition("; ")[0]
        assert own == CONTENT_SECURITY_POLICY.rpartition("; ")[0]
        assert answer.headers["cache-control"] == "no-store"
        assert f'data-frame-origins="{" ".join(listed)}"' in answer.text
    assert may_frame(await client.get(f"{url[:-1]}?embed")) == []
    for other in (url, f"{url}/status?embed", f"{url}/logo?embed", f"{url}/receipt?embed", "/embed.js", "/?embed"):
        assert may_frame(await client.get(other)) == [], other

    # Where a transaction is says a page that is never framed: from a frame it opens beside it.
    framed, alone = await client.get(f"{url}?embed"), await client.get(url)
    asks = f'method="get" action="{url}/transaction"'
    assert f'{asks} target="_blank"' in framed.text
    assert f"{asks}>" in alone.text
    assert may_frame(await client.get(f"{url}/transaction?embed")) == []

    # A form leads back into the frame.
    chosen = await client.post(f"{url}/choose?lang=de&embed", data={}, headers={"Sec-Fetch-Site": "same-origin"})
    assert chosen.headers["location"] == f"{url}?lang=de&embed"

    await pay(new)
    framed, alone = await client.get(f"{url}/status?embed"), await client.get(f"{url}/status")
    assert "data-return-after-s" in alone.text
    assert "data-return-after-s" not in framed.text
    assert f'href="{SHOP}/thanks" id="return" target="_top"' in framed.text
    assert "target=" not in alone.text


async def test_in_live_mode_no_http_page_frames(services: Services, client: httpx.AsyncClient) -> None:
    merchant = await terms(service_fee_bps=0)
    new = await invoice(services, merchant)
    await list_origins(merchant.merchant_id, "http://localhost:3000", SHOP)
    public = await services.invoice_reader.get_public(new.id)
    assert public is not None
    assert public.frame_origins == ("http://localhost:3000", SHOP)
    await database.execute("UPDATE invoices SET mode = 'live' WHERE id = $1", new.id)
    public = await services.invoice_reader.get_public(new.id)
    assert public is not None
    assert public.frame_origins == (SHOP,)


async def test_the_script_is_small_cached_and_for_every_origin(client: httpx.AsyncClient) -> None:
    answer = await client.get("/embed.js", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["cache-control"] == "public, max-age=3600"
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    assert answer.headers["content-encoding"] == "gzip"
    assert len(gzip.compress(answer.content)) < SCRIPT_BUDGET_BYTES
    for name in ("embed.js", "embedded.js"):
        code = (ROOT / "static/js" / name).read_text()
        assert '"*"' not in code


# --- In a browser ------------------------------------------------------------------------------------------


@pytest.fixture
async def web(
    services: Services, environment: dict[str, str], chain_settings: Callable[..., Settings], tmp_path: Path
) -> AsyncIterator[RunningApp]:
    """The app as Granian serves it."""
    async with running_app(environment, tmp_path / "web", sandbox=False) as app:
        yield app


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Chromium."""
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(**launch_options())
        yield started
        await started.close()


@asynccontextmanager
async def shop(web: RunningApp, payment_url: str) -> AsyncIterator[str]:
    """A merchant's page on an origin of its own, under a policy as strict as a careful shop's. Yields its origin."""
    ours, port = f"http://127.0.0.1:{web.port}", ports.free_port()
    html = f"""<!doctype html><html lang="en"><title>Shop</title><h1>Shop</h1>
        <script src="{ours}/embed.js"></script><script src="/heard.js"></script>
        <main><p><a href="{payment_url}" data-swap-pay data-swap-pay-title="Pay Tea &amp; Co">Pay</a></p>
        <p><a href="/terms">Terms</a></p></main></html>"""
    script = """
        window.heard = [];
        window.raw = [];
        document.addEventListener("swap-pay:status", (event) => heard.push(event.detail));
        addEventListener("message", (event) => raw.push([event.origin, event.data]));"""
    policy = f"default-src 'none'; script-src 'self' {ours}; frame-src {ours}"

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1]
        kind, body = ("text/javascript", script) if path == b"/heard.js" else ("text/html", html)
        status = "404 Not Found" if path not in (b"/", b"/heard.js") else "200 OK"
        head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Security-Policy: {policy}\r\nConnection: close"
        writer.write(f"{head}\r\n\r\n{body}".encode())
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", port):
        yield f"http://localhost:{port}"


async def opened(browser: Browser, url: str, complaints: list[str]) -> Page:
    """A page in a context of its own; what the browser complains of goes to `complaints`."""
    page = await (await browser.new_context(bypass_csp=False)).new_page()
    complaints_of(page, complaints)
    await page.goto(url)
    return page


async def heard_by(page: Page, count: int) -> list[dict[str, str]]:
    """What the shop's page has heard from the frame, once that is so much: the frame's script comes after its text."""
    async with asyncio.timeout(30):
        while len(heard := await page.evaluate("heard")) < count:
            await asyncio.sleep(0.02)
    found: list[dict[str, str]] = heard
    return found


async def test_a_listed_shop_opens_it_as_a_dialog_and_hears_each_state(
    services: Services, web: RunningApp, browser: Browser
) -> None:
    merchant, complaints = await terms(service_fee_bps=0), list[str]()
    new = await invoice(services, merchant)
    async with shop(web, web.url(services.links.slug(new.id))) as origin:
        await list_origins(merchant.merchant_id, SHOP, origin)
        page = await opened(browser, origin, complaints)
        await page.get_by_role("link", name="Pay").press("Enter")
        dialog = page.get_by_role("dialog", name="Pay Tea & Co")
        frame = page.frame_locator("dialog iframe")
        await expect(frame.locator(".amount__figure")).to_have_text(new.pay_in.amount_decimal)
        assert await heard_by(page, 1) == [{"invoice_id": new.id, "status": "awaiting_deposit"}]
        await expect(frame.get_by_role("link", name="Open in a window of its own")).to_be_visible()
        german = frame.locator(".languages a[lang=de]")
        assert (await german.evaluate("e => e.href")).endswith(f"/pay/{services.links.slug(new.id)}?lang=de&embed")

        # The keyboard stays in the dialog: what is behind it can't be reached.
        reached = set()
        for _ in range(12):
            await page.keyboard.press("Tab")
            reached.add(await page.evaluate("document.activeElement.tagName"))
        assert reached <= {"BUTTON", "IFRAME", "BODY"}
        await page.get_by_role("button", name="Close").focus()
        await page.keyboard.press("Escape")
        await expect(dialog).to_have_count(0)
        assert await page.evaluate("document.activeElement.textContent") == "Pay"

        # Escape within the frame closes what is open there, then the dialog; the button does too.
        await page.get_by_role("link", name="Pay").click()
        await heard_by(page, 2)
        await frame.locator("#open-languages").click()
        await expect(german).to_be_visible()
        await german.press("Escape")
        await expect(german).to_be_hidden()
        await expect(dialog).to_be_visible()
        await frame.locator("#copy-address").press("Escape")
        await expect(dialog).to_have_count(0)
        assert await page.evaluate("document.activeElement.textContent") == "Pay"
        await page.get_by_role("link", name="Pay").click()
        await heard_by(page, 3)

        await web.until_open(1)
        await pay(new)
        await announce(new.id)
        await expect(frame.locator("#headline")).to_have_text("Payment complete")
        assert (await heard_by(page, 4))[-1] == {"invoice_id": new.id, "status": "paid"}
        assert {tuple(each) for each in await page.evaluate("raw.map(([origin, data]) => [origin, data.type])")} == {
            (f"http://127.0.0.1:{web.port}", "swap-pay:status"),
            (f"http://127.0.0.1:{web.port}", "swap-pay:close"),
        }
        await page.get_by_role("button", name="Close").click()
        await expect(dialog).to_have_count(0)

        # Without a frame around it, it becomes the page itself.
        alone = await opened(browser, web.url(services.links.slug(new.id)) + "?lang=de&embed", complaints)
        await alone.wait_for_url(web.url(services.links.slug(new.id)) + "?lang=de")
        await expect(alone.locator(".checkout--framed")).to_have_count(0)

        # The script opens our own payment links alone.
        for foreign in ("https://evil.example/pay/x", "javascript:alert(1)", f"http://127.0.0.1:{web.port}/cabinet"):
            refused = "address => { try { SwapPay.open(address) } catch (error) { return error.name } }"
            assert await page.evaluate(refused, foreign) == "TypeError"
    assert complaints == []


async def test_a_shop_that_is_not_listed_sees_nothing_and_gets_a_link(
    services: Services, web: RunningApp, browser: Browser
) -> None:
    merchant = await terms(service_fee_bps=0)
    new = await invoice(services, merchant)
    await list_origins(merchant.merchant_id, SHOP)
    async with shop(web, web.url(services.links.slug(new.id))) as origin:
        complaints: list[str] = []
        page = await opened(browser, origin, complaints)
        await page.get_by_role("link", name="Pay").click()
        alone = page.get_by_role("link", name="Open the payment page")
        await expect(alone).to_be_visible(timeout=10_000)
        assert await alone.get_attribute("href") == web.url(services.links.slug(new.id))
        assert await page.evaluate("[heard, raw]") == [[], []]
        assert any("frame-ancestors" in words or "refused to connect" in words for words in complaints)
