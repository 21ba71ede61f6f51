"""When an invoice expires, and which refunds make it fully refunded."""

from datetime import timedelta

import pytest

from app.core import clock, database
from app.deposits import reviews
from app.merchants.terms import Terms
from app.wiring import Services
from tests.deposits.feed import Feed
from tests.factories.invoices import invoice, reread
from tests.factories.merchants import terms
from tests.factories.operators import operator
from tests.factories.withdrawals import NETWORK


@pytest.fixture
async def merchant(services: Services) -> Terms:
    return await terms(service_fee_bps=80)


async def test_an_invoice_does_not_expire_before_its_last_block_was_read(services: Services, merchant: Terms) -> None:
    """A watcher that is behind may not have read a payment in time yet."""
    new = await invoice(services, merchant, expires_in=timedelta(minutes=10))
    end = clock.now() + timedelta(minutes=10)
    long_after = end + timedelta(hours=2)
    assert await services.invoices.expire_due(NETWORK, end - timedelta(minutes=1), long_after) == []
    assert (await reread(services, new)).status == "awaiting_deposit"
    # A block of a node whose clock is ahead does not cover the future.
    assert await services.invoices.expire_due(NETWORK, long_after, end - timedelta(minutes=1)) == []
    assert await services.invoices.expire_due(NETWORK, long_after, long_after) == [new.id]
    assert (await reread(services, new)).status == "expired"


@pytest.mark.parametrize(("came_raw", "name"), [(2_000_000, "less"), (9_000_000, "more")])
async def test_a_refund_is_full_if_it_equals_the_credit(
    services: Services, merchant: Terms, came_raw: int, name: str
) -> None:
    """An operator credits another amount than the invoice's: a refund of all of it is full, of less is partial."""
    feed = Feed(services)
    feed.begin_anew()
    new = await invoice(services, merchant)
    await feed.pay(new, came_raw)
    await feed.confirm()
    boss = await operator(services.settings.data_keys)
    (review,) = await reviews.list_reviews()
    await services.reviews.credit(review.deposit_id, boss.id, "as agreed", clock.now())
    credited_raw = int((await reread(services, new)).credited_raw or 0)
    assert credited_raw != int(new.net_raw)

    async def refund(refunded_raw: int) -> str:
        async with database.transaction():
            await services.invoices.refund(new.id, refunded_raw, clock.now())
        return (await reread(services, new)).status

    assert await refund(credited_raw - 1) == "partially_refunded"
    assert await refund(credited_raw) == "refunded"
