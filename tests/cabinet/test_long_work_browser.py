"""Long work and reports in a real browser: the page moves by itself, cancel ends the work, axe finds nothing."""

from datetime import timedelta
from pathlib import Path

import pytest
from playwright.async_api import expect

from app.cabinet.works import works
from app.core import clock, database
from app.core.money import group_digits
from app.jobs import service as jobs
from app.wiring import wire
from tests.browsing import TAKE_SCREENS
from tests.cabinet.shop import Shop, receiver, shop
from tests.cabinet.test_long_work import LONG, invoices
from tests.factories.networks import networks_toml
from tests.factories.past_invoices import past_invoices
from tests.page_checks import check_page

__all__ = ["receiver", "shop"]


@pytest.fixture
def environment(environment: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """A deployment that knows a network; nothing here asks its node."""
    path = tmp_path / "networks.toml"
    path.write_text(networks_toml("http://127.0.0.1:9", "0x71C7656EC7ab88b098defB751B7401B5f6d8976F"))
    return environment | {"NETWORKS_FILE": str(path)}


async def test_a_long_export_moves_on_an_open_page_and_can_be_cancelled(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shop.new_member("owner")
    await invoices(shop.merchant_id, LONG)
    kinds = works(wire(shop.settings))
    monkeypatch.setattr(jobs, "SLICE_S", -1)  # a turn is one step
    page = await shop.sign_in("owner@example.test")

    await page.goto(shop.url("exports"))
    await page.get_by_role("button", name="Download invoices").click()
    await expect(page.get_by_role("heading", name="Export invoices")).to_be_visible()
    await check_page(page, "export-prepare")
    await page.get_by_role("button", name="Prepare the file").click()
    await expect(page.get_by_text("A worker begins within a few seconds.")).to_be_visible()
    for _ in range(7):
        assert await jobs.run_next(kinds)
    await expect(page.get_by_text(f"{group_digits(3_500)} of {group_digits(LONG)} invoices")).to_be_visible()
    await expect(page.get_by_role("progressbar")).to_have_attribute("value", "35")
    await check_page(page, "work-running")
    await page.get_by_role("button", name="Cancel").click()
    await expect(page.get_by_text("It was cancelled, and what was prepared is deleted.")).to_be_visible()
    assert not await jobs.run_next(kinds)

    await page.goto(shop.url("exports/invoices"))
    await page.get_by_role("button", name="Prepare the file").click()
    await page.get_by_text("A worker begins").wait_for()
    while await jobs.run_next(kinds):
        pass
    async with page.expect_download() as waiting:
        await page.get_by_role("link", name="Download the file").click()
    assert Path(await (await waiting.value).path()).read_bytes().count(b"\r\n") == LONG + 1
    await check_page(page, "work-done")
    await page.goto(shop.url("exports"))
    await check_page(page, "exports-with-files")

    await database.execute("UPDATE merchants SET reporting_currency = 'EUR' WHERE id = $1", shop.merchant_id)
    now = clock.now()
    await past_invoices(shop.merchant_id, 300, newest_at=now, every_s=9_000)
    await past_invoices(shop.merchant_id, 200, newest_at=now - timedelta(days=30), every_s=12_000, prefix="Q")
    await page.goto(shop.url("reports"))
    await page.get_by_text("Show as a table").first.click()
    await expect(page.get_by_role("img", name="Volume")).to_be_visible()
    await check_page(page, "reports")
    await page.get_by_label("Period", exact=True).select_option("own")
    await page.get_by_label("First day").fill("2026-03-03")
    await page.get_by_label("Last day").fill("2026-03-01")
    await page.get_by_role("button", name="Show", exact=True).click()
    await expect(page.get_by_role("alert")).to_contain_text("is after the last one")
    if TAKE_SCREENS:
        await page.goto(shop.url("reports?period=12m&compare=yes"))
        await check_page(page, "reports-year")
    await page.goto(f"http://127.0.0.1:{shop.app.port}/account/emails")
    await page.get_by_label("API keys").uncheck()
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("Your choice of emails is saved.")).to_be_visible()
    await expect(page.get_by_label("API keys")).not_to_be_checked()
    await expect(page.get_by_label("Webhooks")).to_be_checked()
    await check_page(page, "emails")
