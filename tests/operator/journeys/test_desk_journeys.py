"""An operator in a real browser, a real signer and a real chain: a payout from request to confirmation, a review."""

from datetime import timedelta

import pytest
from playwright.async_api import Page, expect

from app.core import clock, database
from tests.checkout.running import RunningApp
from tests.factories.withdrawals import balance
from tests.identity.browsing import Account
from tests.operator.browsing import chromium, code_at, opened, sign_in
from tests.signer.signer_under_test import NETWORK, SignerUnderTest


async def text_of(page: Page, selector: str) -> str:
    """An element's text without the spaces between groups, as it is copied."""
    return "".join((await page.locator(selector).first.inner_text()).split())


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
async def test_a_payout_is_approved_in_the_browser_and_confirmed_on_chain(
    setup: SignerUnderTest, web: RunningApp, olive: Account, scripts: bool
) -> None:
    requested, other = await setup.request_payout("42.50"), await setup.request_payout("42.50")
    async with chromium() as browser, opened(browser, java_script_enabled=scripts) as page:
        await sign_in(page, web, olive)
        await page.goto(f"http://127.0.0.1:{web.port}/desk")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Queue")
        await page.get_by_role("link", name=requested.id).click()

        assert await text_of(page, ".transfer__figure") == "42.50"
        assert await text_of(page, ".transfer__destination .grouped") == requested.destination
        assert await text_of(page, ".decision__recap .grouped") == requested.destination
        await expect(page.locator(".warnings")).to_contain_text(other.id)
        approve = page.get_by_role("button", name="Approve 42.50 USDT")

        await page.get_by_label("Code from your authenticator").fill("123456")
        await approve.click()
        await expect(page.get_by_role("alert")).to_contain_text("code is wrong")
        assert (await setup.read(requested.id)).status == "pending_approval"

        await page.get_by_label("Code from your authenticator").fill(code_at(olive))
        await page.keyboard.press("Enter")
        await expect(page.locator(".flash")).to_contain_text(f"Approved: {requested.id}, 42.50 USDT to")
        await expect(page).to_have_url(f"http://127.0.0.1:{web.port}/desk/approvals/{other.id}")
        await expect(page.locator("h1")).to_contain_text(other.id)
        await expect(page.get_by_role("link", name=f"See {requested.id}")).to_have_count(1)

        confirmed = await setup.until_confirmed(requested.id)
        sender = setup.services.networks.account_sender(NETWORK)
        assert await sender.balances_raw([requested.destination], "USDT") == {requested.destination: 42_500_000}
        assert (await setup.read(other.id)).status == "pending_approval"
        await page.goto(f"http://127.0.0.1:{web.port}/desk/approvals/{requested.id}")
        await expect(page.locator(".page-head")).to_contain_text("Confirmed")
        assert confirmed.txid is not None
        await expect(page.locator(f'[title="{confirmed.txid}"]')).to_have_count(1)
        await expect(page.get_by_role("button", name="Approve")).to_have_count(0)

        clock.shift(timedelta(minutes=1))
        await setup.rounds()  # the signer runs at least once a minute
        await page.goto(f"http://127.0.0.1:{web.port}/desk/networks/ethereum/test")
        await expect(page.get_by_role("heading", name="Hot wallet")).to_be_visible()
        await expect(page.locator("main")).to_contain_text("457.50")  # 500.00 less what was sent


async def test_a_review_is_credited_in_the_browser(setup: SignerUnderTest, web: RunningApp, olive: Account) -> None:
    again = await setup.receive_payment("USDT", "30.00")
    await setup.confirm_blocks()
    await setup.send("USDT", again.pay_in.address, 7_000_000)
    await setup.confirm_blocks()
    review = await database.fetch_value("SELECT deposit FROM reviews WHERE invoice = $1", again.id)
    had, _ = await balance(setup.merchant_id)
    async with chromium() as browser, opened(browser, viewport={"width": 360, "height": 800}) as page:
        await sign_in(page, web, olive)
        await page.goto(f"http://127.0.0.1:{web.port}/desk")
        await page.get_by_role("link", name=review).click()
        await expect(page.locator(".transfer__title")).to_have_text("A second transfer")
        await page.get_by_role("link", name="Credit…").click()
        await page.get_by_role("button", name="Credit 7.00 USDT").click()
        await expect(page.get_by_role("alert")).to_contain_text("Give a reason")
        await page.get_by_label("Reason").fill("the customer paid in two parts")
        await page.get_by_role("button", name="Credit 7.00 USDT").click()
        await expect(page.locator(".flash")).to_contain_text(f"{review} is credited.")
        await expect(page.locator(".payment")).to_have_count(0)
    assert await balance(setup.merchant_id) == (had + 7_000_000, 0)


async def test_the_decision_is_reached_and_made_by_keyboard(
    setup: SignerUnderTest, web: RunningApp, olive: Account
) -> None:
    """Tab leads to the code's field and then to the button, with a focus that can be seen."""
    requested = await setup.request_payout("10.00")
    async with chromium() as browser, opened(browser, viewport={"width": 1280, "height": 800}) as page:
        await sign_in(page, web, olive)
        await page.goto(f"http://127.0.0.1:{web.port}/desk/approvals/{requested.id}")
        reached = []
        for _ in range(60):
            await page.keyboard.press("Tab")
            focus = await page.evaluate(
                "() => { const at = document.activeElement, style = getComputedStyle(at);"
                " return [at.name || at.textContent.trim(), style.outlineStyle] }"
            )
            reached.append(focus[0])
            if focus[0] == "code":
                assert focus[1] == "solid"
                await page.keyboard.type(code_at(olive))
                await page.keyboard.press("Tab")
                await page.keyboard.press("Enter")
                break
        assert "code" in reached, reached
        await expect(page.locator(".flash")).to_contain_text("Approved")
    assert (await setup.read(requested.id)).status == "approved"
