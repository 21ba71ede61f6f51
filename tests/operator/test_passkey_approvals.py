"""A payout and a refund approved with a passkey, by the desk's own form: what is asked for is the payment's digest, and
what anybody else signs, or signs of something else, approves nothing."""

import html
import json
import re
from dataclasses import dataclass
from typing import Any

import httpx

from app.core import clock, database, ids
from app.core.webauthn import from_text, to_text
from app.signer import approvers_repository
from app.signer.approvers import Approver
from app.withdrawals import repository as withdrawals
from app.withdrawals.digest import digest
from tests.factories.tampering import as_superuser
from tests.factories.withdrawals import payout
from tests.fakes.authenticator import Authenticator
from tests.identity.browsing import Account, Browser, hidden
from tests.operator.served import Served
from tests.operator.test_desk_actions import APPROVALS, errors, message_after, status

_OPTIONS = re.compile(r'data-passkey="get" data-options="([^"]+)"')


@dataclass
class Person:
    """An operator who is signed in, and their device."""

    account: Account
    browser: Browser
    device: Authenticator

    async def asked(self, withdrawal_id: str) -> tuple[dict[str, Any], dict[str, str]]:
        """What the case's page asks the device for, and the fields of its form."""
        page = await self.browser.get(f"/desk/approvals/{withdrawal_id}")
        found = _OPTIONS.search(page.text)
        assert found is not None, page.text
        return json.loads(html.unescape(found[1])), hidden(page)

    async def approve(
        self, withdrawal_id: str, *, answer: str | None = None, fields: dict[str, str] | None = None
    ) -> httpx.Response:
        """Send the form with what the device signs of it, or with another answer."""
        options, own = await self.asked(withdrawal_id)
        sent = {**own, **(fields or {}), "passkey": answer or self.device.sign(options)}
        return await self.browser.post(f"/desk/approvals/{withdrawal_id}/approve", sent)

    async def case(self, withdrawal_id: str) -> str:
        """The case's page as a person reads it, in one line."""
        return words_of(await self.browser.get(f"/desk/approvals/{withdrawal_id}"))


def words_of(page: httpx.Response) -> str:
    """A page as it is read, in one line."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", re.sub(r"</?bdi>", "", page.text))).split())


async def person(served: Served, name: str) -> Person:
    account = await served.account(f"{name}@example.test")
    await database.execute("UPDATE accounts SET name = $2 WHERE id = $1", account.id, name.capitalize())
    browser, device = await served.signed_in(account), Authenticator(served.services.passkeys.party.origin)
    await database.execute(
        "INSERT INTO passkeys (account, credential_id, public_key, sign_count, is_synced, name, created_at)"
        " VALUES ($1, $2, $3, 0, false, 'Phone', $4)",
        account.id,
        device.credential_id,
        device.public_key,
        clock.now(),
    )
    return Person(account, browser, device)


async def in_the_file(*people: Person) -> None:
    """What a signer reports whose file has these people."""
    await approvers_repository.report(
        [
            Approver(
                each.account.email.split("@")[0], to_text(each.device.credential_id), to_text(each.device.public_key)
            )
            for each in people
        ],
        clock.now(),
    )


async def test_the_page_asks_for_the_payment_s_digest_and_takes_no_other_answer(served: Served) -> None:
    olive, otto = await person(served, "olive"), await person(served, "otto")
    merchant_id = await served.merchant()
    requested, other = await payout(served.services, merchant_id), await payout(served.services, merchant_id, "11.00")
    options, fields = await olive.asked(requested.id)
    row = await withdrawals.requested(requested.id)
    assert row is not None
    assert from_text(options["challenge"]) == digest(row.intent)
    assert options["userVerification"] == "required"
    assert [from_text(each["id"]) for each in options["allowCredentials"]] == [olive.device.credential_id]

    elsewhere, unverified = Authenticator("https://pay.example.evil"), Authenticator(olive.device.origin)
    for device in (elsewhere, unverified):
        device.credential_id, device._key = olive.device.credential_id, olive.device._key
    unverified.flags = 0x01
    others_options, others_fields = await olive.asked(other.id)
    refused = {
        "another challenge": olive.device.sign({**options, "challenge": to_text(ids.random_bytes(32))}),
        "another payout's challenge": olive.device.sign(others_options),
        "another account's passkey": otto.device.sign(options),
        "an unknown passkey": Authenticator(olive.device.origin).sign(options),
        "another site": elsewhere.sign(options),
        "nobody verified": unverified.sign(options),
        "no answer at all": "{}",
    }
    for what, answer in refused.items():
        said = errors(await olive.approve(requested.id, answer=answer))
        assert "this passkey was not accepted: try again, or use another way" in said.lower(), what
    assert "not what you were shown" in errors(
        await olive.approve(requested.id, answer=olive.device.sign(others_options), fields=others_fields)
    )
    assert (await status(requested.id), await status(other.id)) == ("pending_approval", "pending_approval")
    assert await database.fetch_value("SELECT count(*) FROM approval_signatures") == 0

    signed = olive.device.sign(options)
    words = await message_after(
        olive.browser, await olive.approve(requested.id, answer=signed), f"{APPROVALS}/{other.id}"
    )
    assert words.startswith(f"Approved: {requested.id}, 10.00 USDT")
    assert await status(requested.id) == "approved"
    # Sent again, as by a back button or by somebody who has recorded it: the same answer signs nothing twice.
    again = await olive.browser.post(f"/desk/approvals/{requested.id}/approve", {**fields, "passkey": signed})
    assert again.status_code in (303, 422)
    assert await database.fetch_value("SELECT count(*) FROM approval_signatures") == 1


async def test_a_payment_that_was_edited_after_it_was_shown_is_refused(served: Served) -> None:
    olive, merchant_id = await person(served, "olive"), await served.merchant()
    edited, rewritten = await payout(served.services, merchant_id), await payout(served.services, merchant_id, "11.00")
    shown = {one.id: await olive.asked(one.id) for one in (edited, rewritten)}
    for one in (edited, rewritten):
        await as_superuser(f"UPDATE withdrawals SET amount_raw = amount_raw + 1 WHERE id = '{one.id}'")
    row = await withdrawals.requested(rewritten.id)
    assert row is not None
    await as_superuser(f"UPDATE withdrawals SET digest = '\\x{digest(row.intent).hex()}' WHERE id = '{rewritten.id}'")
    for one, says in ((edited, "somebody has edited it"), (rewritten, "not what you were shown")):
        options, fields = shown[one.id]
        sent = {**fields, "passkey": olive.device.sign(options)}
        said = errors(await olive.browser.post(f"/desk/approvals/{one.id}/approve", sent))
        assert says in said
        assert await status(one.id) == "pending_approval"
    assert "withdrawal_tampered" in [row["kind"] for row in await database.fetch_all("SELECT kind FROM alerts")]


async def test_the_case_says_who_has_signed_who_is_needed_and_which_passkeys_the_signer_counts(served: Served) -> None:
    olive, otto, paula = [await person(served, name) for name in ("olive", "otto", "paula")]
    await in_the_file(olive, otto)
    requested = await payout(served.services, await served.merchant(), "60.00")
    case = await olive.case(requested.id)
    assert "0 of 2 approvals" in case
    assert "2 are needed: you may give one, or Otto, Paula." in case
    assert "The signer counts no signature so far" in case
    assert "Olive (you) May approve The signer counts a passkey of yours" in case
    assert "Paula May approve No passkey in the signer’s file" in case
    assert case.index("with a passkey") < case.index("Code from your authenticator"), "it comes first"
    await message_after(olive.browser, await olive.approve(requested.id), APPROVALS)
    case = await olive.case(requested.id)
    assert "You have approved it: a second operator must." in case
    assert "One more is needed: Otto, Paula may give it." in case
    assert "With the passkey “Phone”, which the signer counts" in case
    assert "The signer counts 1 signature so far" in case
    listed = words_of(await otto.browser.get(APPROVALS))
    assert "1 of 2 by Olive, 1 with a passkey One more is needed Yours to decide" in listed
    assert "You have approved" in (await olive.browser.get(APPROVALS)).text
    for each, says in ((olive, "In the signer’s file Yes as olive"), (paula, "In the signer’s file No What you sign")):
        kept = await database.fetch_value("SELECT id FROM passkeys WHERE account = $1", each.account.id)
        assert says in words_of(await each.browser.get(f"/account/security/passkeys/{kept}"))

    # Paula approves with a passkey that the file lacks: approved here, it waits at the signer for another signature.
    await message_after(paula.browser, await paula.approve(requested.id), APPROVALS)
    reason = "it waits for approval by passkey: 1 of 2 that the signer asks for"
    await withdrawals.set_waiting(requested.id, reason)
    case = await otto.case(requested.id)
    assert f"Waits: {reason}" in case
    assert "Not in the signer’s file" in case
    assert "Otto (you) May sign The signer counts a passkey of yours" in case
    signed = await otto.approve(requested.id)
    assert (await message_after(otto.browser, signed, APPROVALS)).startswith("Approved: ")
    assert "The signer counts 2 signatures so far" in await otto.case(requested.id)


async def test_an_approval_by_a_code_alone_is_said_not_to_count(served: Served) -> None:
    olive = await person(served, "olive")
    await in_the_file(olive)
    requested = await payout(served.services, await served.merchant())
    assert "The signer asks for passkeys: after a code alone it waits." in await olive.case(requested.id)
    page = f"/desk/approvals/{requested.id}"
    answer = await olive.browser.send(f"{page}/approve", page, code=olive.account.code())
    await message_after(olive.browser, answer, APPROVALS)
    case = await olive.case(requested.id)
    assert "By a code alone: the signer does not count it" in case
    assert "Sign with a passkey" in case
    await message_after(olive.browser, await olive.approve(requested.id), APPROVALS)
    assert "which the signer counts" in await olive.case(requested.id)
    # Without a file nothing of this is said.
    await in_the_file()
    case = await olive.case(requested.id)
    assert "the signer counts" not in case
    assert "does not count" not in case
