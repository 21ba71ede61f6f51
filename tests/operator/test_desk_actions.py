"""Actions at the desk, by its forms: the decision is carried out, confirmed in the queue, and nothing else changes."""

import re
from datetime import timedelta
from html import unescape

import httpx

from app.backoffice import alerts, queue
from app.core import clock, database
from app.ledger.hashchain import ChainId
from app.merchants import applications
from app.merchants import service as merchants
from app.merchants.applications_repository import Facts
from app.reconciliation import repository as runs
from app.sandbox.chain_driver import AnvilDriver
from app.signer.policy import refuse
from app.signer.refusal import Refused
from app.withdrawals import holds
from tests.books import assert_books, assert_invoices
from tests.factories.api_keys import api_key
from tests.factories.invoices import AskedInvoice, invoice, reread
from tests.factories.letters import letters
from tests.factories.merchants import join, terms
from tests.factories.payments import pay_on_chain
from tests.factories.withdrawals import CUSTOMER, NETWORK, approve, balance, payout
from tests.identity.browsing import Account, Browser, hidden
from tests.operator.served import Served, staff_of

FLASH = re.compile(r'<div class="flash[^>]*>.*?<p>(.*?)(?: <a href="([^"]+)">See ([^<]+)</a>)?</p>', re.DOTALL)
APPROVALS = "/desk/approvals"
"""Where a decision leads when no other payment waits for the operator."""

ERRORS = re.compile(r'<div class="error-summary".*?</div>', re.DOTALL)


async def status(withdrawal_id: str) -> str:
    return str(await database.fetch_value("SELECT status FROM withdrawals WHERE id = $1", withdrawal_id))


async def message_after(browser: Browser, answer: httpx.Response, path: str = "/desk") -> str:
    """The message on the page after an action, whose link leads back to what was decided."""
    assert (answer.status_code, answer.headers.get("location")) == (303, path), answer.text[-3000:]
    found = FLASH.search((await browser.get(path)).text)
    assert found is not None
    if found[2] is not None:
        assert found[3].removeprefix("alert ") in found[2]
        assert (await browser.get(unescape(found[2]))).status_code == 200
    return unescape(found[1])


def errors(answer: httpx.Response) -> str:
    """The error summary of a refused form."""
    assert answer.status_code == 422, answer.status_code
    found = ERRORS.search(answer.text)
    assert found is not None
    return unescape(re.sub(r"<[^>]+>", " ", found[0]))


async def approve_by_form(browser: Browser, withdrawal_id: str, code: str, **fields: str) -> httpx.Response:
    """The approval's own form, with its code."""
    page = f"/desk/approvals/{withdrawal_id}"
    return await browser.send(f"{page}/approve", page, code=code, **fields)


async def operators(served: Served) -> tuple[Account, Browser, Account, Browser]:
    """Two, each signed in."""
    one, other = await served.account("one@example.test"), await served.account("two@example.test")
    return one, await served.signed_in(one), other, await served.signed_in(other)


async def test_every_approval_needs_its_own_code_although_one_was_given_just_now(served: Served) -> None:
    requested = await payout(served.services, await served.merchant())
    account = await served.account("ops@example.test")
    browser = await served.signed_in(account)
    for code in ("", "000000"):
        assert "code" in errors(await approve_by_form(browser, requested.id, code)).lower()
        assert await status(requested.id) == "pending_approval"
    words = await message_after(browser, await approve_by_form(browser, requested.id, account.code()), APPROVALS)
    assert words == f"Approved: {requested.id}, 10.00 USDT to 0x7099…79C8. The signer sends it next."
    assert await status(requested.id) == "approved"
    row = await database.fetch_one("SELECT actor, address FROM audit_entries WHERE action = 'withdrawal.approved'")
    assert row is not None
    assert tuple(row) == (f"account:{account.id}", "192.0.2.7")


async def test_a_refused_form_leads_to_its_page_which_can_be_loaded_again(served: Served) -> None:
    # Given a payout in a filtered queue, and a page of it whose session needs a code,
    _, browser, _, _ = await operators(served)
    requested = await payout(served.services, await served.merchant())
    page = f"/desk/approvals/{requested.id}?who=mine"
    clock.shift(timedelta(minutes=11))

    async def sent(verb: str, **fields: str) -> tuple[str, str]:
        """Send a form as a browser without JavaScript does. Returns where that leads, and the page there."""
        tokens = hidden(await browser.get(page))
        action = f"/desk/approvals/{requested.id}/{verb}?who=mine"
        headers = {"Sec-Fetch-Site": "same-origin"}
        answer = await browser.client.post(action, data=tokens | fields, headers=headers)
        assert answer.status_code == 303, (verb, answer.status_code)
        shown = await browser.client.get(answer.headers["location"])
        assert (await browser.client.get(answer.headers["location"])).text.count("<title>Error: ") == 1, "loaded again"
        return answer.headers["location"], shown.text

    # when each of its forms is refused, then its page shows it again with the reason, and keeps the queue;
    for verb, fields, field in (
        ("approve", {"code": "000000"}, "code"),
        ("notes", {"note": "Asked the merchant.", "code": ""}, "case-note-code"),
    ):
        target, shown = await sent(verb, **fields)
        assert re.fullmatch(rf"{re.escape(page)}&form=[0-9a-f]{{32}}", target), target
        assert "<title>Error: " in shown
        assert shown.count('class="error-summary"') == 1, verb
        assert f'href="#field-{field}"' in shown
        assert f'id="field-{field}"' in shown
        assert 'href="/desk/approvals?who=mine"' in shown, "the way back to the queue"
    assert "Asked the merchant." in shown, "what was typed"
    # all errors come at once,
    _, shown = await sent("notes", note="", code="")
    assert 'href="#field-case-note"' in shown
    assert 'href="#field-case-note-code"' in shown
    # and what was typed survives the end of the session.
    tokens = hidden(await browser.get(page))
    await database.execute("DELETE FROM sessions")
    answer = await browser.client.post(
        f"/desk/approvals/{requested.id}/notes?who=mine",
        data=tokens | {"note": "Typed before the end."},
        headers={"Sec-Fetch-Site": "same-origin"},
    )
    assert answer.status_code == 303
    assert "/sign-in?next=" in answer.headers["location"]
    assert "who%3Dmine" in answer.headers["location"]
    assert await status(requested.id) == "pending_approval"


async def test_one_code_does_not_approve_two_payouts(served: Served) -> None:
    merchant_id = await served.merchant()
    one, other = await payout(served.services, merchant_id), await payout(served.services, merchant_id, "11.00")
    account = await served.account("ops@example.test")
    browser = await served.signed_in(account)
    code = account.code()
    following = f"/desk/approvals/{other.id}"
    await message_after(browser, await approve_by_form(browser, one.id, code), following)
    assert "used already" in errors(await approve_by_form(browser, other.id, code))
    assert (await status(one.id), await status(other.id)) == ("approved", "pending_approval")


async def test_the_code_that_signed_in_does_not_approve(served: Served) -> None:
    requested = await payout(served.services, await served.merchant())
    account = await served.account("ops@example.test")
    browser = served.browser()
    await browser.send("/sign-in", email=account.email, password=account.password)
    code = account.code()
    await browser.send("/sign-in/code", code=code)
    assert "used already" in errors(await approve_by_form(browser, requested.id, code))
    assert await status(requested.id) == "pending_approval"


async def test_the_requester_is_offered_no_approval_and_is_refused_one(served: Served) -> None:
    account, browser, _, other_browser = await operators(served)
    requested = await payout(served.services, await served.merchant(), requested_by=f"account:{account.id}")
    page = await browser.get(f"/desk/approvals/{requested.id}")
    assert "You have requested it yourself" in page.text
    assert 'id="approve"' not in page.text
    borrowed = hidden(await other_browser.get(f"/desk/approvals/{requested.id}"))
    own = hidden(await browser.get(f"/desk/approvals/{requested.id}/reject"))
    answer = await browser.post(
        f"/desk/approvals/{requested.id}/approve",
        {**borrowed, **own, "digest": borrowed["digest"], "code": account.code()},
    )
    assert "requested it yourself" in errors(answer)
    assert await status(requested.id) == "pending_approval"


async def test_a_transaction_is_attached_by_a_form_with_a_code_of_its_own(
    served: Served, driver: AnvilDriver, token: str
) -> None:
    """tests/signer/test_adoption.py checks the transaction; this test checks the form and its messages."""
    requested = await payout(served.services, await served.merchant())
    account = await served.account("ops@example.test")
    browser = await served.signed_in(account)
    page = f"/desk/approvals/{requested.id}/attach"
    assert page in (await browser.get(f"/desk/approvals/{requested.id}")).text
    assert "It counts as your approval." in (await browser.get(page)).text
    receipt = await driver.transfer_token(token, requested.destination, 10_000_000)
    found = {"txid": receipt["transactionHash"], "reason": "block 7"}
    assert "code" in errors(await browser.send(page, code="", **found)).lower()
    assert "Give a reason" in errors(await browser.send(page, code=account.code(), txid=found["txid"], reason=" "))
    sender = driver.accounts[0]
    assert f"It was sent by {sender}, not by the hot wallet" in errors(
        await browser.send(page, code=account.code(), **found)
    )
    assert await status(requested.id) == "pending_approval"
    await served.services.approvals.reject(requested.id, account.id, "no", clock.now())
    assert "Nothing can be attached" in (await browser.get(page)).text


async def test_a_conflict_of_interest_and_a_suspended_merchant_are_explained(served: Served) -> None:
    account, browser, _, other_browser = await operators(served)
    merchant_id = await served.merchant()
    key = await api_key(served.services.settings.api_key_peppers, merchant_id=merchant_id, seen_by=account.id)
    by_key = await payout(served.services, merchant_id, requested_by=f"api_key:{key.id}")
    page = (await browser.get(f"/desk/approvals/{by_key.id}")).text
    assert "It was requested with an API key whose secret you have seen: another operator must decide." in page
    assert 'id="approve"' not in page
    assert "You know its key" in (await browser.get("/desk/approvals")).text
    assert 'id="approve"' in (await other_browser.get(f"/desk/approvals/{by_key.id}")).text
    await join(merchant_id, account.id)
    requested = await payout(served.services, merchant_id)
    assert "You belong to the merchant" in (await browser.get(f"/desk/approvals/{requested.id}")).text
    assert "Your own merchant" in (await browser.get("/desk/approvals")).text
    await database.execute("UPDATE merchants SET status = 'suspended' WHERE id = $1", merchant_id)
    page = (await other_browser.get(f"/desk/approvals/{requested.id}")).text
    assert "The merchant is suspended: nothing leaves its balance before it is reinstated." in page
    assert 'id="approve"' not in page


async def test_a_large_payout_needs_two_operators(served: Served) -> None:
    one, browser, two, other_browser = await operators(served)
    requested = await payout(served.services, await served.merchant(), "60.00")
    words = await message_after(browser, await approve_by_form(browser, requested.id, one.code()), APPROVALS)
    assert "A second operator must" in words
    assert await status(requested.id) == "pending_approval"
    page = (await browser.get(f"/desk/approvals/{requested.id}")).text
    assert "You have approved it: a second operator must." in page
    assert 'id="approve"' not in page
    assert "1 of 2 approvals" in (await other_browser.get(f"/desk/approvals/{requested.id}")).text
    await message_after(other_browser, await approve_by_form(other_browser, requested.id, two.code()), APPROVALS)
    assert await status(requested.id) == "approved"


async def test_a_form_of_another_payout_approves_neither(served: Served) -> None:
    """The form carries the digest of what was shown, so a form of another withdrawal is refused."""
    merchant_id = await served.merchant()
    shown, other = await payout(served.services, merchant_id), await payout(served.services, merchant_id, "90.00")
    account = await served.account("ops@example.test")
    browser = await served.signed_in(account)
    fields = hidden(await browser.get(f"/desk/approvals/{shown.id}"))
    answer = await browser.post(f"/desk/approvals/{other.id}/approve", {**fields, "code": account.code()})
    assert "not what you were shown" in errors(answer)
    for wrong in ("", "zz", "00"):
        answer = await browser.post(
            f"/desk/approvals/{shown.id}/approve", {**fields, "digest": wrong, "code": account.code()}
        )
        assert "not what you were shown" in errors(answer)
    assert (await status(shown.id), await status(other.id)) == ("pending_approval", "pending_approval")


async def test_a_rejection_shows_its_reason_and_releases_the_money(served: Served) -> None:
    merchant_id = await served.merchant()
    requested = await payout(served.services, merchant_id)
    browser = await served.signed_in(await served.account("ops@example.test"))
    page = f"/desk/approvals/{requested.id}/reject"
    assert "Give a reason" in errors(await browser.send(page, reason=" "))
    assert "at most 500" in errors(await browser.send(page, reason="x" * 501))
    assert await status(requested.id) == "pending_approval"
    words = await message_after(browser, await browser.send(page, reason="a mixer’s address"), APPROVALS)
    assert words.startswith(f"Rejected: {requested.id}, 10.00 USDT")
    assert await balance(merchant_id) == (100_000_000, 0)
    assert "a mixer’s address" in (await browser.get("/desk/approvals?state=decided")).text


async def test_the_page_shows_each_field_of_the_digest(served: Served) -> None:
    requested = await payout(served.services, await served.merchant(), "12.345678")
    browser = await served.signed_in(await served.account("ops@example.test"))
    page = (await browser.get(f"/desk/approvals/{requested.id}")).text
    digest = await database.fetch_value("SELECT digest FROM withdrawals WHERE id = $1", requested.id)
    plain = re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", "", page)))
    for field in (requested.id, "12.345678", "12345678 in minor units", "USDT", "Ethereum test", NETWORK, CUSTOMER):
        assert field in plain, field
    assert digest.hex() in plain
    assert "First payment to this address." in plain


async def test_a_review_is_credited_returned_or_closed(served: Served, driver: AnvilDriver, token: str) -> None:
    account, browser, other, other_browser = await operators(served)
    owner = await terms(service_fee_bps=0)
    open_reviews = []
    for _ in range(3):
        new = await invoice(served.services, owner)
        await pay_on_chain(served.services, driver, token, new.pay_in.address, int(new.pay_in.amount_raw) - 7)
        open_reviews.append(await database.fetch_value("SELECT deposit FROM reviews WHERE invoice = $1", new.id))
    credit, back, close = (f"/desk/reviews/{review}" for review in open_reviews)
    assert "Give a reason" in errors(await browser.send(f"{credit}/credit", reason=""))
    assert await balance(owner.merchant_id) == (0, 0)
    assert (
        await message_after(browser, await browser.send(f"{credit}/credit", reason="seven units"), back)
        == f"{open_reviews[0]} is credited."
    )
    available, _ = await balance(owner.merchant_id)
    assert available > 4_000_000
    assert "closed already" in errors(
        await browser.post(f"{credit}/credit", hidden(await browser.get(f"{back}/credit")) | {"reason": "again"})
    )

    assert "Enter a whole address" in errors(
        await browser.send(f"{back}/return", reason="wants it back", destination="me")
    )
    words = await message_after(
        browser, await browser.send(f"{back}/return", reason="wants it back", destination=CUSTOMER), close
    )
    refund_id = words.split()[0]
    page = (await browser.get(f"/desk/approvals/{refund_id}")).text
    assert "You have requested it yourself" in page
    await message_after(other_browser, await approve_by_form(other_browser, refund_id, other.code()), APPROVALS)
    assert await status(refund_id) == "approved"

    await message_after(browser, await browser.send(f"{close}/close", reason="no answer"), "/desk/reviews")
    outcomes = await database.fetch_all("SELECT outcome FROM reviews ORDER BY id")
    assert [row["outcome"] for row in outcomes] == ["credited", "returned", "closed"]
    assert account.email in (await browser.get(f"/desk/audit?subject={open_reviews[2]}")).text


async def test_the_open_reviews_of_an_invoice_are_settled_in_one_step_or_not_at_all(
    served: Served, driver: AnvilDriver, token: str
) -> None:
    account, browser, _, other_browser = await operators(served)
    owner = await terms(service_fee_bps=80)

    async def with_reviews() -> AskedInvoice:
        new = await invoice(served.services, owner)
        for amount_raw in (2_000_000, 3_000_000):
            await pay_on_chain(served.services, driver, token, new.pay_in.address, amount_raw)
        return new

    # Given invoices with two open reviews each, which the page of one of them says,
    paid, returned, closed = [await with_reviews() for _ in range(3)]
    first = await database.fetch_value("SELECT deposit FROM reviews WHERE invoice = $1 ORDER BY id", paid.id)
    assert "The invoice has 2 open reviews." in (await browser.get(f"/desk/reviews/{first}")).text
    credit, back, close = (
        f"/desk/invoices/{one.id}/reviews/{verb}"
        for one, verb in ((paid, "credit"), (returned, "return"), (closed, "close"))
    )
    # when an operator has seen less than what is open, or names no good address, or gives no reason, nothing is done;
    seen = hidden(await browser.get(credit))
    for stale in (seen["cases"].split()[0], ""):
        answer = await browser.post(credit, seen | {"reason": "both are his", "cases": stale})
        assert "Other reviews are open by now" in errors(answer)
    assert "Give a reason" in errors(await browser.send(credit, reason=""))
    assert "Enter a whole address" in errors(await browser.send(back, reason="his", destination="me"))
    assert (await browser.get(credit.replace("credit", "burn"))).status_code == 404
    assert await balance(owner.merchant_id) == (0, 0)
    # nor where he belongs to the merchant;
    await join(owner.merchant_id, account.id)
    assert "not yours to decide" in (await browser.get(credit)).text
    assert "you belong to the merchant" in errors(await browser.post(credit, seen | {"reason": "ours"})).lower()
    # else all of them are settled: credited,
    answer = await other_browser.send(credit, reason="both are his")
    following = answer.headers["location"]
    assert following.startswith("/desk/reviews/DEP-"), "the oldest that is open comes next"
    words = await message_after(other_browser, answer, following)
    assert words == f"Every open review of {paid.id} is credited."
    assert await balance(owner.merchant_id) == (5_000_000 - 40_000, 0)
    assert (await reread(served.services, paid)).status == "paid"
    # returned by a refund for each,
    answer = await other_browser.send(back, reason="his", destination=CUSTOMER)
    words = await message_after(other_browser, answer, answer.headers["location"])
    refunds = await database.fetch_all(
        "SELECT id, amount_raw, destination, status FROM withdrawals ORDER BY amount_raw"
    )
    assert [tuple(row)[1:] for row in refunds] == [
        (2_000_000, CUSTOMER, "pending_approval"),
        (3_000_000, CUSTOMER, "pending_approval"),
    ]
    assert all(row["id"] in words for row in refunds)
    assert await balance("platform:suspense") == (5_000_000, 5_000_000)
    # or closed.
    await message_after(other_browser, await other_browser.send(close, reason="no answer"), "/desk/reviews")
    assert (await reread(served.services, closed)).status == "closed"
    assert (await other_browser.get(close)).status_code == 404
    assert await database.fetch_value("SELECT count(*) FROM audit_entries WHERE action LIKE 'review.%'") == 6
    await assert_books()
    await assert_invoices()


async def test_holds_are_released_with_a_reason(served: Served) -> None:
    merchant_id = await served.merchant()
    account = await served.account("ops@example.test")
    held, again = await payout(served.services, merchant_id), await payout(served.services, merchant_id)
    await approve(served.services, again.id, staff_of(account))
    await refuse(
        again.id, Refused("ceiling", "too much", held=True), served.services.networks.get(NETWORK), clock.now()
    )
    browser = await served.signed_in(account)
    words = await message_after(
        browser, await browser.send(f"/desk/holds/withdrawals/{again.id}", reason="it was raised")
    )
    assert words == f"The signer checks {again.id} again."
    async with database.transaction():
        await holds.place(ChainId(owner=merchant_id, network=NETWORK, asset="USDT"), "a reorganisation", clock.now())
    (hold,) = await holds.open_holds()
    page = f"/desk/approvals/{held.id}"
    assert "It is on hold" in (await browser.get(page)).text
    assert "Give a reason" in errors(await browser.send(f"/desk/holds/{hold.id}", reason=""))
    await message_after(browser, await browser.send(f"/desk/holds/{hold.id}", reason="it is settled"))
    assert await holds.open_holds() == []
    await message_after(browser, await approve_by_form(browser, held.id, account.code()), APPROVALS)


async def test_an_application_is_approved_or_rejected(served: Served) -> None:
    applicant = await served.account("nora@example.test", is_operator=False)
    for name in ("Lichtung", "Schatten"):
        facts = Facts(
            name=name,
            legal_name=f"{name} eG",
            country="DE",
            website="https://lichtung.example",
            business="Lamps made by hand in a small workshop.",
            monthly_volume="under_10k",
        )
        await applications.apply(
            facts, served.services.networks, account_id=applicant.id, address=None, now=clock.now()
        )
    one, other = await applications.waiting()
    browser = await served.signed_in(await served.account("ops@example.test"))
    page = f"/desk/applications/{one.id}"
    assert "Lichtung is approved" in await message_after(browser, await browser.send(f"{page}/approve", page))
    assert "Give a reason" in errors(await browser.send(f"/desk/applications/{other.id}/reject", reason=""))
    await message_after(browser, await browser.send(f"/desk/applications/{other.id}/reject", reason="no such company"))
    rows = await database.fetch_all("SELECT name, status FROM merchants ORDER BY name")
    assert [tuple(row) for row in rows] == [("Lichtung", "approved"), ("Schatten", "rejected")]
    assert (await queue.counts()).applications == 0
    assert any("no such company" in letter.body for letter in await letters(applicant.email))


async def test_a_merchants_standing_terms_and_assets(served: Served) -> None:
    merchant_id = await served.merchant()
    await merchants.enable_all_assets(merchant_id, served.services.networks)
    browser = await served.signed_in(await served.account("ops@example.test"))
    page = f"/desk/merchants/{merchant_id}"
    assert "suspended" in await message_after(
        browser, await browser.send(f"{page}/standing/suspend", reason="late"), page
    )
    assert "late" in (await browser.get(page)).text
    assert "That is not possible now" in (await browser.get(f"{page}/standing/suspend")).text
    await message_after(browser, await browser.send(f"{page}/standing/reinstate", reason="paid"), page)
    assert "whole number" in errors(await browser.send(f"{page}/terms", service_fee_bps="0.8", tolerance_bps="0"))
    assert "5000" in errors(await browser.send(f"{page}/terms", service_fee_bps="5001", tolerance_bps="0"))
    await message_after(browser, await browser.send(f"{page}/terms", service_fee_bps="120", tolerance_bps="50"), page)
    asset = f"{page}/assets/ethereum/test/USDT"
    wrong = await browser.send(asset, enabled="on", min_raw="5", max_raw="4.99", daily_cap_raw="")
    assert "not below the least amount" in errors(wrong)
    assert 'value="4.99"' in wrong.text
    assert "decimal places" in errors(await browser.send(asset, enabled="on", min_raw="0.0000001"))
    await message_after(browser, await browser.send(asset, min_raw="1.50", max_raw="", daily_cap_raw="1,000"), page)
    row = await database.fetch_one(
        "SELECT enabled, min_raw, max_raw, daily_cap_raw FROM merchant_assets WHERE merchant = $1 AND asset = 'USDT'",
        merchant_id,
    )
    assert row is not None
    assert tuple(row) == (False, 1_500_000, None, 1_000_000_000)
    assert "120 bps" in (await browser.get(page)).text


async def test_a_switch_pauses_and_resumes(served: Served) -> None:
    browser = await served.signed_in(await served.account("ops@example.test"))
    page = "/desk/switches/payouts"
    stale = hidden(await browser.get(page))
    assert "Give a reason" in errors(await browser.send(page, reason=""))
    assert "paused for all" in await message_after(
        browser, await browser.send(page, reason="an incident"), "/desk/switches"
    )
    assert "paused already" in errors(await browser.post(page, stale | {"reason": "me too"}))
    assert "accepted again" in await message_after(browser, await browser.send(page, reason="over"), "/desk/switches")
    assert (await browser.get("/desk/switches")).text.count("an incident") == 1  # in what was turned before


async def test_an_alert_is_acknowledged_with_a_note(served: Served) -> None:
    from app.alerts.service import raise_alert

    await raise_alert(
        severity="critical", kind="drift", dedupe_key="d", message="<b>17 units</b> short", details={}, now=clock.now()
    )
    (alert,) = await alerts.page("open", None, None, 10)
    browser = await served.signed_in(await served.account("ops@example.test"))
    assert "&lt;b&gt;17 units" in (await browser.get("/desk")).text
    page = f"/desk/alerts/{alert.id}"
    assert "say what was done" in errors(await browser.send(f"{page}/acknowledge", page, note=""))
    await message_after(browser, await browser.send(f"{page}/acknowledge", page, note="recounted"), "/desk/alerts")
    assert await alerts.page("open", None, None, 10) == []
    assert "recounted" in (await browser.get(page)).text


async def test_a_run_is_requested_and_its_page_shows_its_progress(served: Served, driver: AnvilDriver) -> None:
    (watcher,) = served.services.watchers()
    await watcher.tick()
    browser = await served.signed_in(await served.account("ops@example.test"))
    answer = await browser.send("/desk/reconciliation", full="on")
    page = answer.headers["location"]
    run_id = int(page.rpartition("/")[2])
    waiting = await browser.get(page)
    assert "Waiting." in waiting.text
    assert 'http-equiv="refresh"' in waiting.text
    await database.execute(
        "UPDATE reconciliation_runs SET status = 'running', progress = 'comparing with ethereum:test' WHERE id = $1",
        run_id,
    )
    assert "Comparing with ethereum:test" in (await browser.get(page)).text
    await database.execute("UPDATE reconciliation_runs SET status = 'requested' WHERE id = $1", run_id)
    assert await served.services.reconciliation.run_requested(clock.now()) == run_id
    done = await browser.get(page)
    run = await runs.run(run_id)
    assert run is not None
    assert run.full
    assert 'http-equiv="refresh"' not in done.text
    assert {"clean": "Clean.", "drift": "Drift.", "incomplete": "Incomplete."}[run.status] in done.text


async def test_the_queue_counts_what_waits_and_names_it(served: Served) -> None:
    merchant_id = await served.merchant()
    account = await served.account("ops@example.test")
    browser = await served.signed_in(account)
    assert "Nothing waits" in (await browser.get("/desk")).text
    requested = [await payout(served.services, merchant_id, "1.00") for _ in range(10)]
    page = (await browser.get("/desk")).text
    assert "10 things wait" in page
    assert all(one.id in page for one in requested[:8])
    assert requested[9].id not in page
    assert "All 10" in page
    assert requested[9].id in (await browser.get("/desk/approvals")).text


async def test_lists_go_on_by_page_without_a_row_twice(served: Served) -> None:
    merchant_id = await served.merchant(1_000_000_000)
    browser = await served.signed_in(await served.account("ops@example.test"))
    requested = [(await payout(served.services, merchant_id, "1.00")).id for _ in range(30)]
    current: list[str] = []
    path = "/desk/approvals"
    while path:
        page = (await browser.get(path)).text
        current += re.findall(r'href="/desk/approvals/(PO-\w+)"', page)
        onwards = re.search(r'href="([^"]+)" rel="next"', page)
        path = unescape(onwards[1]) if onwards else ""
    assert current == requested
    back = re.search(r'href="([^"]+)" rel="prev"', page)
    assert back
    first = (await browser.get(unescape(back[1]))).text
    assert re.findall(r'href="/desk/approvals/(PO-\w+)"', first) == requested[:25]
    assert 'rel="prev"' not in first
