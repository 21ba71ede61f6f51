"""The page is light: measured on the running app, on a slow mobile network, with an empty cache."""

from collections.abc import Callable
from pathlib import Path

from playwright.async_api import async_playwright

from app.core import clock, database
from app.core.settings import Settings
from app.merchants import branding
from app.wiring import Services
from tests.checkout.loading import SLOW_4G, load
from tests.checkout.pictures import PNG
from tests.checkout.running import running_app
from tests.chromium import launch_options
from tests.factories.invoices import invoice
from tests.factories.merchants import terms

BUDGET_BYTES = 60_000
FIRST_PAINT_MS = 1_000
LAYOUT_SHIFT = 0.01


async def test_a_first_load_is_light_quick_still_and_asks_nobody_else(
    services: Services, environment: dict[str, str], chain_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    """While it waits for the payment, with the merchant's look; and once it is paid."""
    merchant = await terms(service_fee_bps=80)
    await branding.set_branding(
        merchant.merchant_id, display_name="Nordlicht", accent="#E4572E", logo=PNG, now=clock.now()
    )
    new = await invoice(services, merchant, success_url="https://shop.example/thanks")
    async with running_app(environment, tmp_path / "web", sandbox=False) as web, async_playwright() as playwright:
        browser = await playwright.chromium.launch(**launch_options())
        try:
            await load(browser, web.url(services.links.slug(new.id)), SLOW_4G)  # of a process that has just started
            for state in ("awaiting_deposit", "paid"):
                if state == "paid":
                    await database.execute(
                        "UPDATE invoices SET status = $2, paid_at = $3, credited_raw = net_raw WHERE id = $1",
                        new.id,
                        state,
                        clock.now(),
                    )
                found = await load(browser, web.url(services.links.slug(new.id)), SLOW_4G)
                assert found.bytes_received < BUDGET_BYTES, (state, found)
                assert found.hosts == {f"127.0.0.1:{web.port}"}, state
                assert found.layout_shift < LAYOUT_SHIFT, (state, found)
                assert found.first_paint_ms < FIRST_PAINT_MS, (state, found)
        finally:
            await browser.close()
