"""Payments in parts: when they pay, what the page asks for, and what happens to incomplete parts."""

from datetime import timedelta
from typing import cast

import pytest
from msgspec.structs import replace

from app.checkout.source import checkout_view
from app.checkout.view import CheckoutView
from app.checkout.wording import Words, put_into_words
from app.core import clock, database
from app.core.money import format_amount
from app.deposits import reviews
from app.invoices.presentation import Due
from app.invoices.reader import PublicInvoice
from app.merchants.terms import Terms
from app.web.languages import ENGLISH
from app.wiring import Services
from tests.books import assert_books, assert_invoices
from tests.deposits.feed import Feed
from tests.factories.invoices import AskedInvoice, invoice, reread
from tests.factories.merchants import terms
from tests.factories.operators import operator
from tests.factories.payments import CONFIRMATIONS
from tests.factories.withdrawals import STRANGER, approve, balance, confirm, event_types, send


@pytest.fixture
async def feed(services: Services) -> Feed:
    feed = Feed(services)
    feed.begin_anew()
    return feed


@pytest.fixture
async def merchant(services: Services) -> Terms:
    """At 0.8 %, so that the fee has to be divided among the parts."""
    plain = await terms(service_fee_bps=80)
    return Terms(plain.merchant_id, "test", 80, "merchant", accept_parts=True)


async def new_invoice(services: Services, merchant: Terms) -> AskedInvoice:
    return await invoice(services, merchant, amount="5.00", expires_in=timedelta(minutes=30))


class AskedPublic(PublicInvoice, frozen=True):
    """A public invoice that asks for an amount of an asset."""

    body: AskedInvoice
    due: Due


async def shown(services: Services, to: AskedInvoice) -> AskedPublic:
    return cast(AskedPublic, await services.invoice_reader.get_public(to.id))


async def verdicts(services: Services, to: AskedInvoice) -> list[str]:
    return [deposit.verdict for deposit in (await reread(services, to)).deposits]


async def test_parts_that_add_up_pay_once_the_last_is_final(services: Services, feed: Feed, merchant: Terms) -> None:
    new = await new_invoice(services, merchant)
    asked_raw = int(new.pay_in.amount_raw)
    await feed.pay(new, 2_000_001)
    await feed.confirm()
    first = await reread(services, new)
    assert (first.status, first.received_raw, first.needs_review) == ("awaiting_deposit", "2000001", False)
    assert [(d.verdict, d.status, d.review_reason) for d in first.deposits] == [("part", "suspended", None)]
    assert await balance("platform:suspense") == (2_000_001, 0)

    await feed.pay(new, asked_raw - 2_000_001)
    assert (await reread(services, new)).status == "confirming"
    assert await balance(merchant.merchant_id) == (0, 0)

    await feed.confirm()
    paid = await reread(services, new)
    assert (paid.status, paid.credited_raw, paid.needs_review) == ("paid", new.net_raw, False)
    assert [(d.verdict, d.status) for d in paid.deposits] == [("exact", "credited")] * 2
    assert await balance(merchant.merchant_id) == (int(new.net_raw), 0)
    assert await balance("platform:fees") == (int(new.service_fee_raw), 0)
    assert await balance("platform:suspense") == (0, 0)
    assert await event_types(new.id) == ["invoice.created", "invoice.confirming", "invoice.paid"]
    await assert_books()
    await assert_invoices()


async def test_the_page_requests_the_missing_amount_dust_included(
    services: Services, feed: Feed, merchant: Terms
) -> None:
    new = await new_invoice(services, merchant)
    whole = await shown(services, new)
    assert (whole.due.amount_decimal, whole.due.payment_uri) == (new.pay_in.amount_decimal, new.pay_in.payment_uri)
    await feed.pay(new, 2_000_000)
    await feed.pay(new, 7)
    rest = await shown(services, new)
    missing_raw = int(new.pay_in.amount_raw) - 2_000_007
    assert rest.due.missing_raw == missing_raw
    assert f"uint256={missing_raw}" in rest.due.payment_uri
    assert (rest.body.pay_in.amount_raw, rest.body.received_raw) == (new.pay_in.amount_raw, "2000007")
    await feed.pay(new, missing_raw)
    await feed.confirm()
    paid = await reread(services, new)
    assert (paid.status, paid.credited_raw) == ("paid", new.net_raw)
    assert {d.verdict for d in paid.deposits} == {"exact"}, "the dust is a part of the sum"


async def test_dust_between_two_parts_stays_in_suspense(services: Services, feed: Feed, merchant: Terms) -> None:
    new = await new_invoice(services, merchant)
    await feed.pay(new, 2_000_000)
    await feed.pay(new, 7)
    await feed.pay(new, int(new.pay_in.amount_raw) - 2_000_000)  # without loading the page again
    await feed.pay(new, 3)
    await feed.confirm()
    paid = await reread(services, new)
    assert (paid.status, paid.credited_raw, paid.needs_review) == ("paid", new.net_raw, False)
    assert await verdicts(services, new) == ["exact", "dust", "exact", "dust"]
    assert await balance("platform:suspense") == (10, 0)
    await assert_books()


async def test_another_asset_in_review_does_not_stop_the_parts(services: Services, feed: Feed, merchant: Terms) -> None:
    new = await new_invoice(services, merchant)
    await feed.pay(new, 10**15, "ETH")
    await feed.pay(new, 2_000_000)
    assert (await reread(services, new)).status == "manual_review"
    await feed.pay(new, int(new.pay_in.amount_raw) - 2_000_000)
    await feed.confirm()
    paid = await reread(services, new)
    assert (paid.status, paid.needs_review, paid.credited_raw) == ("paid", True, new.net_raw)
    await assert_invoices()


async def test_the_whole_amount_in_one_transfer_pays_and_the_parts_get_a_review(
    services: Services, feed: Feed, merchant: Terms
) -> None:
    new = await new_invoice(services, merchant)
    await feed.pay(new, 2_000_000)
    await feed.pay(new, int(new.pay_in.amount_raw))
    await feed.confirm()
    paid = await reread(services, new)
    assert (paid.status, paid.needs_review, paid.credited_raw) == ("paid", True, new.net_raw)
    assert await verdicts(services, new) == ["second", "exact"]
    assert [(review.verdict, review.amount_raw) for review in await reviews.list_reviews()] == [("second", 2_000_000)]
    assert await balance("platform:suspense") == (2_000_000, 0)
    await assert_books()
    await assert_invoices()


async def test_a_part_that_is_too_large_opens_a_review_at_once(services: Services, feed: Feed, merchant: Terms) -> None:
    new = await new_invoice(services, merchant)
    await feed.pay(new, 2_000_000)
    await feed.pay(new, 4_000_000)
    current = await reread(services, new)
    assert (current.status, current.needs_review) == ("manual_review", True)
    assert await verdicts(services, new) == ["part", "overpaid"]
    assert (await shown(services, new)).due.missing_raw < 0


@pytest.mark.parametrize("confirmed", [False, True])
async def test_when_the_time_is_up_parts_go_to_review(
    services: Services, feed: Feed, merchant: Terms, confirmed: bool
) -> None:
    new, empty = await new_invoice(services, merchant), await new_invoice(services, merchant)
    await feed.pay(new, 2_000_000)
    await feed.pay(new, 7)
    await feed.pay(empty, 7)
    if confirmed:
        await feed.confirm()
    await feed.wait(timedelta(minutes=31))
    await feed.confirm()
    current = await reread(services, new)
    assert (current.status, current.needs_review) == ("manual_review", True)
    assert await verdicts(services, new) == ["underpaid", "dust"]
    assert await event_types(new.id) == ["invoice.created", "invoice.manual_review"]
    assert (await reread(services, empty)).status == "expired", "dust alone keeps no invoice open"
    # A late part goes to review like any other late deposit,
    await feed.pay(new, int(new.pay_in.amount_raw) - 2_000_007)
    await feed.confirm()
    assert (await verdicts(services, new))[-1] == "late"
    # and an operator credits what came, the fee in proportion.
    boss = await operator(services.settings.data_keys)
    for review in await reviews.list_reviews():
        await services.reviews.credit(review.deposit_id, boss.id, "late, but all there", clock.now())
    paid = await reread(services, new)
    assert (paid.status, paid.needs_review) == ("paid", False)
    assert await balance("platform:suspense") == (14, 0)
    await assert_books()
    await assert_invoices()


async def test_a_cancellation_opens_reviews_of_the_parts(services: Services, feed: Feed, merchant: Terms) -> None:
    new = await new_invoice(services, merchant)
    await feed.pay(new, 2_000_000)
    cancelled = await services.invoices.cancel(merchant.merchant_id, "test", new.id, clock.now())
    assert cancelled.status == "cancelled"
    await feed.mine()
    current = await reread(services, new)
    assert (current.status, current.needs_review) == ("manual_review", True)
    assert await verdicts(services, new) == ["cancelled"]
    await feed.pay(new, int(new.pay_in.amount_raw) - 2_000_000)  # the remaining amount no longer pays it
    assert await verdicts(services, new) == ["cancelled", "cancelled"]
    await assert_invoices()


async def test_a_part_that_a_reorganisation_removes_is_missing_again(
    services: Services, feed: Feed, merchant: Terms
) -> None:
    new = await new_invoice(services, merchant)
    asked_raw = int(new.pay_in.amount_raw)
    await feed.pay(new, asked_raw - 2_000_000)
    await feed.pay(new, 2_000_000)
    assert (await reread(services, new)).status == "confirming"
    await feed.reorganise(1)
    away = await reread(services, new)
    assert (away.status, away.received_raw) == ("awaiting_deposit", str(asked_raw - 2_000_000))
    assert (await shown(services, new)).due.missing_raw == 2_000_000
    # It was made in time, so the invoice waits for it although its time is up,
    await feed.wait(timedelta(minutes=31))
    assert (await reread(services, new)).status == "awaiting_deposit"
    # and is paid once it is back.
    await feed.find(0)
    await feed.confirm()
    paid = await reread(services, new)
    assert (paid.status, paid.credited_raw, paid.needs_review) == ("paid", new.net_raw, False)
    await assert_books()
    await assert_invoices()


async def test_a_credited_part_that_a_deep_reorganisation_removes_is_credited_again(
    services: Services, feed: Feed, merchant: Terms
) -> None:
    new = await new_invoice(services, merchant)
    asked_raw = int(new.pay_in.amount_raw)
    for amount_raw in (1_000_001, 1_000_002, asked_raw - 2_000_003):
        await feed.pay(new, amount_raw)
    await feed.confirm()
    before = await balance(merchant.merchant_id)
    await feed.reorganise(CONFIRMATIONS + 1)
    taken = await reread(services, new)
    assert taken.status == "paid"
    assert int(taken.credited_raw or 0) < int(new.net_raw)
    while feed.lost:
        await feed.find(-1)
    await feed.confirm()
    back = await reread(services, new)
    assert (back.status, back.credited_raw, back.needs_review) == ("paid", new.net_raw, False)
    assert await balance(merchant.merchant_id) == before == (int(new.net_raw), 0)
    assert await balance("platform:fees") == (int(new.service_fee_raw), 0)
    await assert_books()
    await assert_invoices()


async def test_parts_wait_while_suspense_is_below_zero(services: Services, feed: Feed, merchant: Terms) -> None:
    new = await new_invoice(services, merchant)
    await feed.pay(new, 2_000_000)
    await feed.confirm()
    await feed.pay(new, int(new.pay_in.amount_raw) - 2_000_000)
    await feed.confirm()
    assert (await reread(services, new)).status == "paid"

    # Given suspense below zero: it has paid out a deposit that the chain then removed,
    other = await new_invoice(services, merchant)
    await feed.pay(other, 9_000_000)
    await feed.confirm()
    first, second = [await operator(services.settings.data_keys, f"op{n}@example.test") for n in (1, 2)]
    (review,) = await reviews.list_reviews()
    refund_id = await services.returns.send_back(review.deposit_id, STRANGER, first.id, "back", clock.now())
    await approve(services, refund_id, second)
    await send(services, refund_id)
    await confirm(services, refund_id)
    await feed.reorganise(CONFIRMATIONS + 1)
    assert (await balance("platform:suspense"))[0] == -9_000_000
    # when parts are complete,
    third = await new_invoice(services, merchant)
    await feed.pay(third, 2_000_000)
    await feed.pay(third, int(third.pay_in.amount_raw) - 2_000_000)
    await feed.confirm()
    # then they wait, the watcher continues, and they are credited when the deposit returns.
    assert (await reread(services, third)).status == "confirming"
    await feed.find(0)
    await feed.confirm()
    paid = await reread(services, third)
    assert (paid.status, paid.credited_raw) == ("paid", third.net_raw)
    await assert_books()


async def test_the_switch_is_the_invoices_own(services: Services, feed: Feed, merchant: Terms) -> None:
    """It applies from the next invoice on: an earlier invoice keeps its rule."""
    strict = Terms(merchant.merchant_id, "test", 80, "merchant")
    before, after = await new_invoice(services, strict), await new_invoice(services, merchant)
    for to in (before, after):
        await feed.pay(to, 2_000_000)
    assert (await reread(services, before)).status == "manual_review"
    assert (await reread(services, after)).status == "awaiting_deposit"
    assert await database.fetch_value("SELECT accept_parts FROM merchants WHERE id = $1", merchant.merchant_id) is False


async def test_the_texts_of_the_page_from_the_first_part_to_the_last(
    services: Services, feed: Feed, merchant: Terms
) -> None:
    new = await new_invoice(services, merchant)

    async def page() -> tuple[CheckoutView, Words]:
        network = services.networks.by("ethereum", "test")
        public = await shown(services, new)
        view = checkout_view(
            public, [], network, slug="a", links=services.links, language=ENGLISH, with_wallet=False, now=feed.now
        )
        return view, put_into_words(view, ENGLISH)

    view, words = await page()
    assert (view.amount_decimal, words.amount_label) == (new.pay_in.amount_decimal, "Send exactly")
    assert words.headline == "Waiting for your payment"
    await feed.pay(new, 2_000_000)
    await feed.pay(new, 7)
    view, words = await page()
    missing = format_amount(int(new.pay_in.amount_raw) - 2_000_007, 6)
    assert (view.amount_decimal, words.amount_label) == (missing, "Still missing: send exactly")
    assert words.headline == f"{missing} USDT still to send"
    assert view.came_percent == 2_000_007 * 100 // int(new.pay_in.amount_raw)
    assert words.tail_hint == f"2.000007 of {new.pay_in.amount_decimal} USDT have come in."
    assert view.payment_uri == (await shown(services, new)).due.payment_uri != new.pay_in.payment_uri
    assert [deposit.amount_decimal for deposit in view.deposits] == ["2.00"], "dust is not reported here"
    # A stranger's deposit in another asset: the page says so, and the customer can still pay the rest.
    await feed.pay(new, 10**15, "ETH")
    view, words = await page()
    assert (view.status, view.is_payable, view.may_still_be_paid) == ("manual_review", False, True)
    assert view.amount_decimal == missing
    # Confirmations are those of the payment, whatever dust came last.
    await feed.pay(new, int(new.pay_in.amount_raw) - 2_000_007)
    await feed.mine()
    await feed.pay(new, 1)
    await database.execute(
        "INSERT INTO network_cursors (network, chain_identity, start_height, scanned_height, head_height,"
        " covered_until, checked_at) VALUES ('ethereum:test', '31337', 0, $1, $1, now(), now())",
        feed.head_height,
    )
    view, words = await page()
    assert (view.status, view.confirmations_seen) == ("paid", 3)


async def test_when_dust_makes_the_sum_too_large_the_page_requests_nothing_more(
    services: Services, feed: Feed, merchant: Terms
) -> None:
    new = await new_invoice(services, merchant)
    asked_raw = int(new.pay_in.amount_raw)
    await feed.pay(new, asked_raw - 10)
    await feed.pay(new, 11)
    public = await shown(services, new)
    view = checkout_view(
        public,
        [],
        services.networks.by("ethereum", "test"),
        slug="a",
        links=services.links,
        language=ENGLISH,
        with_wallet=False,
        now=feed.now,
    )
    assert (view.status, view.is_payable, view.is_overfull) == ("awaiting_deposit", False, True)
    assert "don’t send anything now" in put_into_words(view, ENGLISH).next_step
    await feed.wait(timedelta(minutes=31))
    assert (await reread(services, new)).status == "manual_review"


async def test_a_deposit_found_by_its_balance_is_no_part_of_a_payment(
    services: Services, feed: Feed, merchant: Terms
) -> None:
    """A balance above the seen transfers counts as a deposit: an operator must review it, and it never pays."""
    new = await invoice(services, merchant, amount="0.01", currency="ETH", expires_in=timedelta(minutes=30))
    asked_raw = int(new.pay_in.amount_raw)
    await feed.pay(new, asked_raw // 2, "ETH")
    dust = feed.transfer(new, 10**10, "ETH", None)
    await feed.mine(replace(dust, inferred=True))
    await feed.pay(new, asked_raw - asked_raw // 2 - 10**10, "ETH")  # as the page requests, which counts the dust
    assert (await reread(services, new)).status == "awaiting_deposit"
    rest = feed.transfer(new, asked_raw // 4, "ETH", None)
    await feed.mine(replace(rest, inferred=True))
    await feed.confirm()
    current = await reread(services, new)
    assert (current.status, current.credited) == ("manual_review", False)
    assert [deposit.verdict for deposit in current.deposits] == ["part", "dust", "part", "in_review"]


async def test_dust_that_counted_is_dust_again_when_the_payment_is_reorganised(
    services: Services, feed: Feed, merchant: Terms
) -> None:
    new = await new_invoice(services, merchant)
    await feed.pay(new, 7)
    await feed.pay(new, 2_000_000)
    await feed.pay(new, int(new.pay_in.amount_raw) - 2_000_007)
    assert await verdicts(services, new) == ["part", "part", "part"]
    await feed.reorganise(1)
    await feed.wait(timedelta(hours=4))  # the last part never returns
    await feed.confirm()
    current = await reread(services, new)
    assert (current.status, current.needs_review) == ("manual_review", True)
    assert [(d.verdict, d.status) for d in current.deposits] == [
        ("dust", "suspended"),
        ("underpaid", "suspended"),
        ("part", "orphaned"),
    ]
    assert len(await reviews.list_reviews()) == 1
    await assert_invoices()
