"""What credits, payouts and refunds were worth: by the rate of their moment, or not known, and never later."""

import json
from datetime import timedelta

import msgspec
import pytest

from app.core import clock, database
from app.merchants import repository as merchants
from app.merchants.terms import Terms
from app.refunds.service import NewRefund
from app.wiring import Services
from app.withdrawals.presentation import RefundBody
from app.worth.presentation import WorthBody
from tests.books import assert_books
from tests.deposits.feed import Feed
from tests.factories.invoices import invoice, reread
from tests.factories.merchants import terms
from tests.factories.operators import operator
from tests.factories.payments import CONFIRMATIONS
from tests.factories.rates import store_rate
from tests.factories.withdrawals import approve, confirm, fund, payout, send


@pytest.fixture
async def feed(services: Services) -> Feed:
    feed = Feed(services)
    feed.begin_anew()
    return feed


async def report_in(merchant: Terms, currency: str | None) -> None:
    await database.execute("UPDATE merchants SET reporting_currency = $2 WHERE id = $1", merchant.merchant_id, currency)


@pytest.fixture
async def merchant(services: Services) -> Terms:
    """A merchant that keeps its books in euros, takes parts and pays no fee."""
    plain = await terms(service_fee_bps=0)
    await report_in(plain, "EUR")
    return Terms(plain.merchant_id, "test", 0, "merchant", accept_parts=True)


def eur(amount: str) -> WorthBody:
    return WorthBody(amount_decimal=amount, currency="EUR")


async def of_event(type: str) -> object:
    return json.loads(await database.fetch_value("SELECT data FROM events WHERE type = $1", type))["worth"]


async def test_a_credit_is_worth_what_the_rate_of_its_moment_says(
    services: Services, feed: Feed, merchant: Terms
) -> None:
    new = await invoice(services, merchant, amount="100.00")
    await feed.pay(new, int(new.pay_in.amount_raw))
    assert (await reread(services, new)).worth is None, "it is not booked yet"
    await store_rate("USDT", "EUR", "0.92", feed.now)
    await feed.confirm()
    assert (await reread(services, new)).worth == eur("92.00")
    assert await of_event("invoice.paid") == {"amount_decimal": "92.00", "currency": "EUR"}
    await store_rate("USDT", "EUR", "0.50", feed.now)
    await report_in(merchant, "USD")
    assert (await reread(services, new)).worth == eur("92.00"), "it stays what it was"
    await assert_books()


async def test_without_a_rate_or_a_currency_it_is_not_known_and_is_never_filled_in(
    services: Services, feed: Feed, merchant: Terms
) -> None:
    unrated = await invoice(services, merchant, amount="100.00")
    await feed.pay(unrated, int(unrated.pay_in.amount_raw))
    await feed.confirm()
    await store_rate("USDT", "EUR", "0.92", feed.now)
    await feed.tick()
    paid = await reread(services, unrated)
    assert (paid.status, paid.worth) == ("paid", None)
    await report_in(merchant, None)
    private = await invoice(services, merchant, amount="100.00")
    await feed.pay(private, int(private.pay_in.amount_raw))
    await feed.confirm()
    await report_in(merchant, "EUR")
    assert ((shown := await reread(services, private)).status, shown.worth) == ("paid", None)


async def test_parts_add_up_and_a_credit_that_is_made_again_has_a_worth_of_its_own(
    services: Services, feed: Feed, merchant: Terms
) -> None:
    new = await invoice(services, merchant, amount="100.00")
    for amount_raw in (40_000_000, int(new.pay_in.amount_raw) - 40_000_000):
        await feed.pay(new, amount_raw)
    await store_rate("USDT", "EUR", "0.90", feed.now)
    await feed.confirm()
    assert (await reread(services, new)).worth == eur("90.00")
    await feed.reorganise(CONFIRMATIONS + 1)
    await store_rate("USDT", "EUR", "0.80", feed.now)
    while feed.lost:
        await feed.find(-1)
    await feed.confirm()
    again = await reread(services, new)
    assert again.worth is not None
    assert again.worth.currency == "EUR"
    assert 80 <= float(again.worth.amount_decimal) < 90
    await assert_books()


async def test_a_credit_is_not_known_where_one_of_its_parts_had_no_rate(
    services: Services, feed: Feed, merchant: Terms
) -> None:
    new = await invoice(services, merchant, amount="100.00")
    for amount_raw in (40_000_000, int(new.pay_in.amount_raw) - 40_000_000):
        await feed.pay(new, amount_raw)
    await store_rate("USDT", "EUR", "0.90", feed.now)
    await feed.confirm()
    assert (await reread(services, new)).worth == eur("90.00")
    await feed.reorganise(CONFIRMATIONS + 1)  # the second part alone is booked again
    await store_rate("USDT", "EUR", None, feed.now)
    while feed.lost:
        await feed.find(-1)
    await feed.confirm()
    assert ((shown := await reread(services, new)).status, shown.worth) == ("paid", None)
    known = await database.fetch_all(
        "SELECT worth_raw FROM worths w JOIN deposits d ON d.id = w.reference_id"
        " WHERE d.invoice = $1 AND d.status = 'credited' AND d.times_reversed = 0",
        new.id,
    )
    assert [row["worth_raw"] for row in known] == [3_600], "the first part's worth alone would be too little"
    await store_rate("USDT", "EUR", "0.80", feed.now)
    await feed.tick()
    assert (await reread(services, new)).worth is None, "a rate of another time says nothing"
    await assert_books()


async def test_a_refund_is_worth_what_it_was_when_it_was_confirmed(
    services: Services, feed: Feed, merchant: Terms
) -> None:
    new = await invoice(services, merchant, amount="100.00")
    await store_rate("USDT", "EUR", "0.90", feed.now)
    await feed.pay(new, int(new.pay_in.amount_raw))
    await feed.confirm()
    by = await operator(services.settings.data_keys)

    async def confirmed(amount: str, figure: str | None) -> RefundBody:
        asked = NewRefund(amount=amount, refund_address="0x" + 20 * "22", requested_by="api_key:k")
        body = await services.refunds.create(merchant.merchant_id, "test", new.id, asked, None, clock.now())
        requested = msgspec.json.decode(body, type=RefundBody)
        assert requested.worth is None
        await approve(services, requested.id, by)
        await send(services, requested.id)
        await store_rate("USDT", "EUR", figure, clock.now())
        await confirm(services, requested.id)
        done = await services.withdrawal_reader.refund(merchant.merchant_id, "test", requested.id)
        assert done is not None
        assert done.status == "confirmed"
        return done

    assert (await confirmed("25.00", "0.88")).worth == eur("22.00"), "by its own rate, not by the payment's"
    assert await of_event("refund.confirmed") == {"amount_decimal": "22.00", "currency": "EUR"}
    assert (await confirmed("10.00", None)).worth is None
    assert (await reread(services, new)).worth == eur("90.00"), "what came in keeps its worth"
    await assert_books()


async def test_a_payout_is_worth_what_it_was_when_it_was_confirmed(services: Services, merchant: Terms) -> None:
    await fund(merchant.merchant_id, 100_000_000)
    by = await operator(services.settings.data_keys)
    requested = await payout(services, merchant.merchant_id, "10.00")
    assert requested.worth is None
    await approve(services, requested.id, by)
    await send(services, requested.id)
    await store_rate("USDT", "EUR", "0.92", clock.now())
    await confirm(services, requested.id)
    done = await services.withdrawal_reader.payout(merchant.merchant_id, "test", requested.id)
    assert done is not None
    assert done.worth == eur("9.20")
    assert await of_event("payout.confirmed") == {"amount_decimal": "9.20", "currency": "EUR"}


async def test_a_worth_never_changes(services: Services, feed: Feed, merchant: Terms) -> None:
    new = await invoice(services, merchant, amount="100.00")
    await store_rate("USDT", "EUR", "0.92", feed.now + timedelta(seconds=48))
    await feed.pay(new, int(new.pay_in.amount_raw))
    await feed.confirm()
    assert (await reread(services, new)).worth is not None
    for statement in ("UPDATE worths SET worth_raw = 1", "DELETE FROM worths"):
        with pytest.raises(Exception, match=r"append|change|kept"):
            await database.execute(statement)


async def test_the_currencies_of_the_books_are_refreshed_too(merchant: Terms) -> None:
    await report_in(merchant, "CHF")
    assert await merchants.currencies_in_use() == ["CHF", "EUR", "USD"]
