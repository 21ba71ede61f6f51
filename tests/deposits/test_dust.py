"""0.9 % and 1.1 % of an invoice, in its asset and in others, before and after the exact payment: what each changes."""

import pytest
from msgspec.structs import replace

from app.core import clock, database
from app.deposits import repository, reviews
from app.deposits.reviews import ReviewRefused
from app.invoices.reading_repository import MOST_DUST
from app.merchants.terms import Terms
from app.reports import timeline
from app.wiring import Services
from tests.books import assert_books, assert_invoices
from tests.deposits.feed import Feed, share_of
from tests.factories.invoices import AskedInvoice, invoice, reread
from tests.factories.merchants import terms
from tests.factories.operators import operator
from tests.factories.withdrawals import STRANGER, balance, event_types

ETH_DUST_LIMIT_RAW = 10**13
"""The default of a coin with 18 decimals: 0.00001 of it."""


@pytest.fixture
async def feed(services: Services) -> Feed:
    feed = Feed(services)
    feed.begin_anew()
    return feed


@pytest.fixture
async def merchant(services: Services) -> Terms:
    return await terms(service_fee_bps=80)


async def paid_exactly(
    services: Services, feed: Feed, merchant: Terms, before: list[tuple[str, int]], after: list[tuple[str, int]]
) -> tuple[AskedInvoice, AskedInvoice]:
    """An invoice of 5.00 with other deposits before and after the exact one, all of them final."""
    to = await invoice(services, merchant)
    for asset, amount_raw in before:
        await feed.pay(to, amount_raw, asset)
    if before:
        await feed.confirm()
    await feed.pay(to, int(to.pay_in.amount_raw))
    for asset, amount_raw in after:
        await feed.pay(to, amount_raw, asset)
    await feed.confirm()
    return to, await reread(services, to)


@pytest.mark.parametrize("asset", ["USDT", "ETH"])
@pytest.mark.parametrize("when", ["before", "after"])
async def test_dust_changes_nothing(services: Services, feed: Feed, merchant: Terms, asset: str, when: str) -> None:
    new = await invoice(services, merchant)
    dust_raw = share_of(new, 9) if asset == "USDT" else ETH_DUST_LIMIT_RAW - 1
    await feed.pay(new, dust_raw, asset)
    await feed.confirm()
    current = await reread(services, new)
    assert (current.status, current.needs_review, current.review) == ("awaiting_deposit", False, None)
    assert [(d.verdict, d.review_reason, d.status) for d in current.deposits] == [("dust", None, "suspended")]
    assert await event_types(new.id) == ["invoice.created"]
    assert await balance("platform:suspense", asset) == (dust_raw, 0)

    other = [(asset, dust_raw)]
    to, paid = await paid_exactly(
        services, feed, merchant, other if when == "before" else [], other if when == "after" else []
    )
    assert (paid.status, paid.needs_review, paid.credited_raw) == ("paid", False, to.net_raw)
    assert sorted(d.verdict for d in paid.deposits) == ["dust", "exact"]
    assert await event_types(to.id) == ["invoice.created", "invoice.confirming", "invoice.paid"]
    assert await balance(merchant.merchant_id) == (int(to.net_raw), 0)
    assert await balance("platform:suspense", asset) == (2 * dust_raw, 0)
    assert await reviews.list_reviews(open_only=False) == []
    assert await database.fetch_value("SELECT count(*) FROM alerts") == 0
    assert [(d.asset, d.count, d.amount_raw) for d in await repository.dust()] == [(asset, 2, 2 * dust_raw)]
    await assert_books()
    await assert_invoices()


@pytest.mark.parametrize("asset", ["USDT", "ETH"])
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_larger_deposit_gets_a_review_and_the_exact_one_still_pays(
    services: Services, feed: Feed, merchant: Terms, asset: str, when: str
) -> None:
    amount_raw = 55_001 if asset == "USDT" else ETH_DUST_LIMIT_RAW  # 1.1 % of 5.00, and the least that is no dust
    waiting = await invoice(services, merchant)
    await feed.pay(waiting, amount_raw, asset)
    assert ((await reread(services, waiting)).status) == "manual_review"

    other = [(asset, amount_raw)]
    to, paid = await paid_exactly(
        services, feed, merchant, other if when == "before" else [], other if when == "after" else []
    )
    assert (paid.status, paid.needs_review, paid.credited_raw) == ("paid", True, to.net_raw)
    verdict = "second" if when == "after" else "underpaid" if asset == "USDT" else "wrong_asset"
    assert sorted(d.verdict for d in paid.deposits) == sorted(["exact", verdict])
    events = ["invoice.manual_review", "invoice.confirming"]
    assert await event_types(to.id) == [
        "invoice.created",
        *(events if when == "before" else reversed(events)),
        "invoice.paid",
    ]
    assert await balance(merchant.merchant_id) == (int(to.net_raw), 0)
    assert await balance("platform:suspense", asset) == (2 * amount_raw, 0)
    assert await repository.dust() == []
    await assert_books()
    await assert_invoices()


async def test_what_operators_resolve_meanwhile_is_never_credited_twice(
    services: Services, feed: Feed, merchant: Terms
) -> None:
    boss = await operator(services.settings.data_keys)
    for verb, status in (("credit", "paid"), ("close", "closed")):
        new = await invoice(services, merchant)
        await feed.pay(new, 2_000_000)
        await feed.confirm()
        (review,) = await reviews.list_reviews()
        await getattr(services.reviews, verb)(review.deposit_id, boss.id, "settled", clock.now())
        settled = await reread(services, new)
        assert settled.status == status

        await feed.pay(new, int(new.pay_in.amount_raw))  # the exact one arrives
        await feed.confirm()
        current = await reread(services, new)
        assert (current.status, current.needs_review, current.credited_raw) == (status, True, settled.credited_raw)
        assert [d.verdict for d in current.deposits] == ["underpaid", "second"]
        (review,) = await reviews.list_reviews()
        await services.reviews.close(review.deposit_id, boss.id, "asked", clock.now())
    await assert_books()
    await assert_invoices()


async def test_an_operators_credit_pays_when_the_exact_deposit_leaves_the_chain(
    services: Services, feed: Feed, merchant: Terms
) -> None:
    boss = await operator(services.settings.data_keys)
    new = await invoice(services, merchant)
    await feed.pay(new, 2_000_000)
    await feed.confirm()
    await feed.pay(new, int(new.pay_in.amount_raw))
    (review,) = await reviews.list_reviews()
    await services.reviews.credit(review.deposit_id, boss.id, "a part, as agreed", clock.now())
    credited = await reread(services, new)
    assert (credited.status, credited.credited) == ("confirming", True)
    await feed.reorganise(1)
    paid = await reread(services, new)
    assert (paid.status, paid.credited_raw, paid.needs_review) == ("paid", credited.credited_raw, False)
    await feed.find(0)  # the exact one returned: an operator must review it, nothing is credited automatically
    await feed.confirm()
    back = await reread(services, new)
    assert (back.status, back.credited_raw, back.needs_review) == ("paid", credited.credited_raw, True)
    await assert_books()
    await assert_invoices()


async def test_a_review_under_return_does_not_stop_the_exact_payment(
    services: Services, feed: Feed, merchant: Terms
) -> None:
    first, second = [await operator(services.settings.data_keys, f"op{n}@example.test") for n in (1, 2)]
    new = await invoice(services, merchant)
    await feed.pay(new, 2_000_000)
    await feed.confirm()
    (review,) = await reviews.list_reviews()
    refund_id = await services.returns.send_back(review.deposit_id, STRANGER, first.id, "back", clock.now())
    await feed.pay(new, int(new.pay_in.amount_raw))
    await feed.confirm()
    paid = await reread(services, new)
    assert (paid.status, paid.needs_review, paid.credited_raw) == ("paid", True, new.net_raw)
    await services.approvals.reject(refund_id, second.id, "an exchange's address", clock.now())
    (review,) = await reviews.list_reviews()
    with pytest.raises(ReviewRefused, match="reason"):
        await services.reviews.close(review.deposit_id, first.id, "", clock.now())
    await services.reviews.close(review.deposit_id, first.id, "nobody's", clock.now())
    ended = await reread(services, new)
    assert (ended.status, ended.needs_review) == ("paid", False)
    await assert_books()
    await assert_invoices()


async def test_after_a_cancellation_not_even_the_exact_one_pays(
    services: Services, feed: Feed, merchant: Terms
) -> None:
    new = await invoice(services, merchant)
    await services.invoices.cancel(merchant.merchant_id, "test", new.id, clock.now())
    await feed.pay(new, share_of(new, 9))
    assert (await reread(services, new)).status == "cancelled"
    await feed.pay(new, share_of(new, 11))  # which puts it into review
    await feed.pay(new, int(new.pay_in.amount_raw))
    await feed.confirm()
    current = await reread(services, new)
    assert (current.status, current.credited) == ("manual_review", False)
    assert [d.verdict for d in current.deposits] == ["dust", "cancelled", "cancelled"]
    await assert_invoices()


async def test_much_dust_hides_no_other_deposit(services: Services, feed: Feed, merchant: Terms) -> None:
    new = await invoice(services, merchant)
    await feed.mine(*(feed.transfer(new, 1) for _ in range(MOST_DUST + 10)))
    await feed.pay(new, int(new.pay_in.amount_raw))
    await feed.pay(new, 1)
    await feed.confirm()
    paid = await reread(services, new)
    assert (paid.status, paid.received_raw) == ("paid", str(int(new.pay_in.amount_raw) + MOST_DUST + 11))
    assert [d.verdict for d in paid.deposits].count("dust") == MOST_DUST
    assert [d.verdict for d in paid.deposits].count("exact") == 1
    (line,) = await repository.dust()
    assert (line.count, line.amount_raw) == (MOST_DUST + 11, MOST_DUST + 11)
    facts = await timeline.of_invoice(merchant.merchant_id, "test", new.id)
    assert [fact.kind for fact in facts].count("exact") == 1
    await assert_books()


async def test_dust_at_an_address_without_an_invoice_gets_no_review(
    services: Services, feed: Feed, merchant: Terms
) -> None:
    new = await invoice(services, merchant)
    address = await database.fetch_value("SELECT address FROM deposit_addresses WHERE lease_count = 0 LIMIT 1")
    for amount_raw in (9_999, 10_000):  # the limit of a token with 6 decimals is 0.01
        there = feed.transfer(new, amount_raw)
        await feed.mine(replace(there, to_address=address))
    await feed.confirm()
    assert [(review.verdict, review.amount_raw) for review in await reviews.list_reviews()] == [("unknown", 10_000)]
    assert [(line.asset, line.count) for line in await repository.dust()] == [("USDT", 1)]
    await assert_books()
