"""The desk in a real browser: a decision on a phone, what another operator decides meanwhile, a dialog that asks."""

from pathlib import Path

from playwright.async_api import expect

from app.core import clock
from app.wiring import Services
from tests.checkout.running import running_app
from tests.factories.operators import operator
from tests.factories.withdrawals import payout
from tests.identity.browsing import an_account
from tests.operator.browsing import chromium, code_at, opened, sign_in

FOLD_PX = 740
"""The height of a phone's window."""


async def test_a_phone_shows_the_decision_first_and_follows_what_others_decide(
    services: Services, environment: dict[str, str], merchant_id: str, tmp_path: Path
) -> None:
    olive = await an_account(services.settings, "olive@example.test", totp=True, is_operator=True)
    otto = await operator(services.settings.data_keys, "otto@example.test")
    first, second, third = [await payout(services, merchant_id, amount) for amount in ("1.00", "2.00", "3.00")]
    clock.unshift()
    async with (
        running_app(environment, tmp_path / "web", sandbox=False) as web,
        chromium() as browser,
        opened(browser, viewport={"width": 390, "height": FOLD_PX}) as page,
    ):
        await sign_in(page, web, olive)
        base = f"http://127.0.0.1:{web.port}"
        await page.goto(f"{base}/desk/approvals/{first.id}?kind=payout")
        # What matters, the code and the button are in the first window of a phone, warnings named above them.
        for shown in (
            page.locator(".decision__recap"),
            page.locator(".decision__warnings"),
            page.get_by_label("Code from your authenticator"),
            page.get_by_role("button", name="Approve 1.00 USDT"),
        ):
            box = await shown.first.bounding_box()
            assert box is not None
            assert box["y"] + box["height"] <= FOLD_PX, await shown.first.inner_text()

        # While a code is typed for it, somebody else decides: the decision says so, in place of the form.
        await page.get_by_label("Code from your authenticator").fill("123")
        await services.approvals.reject(second.id, otto.id, "another case", clock.now())
        await expect(page.get_by_label("Code from your authenticator")).to_have_value("123")
        await services.approvals.reject(first.id, otto.id, "not this one", clock.now())
        await expect(page.locator("#decision")).to_contain_text("Rejected a payout")
        await expect(page.locator("#decision")).to_contain_text("not this one")
        await expect(page.locator("#approve")).to_have_count(0)

        # The next case of the same queue is one press away; approved, none is left, and the message leads back to it.
        await page.get_by_role("link", name="Next case").click()
        await expect(page).to_have_url(f"{base}/desk/approvals/{third.id}?kind=payout")
        await page.get_by_role("link", name="Reject…").click()
        dialog = page.get_by_role("dialog", name=f"Reject payout {third.id}")
        await expect(dialog).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(dialog).to_be_hidden()
        await page.get_by_label("Code from your authenticator").fill(code_at(olive))
        await page.get_by_role("button", name="Approve 3.00 USDT").click()
        await expect(page).to_have_url(f"{base}/desk/approvals?kind=payout")
        await page.get_by_role("link", name=f"See {third.id}").click()
        await expect(page.locator("#decision")).to_contain_text("Approved a payout")
