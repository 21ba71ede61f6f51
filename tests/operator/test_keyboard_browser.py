"""Operators decide by the keyboard and with a passkey: from the queue to a case, approve, reject, the next one.

Chromium without a window ends when it is asked for a passkey, so `navigator.credentials.get` is answered by the
authenticator in software (tests/fakes/authenticator.py); what the page asks and what it sends are its own.
"""

from pathlib import Path

import msgspec
from playwright.async_api import Page, expect

from app.core import clock, database
from app.core.webauthn import to_text
from app.refunds.service import NewRefund
from app.sandbox.chain_driver import AnvilDriver
from app.signer import approvers_repository
from app.signer.approvers import Approver
from app.wiring import Services
from app.withdrawals.presentation import RefundBody
from tests.checkout.running import running_app
from tests.factories.invoices import invoice
from tests.factories.merchants import terms
from tests.factories.payments import pay_on_chain
from tests.factories.withdrawals import CUSTOMER, payout
from tests.fakes.authenticator import Authenticator
from tests.identity.browsing import PASSWORD, an_account
from tests.operator.browsing import chromium, code_at, opened
from tests.page_checks import check_page

ANSWERED = """
    const plain = (text) => text.replaceAll("-", "+").replaceAll("_", "/");
    const bytes = (text) => Uint8Array.from(atob(plain(text)), (character) => character.charCodeAt(0)).buffer;
    const text = (raw) => btoa(String.fromCharCode(...new Uint8Array(raw)));
    navigator.credentials.get = async ({ publicKey }) => {
      const challenge = text(publicKey.challenge).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
      const said = await window.deviceSigns(challenge);
      if (!said) throw new DOMException("no", "NotAllowedError");
      const answer = JSON.parse(said);
      const response = Object.fromEntries(Object.entries(answer.response).map(([name, value]) => [name, bytes(value)]));
      return { id: answer.id, rawId: bytes(answer.rawId), type: answer.type, response };
    };
"""


class Device:
    """The operator's device, and whether its owner confirms what is asked."""

    def __init__(self, origin: str) -> None:
        self.authenticator = Authenticator(origin)
        self.confirms = True
        self.asked = 0

    def signs(self, challenge: str) -> str:
        self.asked += 1
        return self.authenticator.sign({"challenge": challenge}) if self.confirms else ""

    async def give_to(self, page: Page, account_id: str) -> None:
        """Enrol it as the account's, and let the page's browser have it."""
        await database.execute(
            "INSERT INTO passkeys (account, credential_id, public_key, sign_count, is_synced, name, created_at)"
            " VALUES ($1, $2, $3, 0, false, 'Phone', $4)",
            account_id,
            self.authenticator.credential_id,
            self.authenticator.public_key,
            clock.now(),
        )
        await page.expose_function("deviceSigns", self.signs)
        await page.add_init_script(ANSWERED)


async def a_refund(services: Services, driver: AnvilDriver, token: str) -> str:
    """The id of a refund that waits, of an invoice that was paid on chain."""
    at = await terms(service_fee_bps=0)
    paid = await invoice(services, at, amount="20.00")
    await pay_on_chain(services, driver, token, paid.pay_in.address, int(paid.pay_in.amount_raw))
    new = NewRefund(amount="4.00", refund_address=CUSTOMER, requested_by="api_key:k")
    body = await services.refunds.create(at.merchant_id, "test", paid.id, new, None, clock.now())
    return msgspec.json.decode(body, type=RefundBody).id


async def test_cases_are_decided_by_the_keyboard_and_a_passkey(
    services: Services,
    environment: dict[str, str],
    driver: AnvilDriver,
    token: str,
    merchant_id: str,
    tmp_path: Path,
) -> None:
    olive = await an_account(services.settings, "olive@example.test", totp=True, is_operator=True)
    first, second, third = [(await payout(services, merchant_id, amount)).id for amount in ("1.00", "2.00", "3.00")]
    refund = await a_refund(services, driver, token)
    clock.unshift()

    async def status(withdrawal_id: str) -> str:
        return str(await database.fetch_value("SELECT status FROM withdrawals WHERE id = $1", withdrawal_id))

    async with (
        running_app(environment, tmp_path / "web", sandbox=False, host="localhost") as web,
        chromium() as browser,
        opened(browser, viewport={"width": 1280, "height": 900}) as page,
    ):
        base, queue = f"http://localhost:{web.port}", "?who=mine"
        device = Device(base)
        await device.give_to(page, olive.id)
        authenticator = device.authenticator
        of_olive = Approver("Olive", to_text(authenticator.credential_id), to_text(authenticator.public_key))
        await approvers_repository.report([of_olive], clock.now())
        await page.goto(f"{base}/sign-in")
        await page.get_by_label("Email address").fill(olive.email)
        await page.get_by_label("Password", exact=True).fill(PASSWORD)
        await page.get_by_role("button", name="Sign in", exact=True).click()
        await page.get_by_label("Code").fill(code_at(olive))
        await page.get_by_role("button", name="Continue").click()
        await page.wait_for_url("**/desk**")

        # From the queue: down, down, up, and Enter opens the case.
        await page.goto(f"{base}/desk/approvals{queue}")
        for key in ("j", "j", "k", "Enter"):
            await page.keyboard.press(key)
        case = f"{base}/desk/approvals"
        await expect(page).to_have_url(f"{case}/{first}{queue}")
        await check_page(page, "desk-approval-passkey")

        # Nothing happens while somebody types; "?" lists the keys.
        note = page.get_by_label("Leave a note")
        await note.press_sequentially("arn a")
        await expect(note).to_have_value("arn a")
        await note.evaluate("(field) => { field.value = ''; field.blur(); }")
        await page.keyboard.press("?")
        keys = page.get_by_role("dialog", name="Keys")
        await expect(keys).to_contain_text("approve with your passkey, which you confirm on its device")
        await page.keyboard.press("a")
        await page.keyboard.press("Escape")
        assert device.asked == 0
        await expect(page).to_have_url(f"{case}/{first}{queue}")

        # "a" asks the device; what its owner does not confirm is not approved.
        device.confirms = False
        await page.keyboard.press("a")
        await expect(page.get_by_text("Nothing was done. Press the button to try again.")).to_be_visible()
        assert (device.asked, await status(first)) == (1, "pending_approval")
        device.confirms = True
        await page.keyboard.press("a")
        await expect(page).to_have_url(f"{case}/{second}{queue}")
        await expect(page.locator(".flash")).to_contain_text(f"Approved: {first}")
        assert (device.asked, await status(first)) == (2, "approved")

        # "r" asks for the reason, in which the same letters are only letters; then the next case opens.
        await page.keyboard.press("r")
        question = page.get_by_role("dialog", name=f"Reject payout {second}")
        await expect(question.get_by_label("Reason")).to_be_focused()
        await page.keyboard.type("an r or an a")
        await expect(question.get_by_label("Reason")).to_have_value("an r or an a")
        await page.keyboard.press("Tab")
        await expect(question.get_by_role("button", name="Reject it")).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page).to_have_url(f"{case}/{third}{queue}")
        assert (device.asked, await status(second)) == (2, "rejected")

        # "n" leaves a case for later; a refund is decided like a payout, and the one that was left comes again.
        await page.keyboard.press("n")
        await expect(page).to_have_url(f"{case}/{refund}{queue}")
        await page.keyboard.press("a")
        await expect(page).to_have_url(f"{case}/{third}{queue}")
        await expect(page.locator(".flash")).to_contain_text(f"Approved: {refund}")
        assert [await status(each) for each in (refund, third)] == ["approved", "pending_approval"]

        # On a phone the passkey's button is in the first window.
        await page.set_viewport_size({"width": 390, "height": 740})
        box = await page.get_by_role("button", name="Approve with a passkey").bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= 740
        # Without a passkey in this browser, the key leads to the code.
        await page.evaluate("document.documentElement.classList.remove('has-passkeys')")
        await page.locator("h1").click()
        await page.keyboard.press("a")
        await expect(page.get_by_label("Code from your authenticator")).to_be_focused()
        assert device.asked == 3
