"""The queues of the desk: their filters and sums, the next case after each decision, who may decide, and notes."""

import re
from datetime import timedelta
from html import unescape

import asyncpg
import pytest

from app.audit.log import Filters
from app.core import clock, database
from app.reports import activity_log
from app.reports import reviews as reviews_of_merchant
from app.sandbox.chain_driver import AnvilDriver
from tests.books import assert_books
from tests.factories.invoices import invoice
from tests.factories.merchants import merchant, takes, terms
from tests.factories.payments import pay_on_chain
from tests.factories.withdrawals import CUSTOMER, approve, balance, fund, payout
from tests.operator.served import Served, staff_of
from tests.operator.test_desk_actions import errors, operators, status

TEA, BAKERY = "Tea & Co", "Bakery"


def text_of(page: str) -> str:
    """The words of a page, without its tags."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", page)))


def listed(page: str) -> list[str]:
    """The payments of a list, in its order."""
    return list(dict.fromkeys(re.findall(r'class="payment" href="/desk/approvals/((?:PO|RF)-\w+)', page)))


async def shop(served: Served, name: str) -> str:
    """A merchant with money."""
    merchant_id = await merchant(name=name)
    await takes(merchant_id, "USDT")
    await fund(merchant_id, 500_000_000)
    return merchant_id


async def test_approvals_are_filtered_counted_and_summed_and_lead_on_within_the_filter(served: Served) -> None:
    # Given payouts of two merchants, of which one needs two operators, one is the operator's own, and one is old,
    services = served.services
    tea, bakery = await shop(served, TEA), await shop(served, BAKERY)
    old = await payout(services, tea, "1.00")
    clock.shift(timedelta(days=2))
    one, browser, two, _ = await operators(served)
    first = await payout(services, tea, "2.50")
    elsewhere = await payout(services, bakery, "4.00")
    own = await payout(services, tea, "8.00", requested_by=f"account:{one.id}")
    large = await payout(services, tea, "60.00")
    await approve(services, large.id, staff_of(two))
    last = await payout(services, tea, "16.00")

    # when the list is filtered, it has just these, with their count and sum;
    async def filtered(query: str) -> list[str]:
        return listed((await browser.get(f"/desk/approvals?{query}")).text)

    assert await filtered("merchant=tea") == [old.id, first.id, own.id, large.id, last.id]
    assert await filtered(f"merchant={bakery.lower()}") == [elsewhere.id]
    assert await filtered("age=1d") == [old.id]
    assert await filtered("who=second") == [large.id]
    assert await filtered("who=not_mine") == [own.id]
    assert await filtered("kind=refund") == []
    assert await filtered("asset=ETH") == []
    queue = "merchant=tea&who=mine"
    page = text_of((await browser.get(f"/desk/approvals?{queue}")).text)
    assert "4 payments wait Merchant: tea , remove this filter Decision: I may decide , remove this filter" in page
    assert "Clear 2 filters 4 × 79.50 USDT Ethereum test" in page
    assert "Not you: You requested it" in text_of((await browser.get("/desk/approvals")).text)
    assert "1 of 2 by Mara Merchant" in page
    assert (await browser.get("/desk/approvals?who=nobody")).status_code == 404

    # and each decision and each skip leads to the next case of the same filter, past the own one and the other shop's.
    case = f"/desk/approvals/{first.id}"
    shown = (await browser.get(f"{case}?{queue}")).text
    skip = re.search(r'href="([^"]+)">Skip: next case', shown)
    assert skip
    assert unescape(skip[1]) == f"/desk/approvals/{large.id}?{queue}"
    answer = await browser.send(f"{case}/approve?{queue}", f"{case}?{queue}", code=one.code())
    assert answer.headers["location"] == f"/desk/approvals/{large.id}?{queue}"
    following = (await browser.get(answer.headers["location"])).text
    assert f'<a href="{case}?{queue.replace("&", "&amp;")}">See {first.id}</a>' in following
    reject = f"/desk/approvals/{large.id}/reject?{queue}"
    answer = await browser.send(reject, reason="too much")
    assert answer.headers["location"] == f"/desk/approvals/{last.id}?{queue}"
    answer = await browser.send(f"/desk/approvals/{last.id}/reject?{queue}", reason="not ours")
    assert answer.headers["location"] == f"/desk/approvals/{old.id}?{queue}", "from the last to the oldest again"
    answer = await browser.send(f"/desk/approvals/{old.id}/reject?{queue}", reason="too late")
    assert answer.headers["location"] == f"/desk/approvals?{queue}"
    assert "Nothing here waits" in (await browser.get(answer.headers["location"])).text
    assert await status(elsewhere.id) == "pending_approval"


async def test_a_case_says_who_has_approved_who_may_and_who_has_decided(served: Served) -> None:
    one, browser, two, other_browser = await operators(served)
    merchant_id = await served.merchant()
    requested = await payout(served.services, merchant_id, "60.00", requested_by=f"account:{one.id}")
    await approve(served.services, requested.id, staff_of(two))
    page = f"/desk/approvals/{requested.id}"
    for reader, other, mine, theirs in (
        (browser, "two", "May not: You requested it", "Approved"),
        (other_browser, "one", "Approved", "May not: requested it"),
    ):
        hands = re.search(r'<ul class="hands".*?</ul>', (await reader.get(page)).text, re.DOTALL)
        assert hands
        words = text_of(hands[0])
        assert re.search(rf"\(you\) {mine}", words), words
        assert theirs in words, (other, words)
    assert "1 of 2 approvals" in (await browser.get(page)).text
    # Decided by somebody else meanwhile, the page names them, and has no form any more.
    await served.services.approvals.reject(requested.id, two.id, "not this one", clock.now())
    decided = (await browser.get(page)).text
    decision = text_of(decided[decided.index('id="decision"') :].partition("</aside>")[0])
    assert "Rejected Rejected a payout: Mara Merchant" in decision
    assert "Reason: not this one" in decision
    assert 'id="approve"' not in decided
    assert 'data-dialog="reject-dialog"' not in decided
    assert f'data-live="payout:{requested.id} approvals holds"' in decided


async def test_notes_are_kept_with_name_and_time_for_operators_alone(served: Served) -> None:
    one, browser, _, other_browser = await operators(served)
    await database.execute("UPDATE accounts SET name = 'Olive Operator' WHERE id = $1", one.id)
    merchant_id = await served.merchant()
    requested = await payout(served.services, merchant_id)
    page = f"/desk/approvals/{requested.id}"
    for wrong, words in (("", "Write what the others should know."), ("x" * 2001, "Write at most 2000 characters.")):
        refused = await browser.send(f"{page}/notes", page, note=wrong)
        assert words in errors(refused)
        assert 'href="#field-case-note"' in refused.text
    assert "Nobody has left a note." in (await browser.get(page)).text
    answer = await browser.send(f"{page}/notes?who=mine", f"{page}?who=mine", note="<b>Asked</b> the merchant.")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{page}?who=mine")
    read = (await other_browser.get(page)).text
    assert "&lt;b&gt;Asked&lt;/b&gt; the merchant." in read
    assert "Olive Operator" in read[read.index('id="notes"') :]
    assert await status(requested.id) == "pending_approval"
    # It is in the audit log, not in the merchant's own, and nobody changes it.
    assert "Left a note" in (await other_browser.get(f"/desk/audit?subject={requested.id}")).text
    rows = await activity_log.page(merchant_id, Filters(), None, 50)
    assert not [row for row in rows if "Asked" in str(row)]
    with pytest.raises(asyncpg.RestrictViolationError):
        await database.execute("DELETE FROM case_notes")
    # Without a fresh code nothing is kept, and the field of the code says so.
    clock.shift(timedelta(minutes=11))
    refused = await browser.send(f"{page}/notes", page, note="again")
    assert 'id="field-case-note-code-error"' in refused.text
    assert "again</textarea>" in refused.text, "what was typed is still there"
    assert await database.fetch_value("SELECT count(*) FROM case_notes") == 1


async def test_reviews_are_filtered_and_the_message_alone_reaches_the_merchant(
    served: Served, driver: AnvilDriver, token: str
) -> None:
    browser = await served.signed_in(await served.account("ops@example.test"))
    owner = await terms(service_fee_bps=0)
    made = {}
    for amount, name in ((-7, "under"), (5_000_000, "over"), (6_000_000, "rest")):
        new = await invoice(served.services, owner)
        await pay_on_chain(served.services, driver, token, new.pay_in.address, int(new.pay_in.amount_raw) + amount)
        deposit = await database.fetch_value("SELECT deposit FROM reviews WHERE invoice = $1", new.id)
        made[name] = (deposit, new)
    under, over, rest = (made[name][0] for name in ("under", "over", "rest"))
    queue = "who=mine&verdict=overpaid"
    page = (await browser.get(f"/desk/reviews?{queue}")).text
    assert list(dict.fromkeys(re.findall(r'class="payment" href="/desk/reviews/(DEP-\w+)', page))) == [over, rest]
    assert "2 deposits" in text_of(page)
    # The over-paid one is divided in one step, with two texts of which the merchant reads one.
    had, _ = await balance(owner.merchant_id)
    form = f"/desk/reviews/{over}/split?{queue}"
    assert "5.00 USDT go back to the customer" in text_of((await browser.get(f"/desk/reviews/{over}?{queue}")).text)
    refused = await browser.send(form, reason="", destination=CUSTOMER, merchant_message="The rest goes back.")
    assert "Give a reason" in errors(refused)
    assert "The rest goes back.</textarea>" in refused.text
    answer = await browser.send(
        form, reason="a test of the form", destination=CUSTOMER, merchant_message="The rest goes back."
    )
    assert answer.headers["location"] == f"/desk/reviews/{rest}?{queue}"
    after, _ = await balance(owner.merchant_id)
    assert after - had == int(made["over"][1].pay_in.amount_raw)
    sent = await database.fetch_one("SELECT amount_raw, destination, status FROM withdrawals")
    assert sent is not None
    assert tuple(sent) == (5_000_000, CUSTOMER, "pending_approval")
    (seen,) = await reviews_of_merchant.of_invoice(owner.merchant_id, "test", made["over"][1].id)
    assert seen.message == "The rest goes back."
    assert "a test of the form" not in str(seen)
    decided = text_of((await browser.get(f"/desk/reviews/{over}")).text)
    assert "a test of the form" in decided
    assert "The rest goes back." in decided
    # All that is wrong with a form is said at once, the code of a stale session among it.
    clock.shift(timedelta(minutes=11))
    complaints = errors(
        await browser.send(f"/desk/reviews/{rest}/return", reason="", destination="me", merchant_message="x" * 501)
    )
    for words in ("Give a reason", "Enter a whole address", "at most 500 characters", "authenticator"):
        assert words in complaints, (words, complaints)
    # One that brought too little offers no such step.
    assert f"/desk/reviews/{under}/split" not in (await browser.get(f"/desk/reviews/{under}")).text
    assert "It can’t be divided" in (await browser.get(f"/desk/reviews/{under}/split")).text
    await assert_books()


async def test_a_page_shows_what_a_node_says_beside_the_books(served: Served, driver: AnvilDriver, token: str) -> None:
    browser = await served.signed_in(await served.account("ops@example.test"))
    new = await invoice(served.services, await terms(service_fee_bps=0))
    await pay_on_chain(served.services, driver, token, new.pay_in.address, int(new.pay_in.amount_raw) - 7)
    deposit = await database.fetch_value("SELECT deposit FROM reviews WHERE invoice = $1", new.id)
    page = f"/desk/reviews/{deposit}"
    unasked = (await browser.get(page)).text
    assert f'hx-get="{page}?node=1"' in unasked
    assert f'<a href="{page}?node=1#node">Ask the node what it says now</a>' in unasked
    assert "Books and node agree." in text_of((await browser.get(f"{page}?node=1")).text)

    async def with_books(column: str, by: int) -> str:
        """What the page says once the books were changed past their guards."""
        async with database.transaction():
            await database.execute("SET LOCAL session_replication_role = replica")
            await database.execute(f"UPDATE deposits SET {column} = {column} + $2 WHERE id = $1", deposit, by)
        return text_of((await browser.get(f"{page}?node=1")).text)

    assert "The amounts differ." in await with_books("amount_raw", 1)
    assert "Not in the same block." in (await with_books("amount_raw", -1)) + (await with_books("block_height", 1))
    async with database.transaction():
        await database.execute("SET LOCAL session_replication_role = replica")
        await database.execute("UPDATE deposits SET txid = '0x' || repeat('7', 64) WHERE id = $1", deposit)
    assert "The node does not know this transaction." in text_of((await browser.get(f"{page}?node=1")).text)
