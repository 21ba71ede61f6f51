"""The customer's way to the return address in a real browser at 320 px, with a script and without."""

from collections.abc import Callable
from pathlib import Path

from playwright.async_api import Page, expect

from app.core.settings import Settings
from app.deposits import reviews
from app.sandbox.chain_driver import AnvilDriver
from app.wiring import Services
from tests.checkout.running import running_app
from tests.factories.invoices import invoice
from tests.factories.merchants import terms
from tests.factories.payments import pay_on_chain
from tests.factories.withdrawals import STRANGER
from tests.operator.browsing import chromium, opened

PHONE = {"width": 320, "height": 700}
TRON = "TQn9Y2khEsLJW1ChVWFMSMeRDow5KcbLSE"


async def fits(page: Page) -> bool:
    """Whether nothing is wider than the window."""
    return bool(await page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


async def test_an_address_is_named_corrected_and_shown_shortened(
    services: Services,
    environment: dict[str, str],
    chain_settings: Callable[..., Settings],
    driver: AnvilDriver,
    token: str,
    tmp_path: Path,
) -> None:
    new = await invoice(services, await terms(service_fee_bps=80))
    await pay_on_chain(services, driver, token, new.pay_in.address, int(new.pay_in.amount_raw) - 1_000_000)
    (review,) = await reviews.list_reviews()
    async with running_app(environment, tmp_path / "web", sandbox=True) as web, chromium() as browser:
        url = web.url(services.links.slug(new.id))
        async with (
            opened(browser, viewport=PHONE) as page,
            opened(browser, viewport=PHONE, java_script_enabled=False) as plain,
        ):
            await page.goto(url)
            await expect(page.get_by_role("heading", name="Less came in than was asked for.")).to_be_visible()
            assert await fits(page)
            # Without a script, from right to left: an address of another network is refused beside the field.
            await plain.goto(f"{url}?lang=ar")
            await plain.locator(".mistake__return a").click()
            await plain.get_by_role("textbox").fill(TRON)
            await plain.locator("form button").click()
            await expect(plain.locator("#error-address")).to_contain_text("Tron")
            assert await plain.get_by_role("textbox").input_value() == TRON
            assert await plain.get_by_role("textbox").get_attribute("aria-invalid") == "true"
            assert await fits(plain)
            await plain.get_by_role("textbox").fill(STRANGER)
            await plain.locator("form button").click()
            await expect(plain.get_by_text("0x5aAeb6…1BeAed")).to_be_visible()
            assert "lang=ar" in plain.url
            # The open payment page says so by itself, and leads to the page where it can be replaced.
            await expect(page.locator(".mistake__return")).to_contain_text("0x5aAeb6…1BeAed", timeout=8_000)
            await page.get_by_role("link", name="Change the address").press("Enter")
            await expect(page.get_by_role("heading", name="Where should it be sent back?")).to_be_visible()
            await expect(page.get_by_role("button", name="Replace the address")).to_be_visible()
            assert await fits(page)
            assert STRANGER not in await page.content()
            await page.get_by_role("link", name="Back to the payment").click()
            await expect(page.get_by_role("heading", name="We are checking your payment")).to_be_visible()
    assert review.invoice_id == new.id
