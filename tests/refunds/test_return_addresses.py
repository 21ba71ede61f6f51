"""From the customer's address to the refund: on the payment page, in the cabinet, at the desk."""

import asyncio
import re
from dataclasses import dataclass
from html import unescape

import asyncpg
import httpx
import pytest

from app.core import clock, database
from app.deposits import reviews
from app.merchants import service as merchants
from app.merchants.members import member
from app.refunds import return_addresses, return_addresses_repository
from app.refunds.return_addresses import Refusal, ReturnAddressRefused
from app.sandbox.chain_driver import AnvilDriver
from tests.books import assert_books, assert_invoices
from tests.factories.invoices import AskedInvoice, invoice
from tests.factories.merchants import terms
from tests.factories.payments import pay_on_chain
from tests.factories.withdrawals import CUSTOMER, STRANGER, approve, confirm, send
from tests.identity.browsing import Account, Browser
from tests.operator.served import Served, staff_of
from tests.services import empty_redis

TRON = "TQn9Y2khEsLJW1ChVWFMSMeRDow5KcbLSE"


@dataclass
class Case:
    """An invoice that too little came for, its merchant, and the link that asks where that should go back to."""

    served: Served
    merchant_id: str
    admin: Account
    invoice: AskedInvoice
    deposit_id: str
    customer: Browser

    @property
    def page(self) -> str:
        """The payment page."""
        return f"/pay/{self.served.services.links.slug(self.invoice.id)}"

    @property
    def url(self) -> str:
        """The page that asks for the address."""
        slug = self.served.services.links.return_slug(self.invoice.id, self.deposit_id)
        return f"{self.page}/return/{slug}"

    @property
    def cabinet(self) -> str:
        """The merchant's page of the address."""
        return f"/cabinet/{self.merchant_id}/test/reviews/{self.deposit_id}/return-address"

    async def give(self, address: str, **fields: str) -> httpx.Response:
        """Send the customer's form."""
        return await self.customer.post(self.url, {"address": address, **fields})

    async def see(self, url: str) -> str:
        """A page as the customer reads it."""
        answer = await self.customer.get(url)
        assert answer.status_code == 200, answer.text
        return words(answer)

    async def set_rule(self, rule: str) -> None:
        """Set the merchant's rule."""
        await database.execute("UPDATE merchants SET return_addresses = $2 WHERE id = $1", self.merchant_id, rule)


def words(answer: httpx.Response) -> str:
    """The text of a page, without markup."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", answer.text)).split())


async def given() -> list[tuple[str, str | None]]:
    """Every stored address with its decision."""
    rows = await database.fetch_all("SELECT address, decision FROM return_addresses ORDER BY id")
    return [(row["address"], row["decision"]) for row in rows]


@pytest.fixture
async def case(served: Served, driver: AnvilDriver, token: str) -> Case:
    """Somebody has sent 4 USDT where 5 were asked for."""
    merchant = await terms(service_fee_bps=80)
    admin = await served.account("admin@example.test", is_operator=False)
    await merchants.add_member(merchant.merchant_id, admin.id, "admin", clock.now())
    new = await invoice(served.services, merchant)
    await pay_on_chain(served.services, driver, token, new.pay_in.address, int(new.pay_in.amount_raw) - 1_000_000)
    (review,) = await reviews.list_reviews()
    return Case(served, merchant.merchant_id, admin, new, review.deposit_id, served.browser())


async def test_a_customer_s_address_is_confirmed_and_used_for_the_return(case: Case) -> None:
    # Given a payment page that says what happened, and asks,
    page = await case.see(case.page)
    assert "less came in than was asked for." in page
    assert "Please don’t send only the rest: it would not count." in page
    assert f"Asked for {case.invoice.pay_in.amount_decimal} USDT" in page
    assert "Too little 1.00 USDT" in page
    assert f'href="{case.url}?lang=en"' in (await case.customer.get(case.page)).text
    # when the customer names an address,
    assert (await case.give(f" {STRANGER.lower()} ")).headers["location"] == f"{case.url}?lang=en"
    assert (await case.give(STRANGER)).status_code == 303
    assert await given() == [(STRANGER, None)], "the same again changes nothing"
    # then nobody with the link sees all of it,
    for url in (case.page, case.url):
        shown = (await case.customer.get(url)).text
        assert "0x5aAeb6…1BeAed" in shown
        assert STRANGER.lower() not in shown.lower()
    # the merchant sees it and confirms it with a code,
    admin = await case.served.signed_in(case.admin)
    detail = await admin.get(f"/cabinet/{case.merchant_id}/test/invoices/{case.invoice.id}")
    assert "please confirm or reject it below" in detail.text
    assert "Waits for you" in detail.text
    assert case.url in detail.text, "the link for the customer"
    await database.execute("UPDATE sessions SET code_given_at = NULL")
    refused = await admin.send(case.cabinet, decision="confirmed")
    assert refused.status_code == 422, "it needs a code"
    answer = await admin.send(case.cabinet, decision="confirmed", code=case.admin.code())
    assert answer.status_code == 303, answer.text
    assert await given() == [(STRANGER, "confirmed")]
    # so that the customer can't replace it any more,
    assert "has confirmed this address" in await case.see(case.page)
    late = await case.give(CUSTOMER)
    assert late.status_code == 422
    assert "has confirmed an address already" in words(late)
    # and the operator's form has it; the refund still needs an approval of another one.
    one, other = await case.served.account("one@example.test"), await case.served.account("two@example.test")
    desk = await case.served.signed_in(one)
    form = await desk.get(f"/desk/reviews/{case.deposit_id}/return")
    assert f'value="{STRANGER}"' in form.text
    assert "confirmed it for the merchant" in words(form)
    sent = await desk.send(
        f"/desk/reviews/{case.deposit_id}/return", destination=STRANGER, reason="too little", code=one.code()
    )
    assert sent.status_code == 303, sent.text
    row = await database.fetch_one("SELECT id, status, destination FROM withdrawals")
    assert row is not None
    assert (row["status"], row["destination"]) == ("pending_approval", STRANGER)
    assert "It is being sent back." in await case.see(case.page)
    assert (await case.give(CUSTOMER)).status_code == 422, "a return is under way"
    await approve(case.served.services, row["id"], staff_of(other))
    await send(case.served.services, row["id"])
    await confirm(case.served.services, row["id"])
    assert await return_addresses.cases(case.invoice.id) == []
    assert "No address is needed" in await case.see(case.url)
    actions = await database.fetch_all(
        "SELECT actor, action FROM audit_entries WHERE action LIKE 'return_address.%' ORDER BY id"
    )
    assert [tuple(each) for each in actions] == [
        ("customer", "return_address.given"),
        (f"account:{case.admin.id}", "return_address.confirmed"),
    ]
    await assert_books()
    await assert_invoices()


async def test_a_wrong_address_is_named_in_the_reader_s_words(case: Case) -> None:
    for address, message in (
        ("", "Please enter an address."),
        ("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD", "has a typing error"),
        (TRON, "This is an address of another network (Tron)."),
        ("0x" + "0" * 40, "What is sent to this address is lost."),
        ("<script>alert(1)</script>", "has a typing error"),
    ):
        answer = await case.give(address)
        assert answer.status_code == 422
        assert message in words(answer)
        assert "<script>alert" not in answer.text
    assert await given() == []


async def test_our_own_addresses_memos_and_other_sites_are_refused(case: Case, token: str) -> None:
    own = await case.give(case.invoice.pay_in.address)
    assert "This is the address that you paid to" in words(own)
    assert "lost" in words(await case.give(token))
    assert "has no memos" in words(await case.give(STRANGER, memo="7"))
    foreign = await case.customer.post(case.url, {"address": STRANGER}, **{"Sec-Fetch-Site": "cross-site"})
    assert foreign.status_code == 404
    assert await given() == []
    answers = [await case.give("") for _ in range(10)]
    assert {answer.status_code for answer in answers} == {422, 429}, "ten a minute"


async def test_a_link_is_good_for_its_deposit_and_invoice_alone(case: Case) -> None:
    other = await invoice(case.served.services, await terms(service_fee_bps=0))
    links = case.served.services.links
    slug, right = links.slug(case.invoice.id), links.return_slug(case.invoice.id, case.deposit_id)
    for url in (
        f"/pay/{links.slug(other.id)}/return/{right}",
        f"/pay/{links.slug(other.id)}/return/{links.slug(other.id)}",
        f"/pay/{slug}/return/{case.deposit_id}",
        f"/pay/{slug}/return/{right[:-1]}",
        f"/pay/{slug}/return/{links.return_slug(case.invoice.id, 'DEP-0000000000')[:4]}{right[4:]}x",
        f"/pay/{slug}/return/{slug}",
        f"/pay/{slug[:-1]}/return/{right}",
    ):
        assert (await case.customer.get(url)).status_code == 404, url
        assert (await case.customer.post(url, {"address": STRANGER})).status_code == 404, url
        await empty_redis()
    assert await given() == []
    # Nor may a member of another merchant, or one without the right, see or decide it.
    await case.give(STRANGER)
    outsider = await case.served.account("outsider@example.test", is_operator=False)
    theirs = await terms(service_fee_bps=0)
    await merchants.add_member(theirs.merchant_id, outsider.id, "owner", clock.now())
    browser = await case.served.signed_in(outsider)
    foreign = f"/cabinet/{theirs.merchant_id}/test/reviews/{case.deposit_id}/return-address"
    assert (await browser.get(foreign)).status_code == 404
    assert (await browser.get(case.cabinet)).status_code == 404
    assert (await browser.get(case.cabinet.replace("/test/", "/live/"))).status_code == 404
    by = await member(outsider.id, theirs.merchant_id, address=None)
    assert by is not None
    with pytest.raises(ReturnAddressRefused):
        await case.served.services.return_addresses.decide(by, case.deposit_id, 1, "confirmed", clock.now())
    assert await given() == [(STRANGER, None)]


async def test_a_rejected_address_is_asked_for_again_and_only_the_newest_is_decided(case: Case) -> None:
    await case.give(CUSTOMER)
    admin = await case.served.signed_in(case.admin)
    seen = await admin.get(case.cabinet)
    first_id = re.findall(r'name="address_id" value="(\d+)"', seen.text)[0]
    await case.give(STRANGER)
    # The member decides on what was on the page.
    stale = await admin.send(case.cabinet, decision="confirmed", code=case.admin.code(), address_id=first_id)
    assert stale.status_code == 422
    assert "has given another address meanwhile" in words(stale)
    assert (await admin.send(case.cabinet, decision="rejected")).status_code == 303
    assert await given() == [(CUSTOMER, None), (STRANGER, "rejected")]
    assert "has not accepted the address" in await case.see(case.page)
    desk = await case.served.signed_in(await case.served.account("one@example.test"))
    form = await desk.get(f"/desk/reviews/{case.deposit_id}/return")
    assert STRANGER not in form.text
    assert "The merchant has rejected it." in words(form)
    assert (await case.give(CUSTOMER)).status_code == 303
    assert (await given())[-1] == (CUSTOMER, None)
    # The history is append-only, and what was decided stays.
    for statement in (
        "DELETE FROM return_addresses",
        "UPDATE return_addresses SET address = 'x'",
        "UPDATE return_addresses SET decision = 'confirmed', decided_at = now(), decided_by = 'x' "
        "WHERE decision = 'rejected'",
    ):
        with pytest.raises(asyncpg.RestrictViolationError, match=r"append|never changes|stays|change"):
            await database.execute(statement)


@pytest.mark.parametrize("rule", ["direct", "off"])
async def test_the_merchant_s_rule_decides_what_operators_see(case: Case, rule: str) -> None:
    await case.give(STRANGER)
    one = await case.served.account("one@example.test")
    desk = await case.served.signed_in(one)
    before = await desk.get(f"/desk/reviews/{case.deposit_id}/return")
    assert "has not confirmed it yet" in words(before)
    assert STRANGER not in before.text
    # An admin changes the rule in the settings.
    admin = await case.served.signed_in(case.admin)
    changed = await admin.send(f"/cabinet/{case.merchant_id}/test/settings/returns", return_addresses=rule)
    assert changed.status_code == 303, changed.text
    after = await desk.get(f"/desk/reviews/{case.deposit_id}/return")
    assert (f'value="{STRANGER}"' in after.text) == (rule == "direct")
    page = (await case.customer.get(case.page)).text
    assert (case.url in page) == (rule == "direct")
    assert (await case.give(CUSTOMER)).status_code == (303 if rule == "direct" else 422)


async def test_a_confirmation_and_a_replacement_at_once_leave_one_confirmed_address(case: Case) -> None:
    service = case.served.services.return_addresses
    by = await member(case.admin.id, case.merchant_id, address=None)
    assert by is not None
    await service.give(case.deposit_id, STRANGER, None, given_from="192.0.2.1", now=clock.now())
    newest = await return_addresses_repository.newest(case.deposit_id)
    assert newest is not None
    outcomes = await asyncio.gather(
        service.decide(by, case.deposit_id, newest.id, "confirmed", clock.now()),
        service.decide(by, case.deposit_id, newest.id, "confirmed", clock.now()),
        *(
            service.give(case.deposit_id, address, None, given_from="192.0.2.1", now=clock.now())
            for address in (CUSTOMER, STRANGER)
        ),
        return_exceptions=True,
    )
    assert all(outcome is None or isinstance(outcome, ReturnAddressRefused) for outcome in outcomes), outcomes
    now = await given()
    assert len([each for each in now if each[1] == "confirmed"]) <= 1
    assert now[0][1] != "confirmed" or len(now) == 1, "nothing follows a confirmed one"
    # A stored address is one of many at most.
    await database.execute("UPDATE return_addresses SET decision = 'rejected', decided_at = now(), decided_by = 'x'")
    for number in range(return_addresses.MAX_GIVEN - len(now)):
        address = "0x" + f"{number + 0xABC:040x}"
        await service.give(case.deposit_id, address, None, given_from="192.0.2.1", now=clock.now())
    with pytest.raises(ReturnAddressRefused) as refused:
        await service.give(case.deposit_id, STRANGER, None, given_from="192.0.2.1", now=clock.now())
    assert refused.value.refusal is Refusal.TOO_MANY
