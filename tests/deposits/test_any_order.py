"""Every sequence of deposits that holds one exact deposit in time ends with the invoice paid, and credited once."""

import os
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as runs
from hypothesis import strategies as st

from app.core import database
from app.deposits.matching import DUST_SHARE
from app.merchants.terms import Terms
from app.wiring import Services
from tests.books import assert_books, assert_invoices
from tests.deposits.feed import Feed, share_of
from tests.factories.invoices import AskedInvoice, invoice, reread
from tests.factories.merchants import terms

EXAMPLES = 25 * max(1, int(os.environ.get("SOAK", "1")))

pytestmark = pytest.mark.timeout(200 + 4 * EXAMPLES)
"""On a busy machine an example takes more than a second."""

FEW = runs(
    max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck), print_blob=True
)

Step = tuple[str, Any]
"""The kind of step, and its argument."""

OTHER_RAW = 10**15
"""A thousandth of an ETH: far above its dust limit."""

payments = st.sampled_from(["exact", "exact", "dust", "0.9 %", "1.1 %", "half", "double", "other dust", "other"]).map(
    lambda kind: ("pay", kind)
)
reorganisations = st.integers(1, 5).map(lambda depth: ("reorganise", depth))
returns = st.integers(0, 9).map(lambda position: ("find", position))
steps = st.lists(st.one_of(payments, payments, reorganisations, returns), max_size=10)


@pytest.fixture
async def feed(services: Services) -> Feed:
    return Feed(services)


@pytest.fixture
async def merchants(services: Services) -> dict[bool, Terms]:
    """One that does not accept parts, and one that does."""
    takers = [await terms(service_fee_bps=80) for _ in range(2)]
    return {False: takers[0], True: Terms(takers[1].merchant_id, "test", 80, "customer", accept_parts=True)}


async def pay(feed: Feed, to: AskedInvoice, kind: str) -> None:
    asset, amount_raw = {
        "exact": ("USDT", int(to.pay_in.amount_raw)),
        "dust": ("USDT", 1),
        "0.9 %": ("USDT", share_of(to, 9)),
        "1.1 %": ("USDT", share_of(to, 11)),
        "half": ("USDT", share_of(to, 500)),
        "double": ("USDT", share_of(to, 2000)),
        "other dust": ("ETH", 1),
        "other": ("ETH", OTHER_RAW),
    }[kind]
    await feed.pay(to, amount_raw, asset)


async def walk(feed: Feed, to: AskedInvoice, taken: list[Step]) -> None:
    """Run the steps; steps without a deposit to act on are left out."""
    for verb, what in taken:
        if verb == "pay":
            await pay(feed, to, what)
        elif verb == "reorganise":
            await feed.reorganise(what)
        elif feed.lost:
            await feed.find(what)
        await assert_invoices()


async def assert_paid_once(services: Services, feed: Feed, to: AskedInvoice) -> None:
    """The invoice is paid and its net credited once; everything else is in suspense, exact to the unit."""
    paid = await reread(services, to)
    assert (paid.status, paid.credited_raw) == ("paid", to.net_raw), paid
    credited = [deposit for deposit in paid.deposits if deposit.status == "credited"]
    assert sum(int(deposit.amount_raw) for deposit in credited) == int(to.pay_in.amount_raw)
    assert {deposit.verdict for deposit in credited} == {"exact"}
    for deposit in paid.deposits:
        assert deposit.status in ("credited", "suspended", "orphaned")
    needs_review = any(deposit.review_reason for deposit in paid.deposits)
    assert paid.needs_review == needs_review
    await assert_invoices()


@pytest.mark.parametrize("in_parts", [False, True])
@FEW
@given(steps=steps, gone=st.booleans(), late=st.booleans())
async def test_one_exact_deposit_pays_whatever_comes_and_goes(
    services: Services,
    feed: Feed,
    merchants: dict[bool, Terms],
    in_parts: bool,
    steps: list[Step],
    gone: bool,
    late: bool,
) -> None:
    to = await begin(services, feed, merchants[in_parts])
    await walk(feed, to, steps)
    # At the end the chain has an exact deposit in time: one that stayed, one that returned, or a new one.
    if gone:
        await forget_unbooked(feed)
    while feed.lost:
        await feed.find(0)
    if not feed.holds(to, int(to.pay_in.amount_raw)):
        await pay(feed, to, "exact")
    if late:  # deposits after the expiry change nothing
        await feed.wait(timedelta(hours=2))
        await pay(feed, to, "half")
        await pay(feed, to, "exact")
    await feed.confirm()
    await assert_paid_once(services, feed, to)
    await assert_books()


parts = st.integers(11, 400).map(lambda per_mille: ("part", per_mille))
dust_deposits = st.sampled_from(["dust", "other dust", "other"]).map(lambda kind: ("pay", kind))


@FEW
@given(
    steps=st.lists(st.one_of(parts, parts, dust_deposits, reorganisations, returns), max_size=8),
    reloads=st.booleans(),
)
async def test_parts_pay_whatever_comes_and_goes(
    services: Services, feed: Feed, merchants: dict[bool, Terms], steps: list[Step], reloads: bool
) -> None:
    """A customer pays parts, and at last all of the missing amount; dust arrives in between, blocks are replaced.
    `reloads`: the last part is the amount that the page then requests, else the amount from before the last dust."""
    to = await begin(services, feed, merchants[True])
    for verb, what in steps:
        if verb == "part":
            missing_raw = int(to.pay_in.amount_raw) - int((await reread(services, to)).received_raw)
            least_raw = -(-int(to.pay_in.amount_raw) // DUST_SHARE)  # a smaller part would be dust
            await feed.pay(to, max(missing_raw * what // 1000, least_raw))
        else:
            await walk(feed, to, [(verb, what)])
        await assert_invoices()
    while feed.lost:
        await feed.find(0)
    now = await reread(services, to)
    if now.status in ("awaiting_deposit", "manual_review"):
        missing_raw = int(to.pay_in.amount_raw) - int(now.received_raw)
        if not reloads:
            missing_raw += sum(
                int(each.amount_raw) for each in now.deposits if (each.asset, each.amount_raw) == ("USDT", "1")
            )
        await feed.pay(to, missing_raw)
        assert (await reread(services, to)).status == "confirming"
    await feed.pay(to, 1)
    await feed.confirm()
    await assert_paid_once(services, feed, to)
    await assert_books()


async def begin(services: Services, feed: Feed, merchant: Terms) -> AskedInvoice:
    """Create an invoice after enough blocks that no reorganisation reaches earlier ones."""
    feed.begin_anew()
    return await invoice(services, merchant, amount="5.00", expires_in=timedelta(hours=1))


async def forget_unbooked(feed: Feed) -> None:
    """Forget the lost transfers, except booked ones: what was credited returns some day."""
    booked = {row["txid"] for row in await database.fetch_all("SELECT txid FROM deposits WHERE times_reversed > 0")}
    feed.lost = [each for each in feed.lost if each.txid in booked]
