"""A price is paid once, whatever customers choose and pay in whatever order, on a chain that is a list of blocks: many
more sequences than tests/money has time for."""

from collections.abc import Awaitable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core import clock
from app.core.errors import ApiError
from app.invoices.presentation import InvoiceBody
from app.invoices.pricing import FeePayer
from app.merchants.terms import Terms
from app.wiring import Services
from tests.books import assert_books, assert_invoices, assert_quotes
from tests.deposits.feed import Feed
from tests.deposits.test_any_order import FEW
from tests.factories.merchants import PRICES, terms
from tests.invoices.test_quotes import ETH, USDT, Shop

Step = tuple[str, Any]

steps = st.lists(
    st.one_of(
        st.sampled_from([USDT, ETH]).map(lambda asset: ("choose", asset)),
        st.tuples(st.integers(0, 3), st.sampled_from(["exact", "exact", "half", "double", "dust", "other"])).map(
            lambda what: ("pay", what)
        ),
        st.tuples(st.integers(0, 3), st.just("exact")).map(lambda what: ("pay", what)),
        st.sampled_from([1, 6, 14, 16]).map(lambda minutes: ("wait", minutes)),
        st.sampled_from(["0.80", "0.91", "1.10"]).map(lambda figure: ("rate", figure)),
        st.integers(1, 6).map(lambda depth: ("reorganise", depth)),
        st.integers(0, 3).map(lambda position: ("find", position)),
        st.just(("cancel", None)),
    ),
    max_size=14,
)


@pytest.fixture
async def shops(services: Services) -> dict[bool, Shop]:
    """One whose merchant takes no parts, and one whose merchant does and allows late payments 3 %."""
    feed = Feed(services)
    found = {}
    for in_parts in (False, True):
        merchant = await terms(service_fee_bps=80)
        payer: FeePayer = "customer" if in_parts else "merchant"
        found[in_parts] = Shop(
            services, feed, Terms(merchant.merchant_id, "test", 80, payer, accept_parts=in_parts, prices=PRICES)
        )
    await found[True].allow_late(300)
    return found


async def unless_refused(code: str, step: Awaitable[object]) -> None:
    """Take a step that may be refused with this code alone."""
    try:
        await step
    except ApiError as error:
        if error.code != code:
            raise


async def take(shop: Shop, invoice: InvoiceBody, verb: str, what: Any) -> None:
    """One step; it is left out where there is nothing to take it on."""
    match verb:
        case "choose":
            await unless_refused("INVOICE_NOT_QUOTABLE", shop.choose(invoice, what))
        case "pay":
            place, kind = what
            quotes = (await shop.now(invoice)).quotes
            if quotes:
                quote = quotes[place % len(quotes)]
                asked_raw = int(quote.pay_in.amount_raw)
                share = {"exact": 1000, "half": 500, "double": 2000, "dust": 5, "other": 1000}[kind]
                asset = {"USDT": "ETH", "ETH": "USDT"}[quote.pay_in.asset] if kind == "other" else None
                await shop.pay(quote, max(asked_raw * share // 1000, 1), asset)
        case "wait":
            await shop.wait(what)
        case "rate":
            await shop.rates(USDT=what)
        case "reorganise":
            shop.feed.now = clock.now()
            await shop.feed.reorganise(what)
        case "find" if shop.feed.lost:
            shop.feed.now = clock.now()
            await shop.feed.find(what)
        case "cancel":
            cancel = shop.services.invoices.cancel(shop.terms.merchant_id, "test", invoice.id, clock.now())
            await unless_refused("INVOICE_NOT_CANCELLABLE", cancel)


@pytest.mark.parametrize("in_parts", [False, True])
@FEW
@given(taken=steps)
async def test_a_price_is_paid_once_whatever_is_chosen_and_paid(
    shops: dict[bool, Shop], in_parts: bool, taken: list[Step]
) -> None:
    shop = shops[in_parts]
    shop.feed.begin_anew()
    await shop.rates(USDT="0.92")
    new = await shop.sell()
    for verb, what in taken:
        await take(shop, new, verb, what)
        await assert_invoices()
        await assert_quotes()
    while shop.feed.lost:
        shop.feed.now = clock.now()
        await shop.feed.find(0)
    await shop.wait(300)
    await shop.wait(1)
    await shop.settle()
    await assert_quotes()
    rest = await shop.now(new)
    assert rest.status not in ("awaiting_choice", "awaiting_deposit", "confirming")
    exact = [deposit for deposit in rest.deposits if deposit.verdict == "exact"]
    assert len({deposit.asset for deposit in exact}) <= 1, "one quote was paid"
    assert (rest.status in ("paid", "refunded")) == bool(exact)
    assert all(quote.state != "open" for quote in rest.quotes)
    await assert_books()
