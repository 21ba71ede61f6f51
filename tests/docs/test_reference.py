"""The rendered reference in a real browser, served by the app: its CSP, light and dark, phone and desktop."""

from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, Page, async_playwright

from tests.api.serving import Served
from tests.browsing import AXE, AXE_RUN
from tests.chromium import launch_options
from tests.complaints import complaints_of

MOST_BYTES = 9_000
"""Of the page, for each operation and event, with its fields, errors and schemas."""


async def opened(browser: Browser, url: str, complaints: list[str], width: int = 1280, **context: Any) -> Page:
    """Open the page; the browser's errors and warnings, also CSP violations, go to `complaints`."""
    made = await browser.new_context(viewport={"width": width, "height": 900}, reduced_motion="reduce", **context)
    page = await made.new_page()
    complaints_of(page, complaints)
    await page.goto(url)
    return page


@pytest.mark.usefixtures("db")
async def test_the_reference_in_a_browser(server: Served) -> None:
    url = f"{server.url}/docs/api"
    complaints: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(**launch_options())
        for scheme in ("light", "dark"):
            for width in (1280, 360, 320):
                page = await opened(browser, url, complaints, width, color_scheme=scheme)
                assert await page.evaluate("document.documentElement.scrollWidth") == width
            checked = await opened(browser, url, complaints, 1280, color_scheme=scheme, bypass_csp=True)
            await checked.add_script_tag(content=AXE.read_text())
            assert await checked.evaluate(AXE_RUN[scheme]) == []
        page = await opened(browser, url, complaints, java_script_enabled=False)
        await page.get_by_role("navigation").get_by_role("link", name="Cancel an invoice").click()
        assert page.url.endswith("#cancelInvoice")
        assert await page.get_by_role("heading", name="Cancel an invoice").is_visible()
        article = page.locator("#cancelInvoice")
        await article.get_by_text("Errors").click()
        assert await article.get_by_text("INVOICE_NOT_CANCELLABLE").is_visible()
        await page.keyboard.press("Home")
        await browser.close()
    assert complaints == []


async def test_every_operation_and_link_is_on_the_page(client: httpx.AsyncClient) -> None:
    described = (await client.get("/api/v1/openapi.json")).json()
    answer = await client.get("/docs/api")
    html = answer.text
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    for methods in described["paths"].values():
        for operation in methods.values():
            assert f'id="{operation["operationId"]}"' in html
    for name in described["components"]["schemas"]:
        assert f'id="schema-{name}"' in html
    for anchor in set(html.split('href="#')[1:]):
        assert f'id="{anchor.partition(chr(34))[0]}"' in html
    assert "<script" not in html
    assert "style=" not in html
    told = [*described["paths"].values(), *described["webhooks"].values()]
    assert len(answer.content) < MOST_BYTES * sum(len(methods) for methods in told)
