"""Many payments at once, as an exchange sends them: each counts as it would alone, and one that can't be booked stops
no other."""

from datetime import timedelta

import asyncpg
import pytest

from app.core import clock, database
from app.deposits import settling
from app.deposits.bookings import booking_reference
from app.ledger import service as ledger
from app.ledger.hashchain import ChainId
from app.ledger.service import Posting
from app.merchants.terms import Terms
from app.networks.port import Transfer
from app.wiring import Services
from tests.books import assert_books, assert_invoices
from tests.deposits.feed import Feed
from tests.factories.invoices import AskedInvoice, invoice, reread
from tests.factories.merchants import terms
from tests.factories.withdrawals import NETWORK, event_types


@pytest.fixture
async def feed(services: Services) -> Feed:
    feed = Feed(services)
    feed.begin_anew()
    return feed


@pytest.fixture
async def merchant() -> Terms:
    plain = await terms(service_fee_bps=80)
    return Terms(plain.merchant_id, "test", 80, "merchant", accept_parts=True)


async def test_each_transfer_of_a_block_counts_as_it_would_alone(
    services: Services, feed: Feed, merchant: Terms, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One block has them all; a block for each, to another merchant, ends the same. More are due than one transaction
    books."""
    monkeypatch.setattr(settling, "SETTLE_AT_ONCE", 4)
    other = Terms((await terms(service_fee_bps=80)).merchant_id, "test", 80, "merchant", accept_parts=True)
    together = [await invoice(services, merchant, amount="5.00") for _ in range(9)]
    alone = [await invoice(services, other, amount="5.00") for _ in range(9)]
    await feed.mine(*transfers(feed, together))
    first = await reread(services, together[0])
    assert (first.status, first.received_raw) == ("confirming", first.pay_in.amount_raw)
    for transfer in transfers(feed, alone):
        await feed.mine(transfer)
    await feed.confirm()

    assert [await outcome(services, each) for each in together] == [await outcome(services, each) for each in alone]
    states = [(await reread(services, each)).status for each in together]
    assert states == ["paid"] * 6 + ["paid", "manual_review", "awaiting_deposit"]
    assert await event_types(together[0].id) == ["invoice.created", "invoice.confirming", "invoice.paid"]
    assert not (await reread(services, together[0])).deposits[0].is_gone
    leased = await database.fetch_value(
        "SELECT count(*) FROM deposit_addresses WHERE invoice_id = ANY($1)", [each.id for each in together]
    )
    assert leased == 2, "an address that is needed no more is given back"
    await assert_books()
    await assert_invoices()


async def test_one_deposit_that_cannot_be_booked_stops_no_other(
    services: Services, feed: Feed, merchant: Terms, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settling, "READ_AT_ONCE", 2)
    invoices = [await invoice(services, merchant, amount="5.00") for _ in range(7)]
    await feed.mine(*(feed.transfer(each, int(each.pay_in.amount_raw)) for each in invoices))
    bad = invoices[3]
    deposit_id = (await reread(services, bad)).deposits[0].id
    chain = ChainId(owner=merchant.merchant_id, network=NETWORK, asset="USDT")
    taken = Posting(chain, "invoice_credit", 1, 0, booking_reference(deposit_id, 0))  # a ledger takes each fact once
    async with database.transaction():
        await ledger.post([taken], clock.now())
    await feed.confirm()

    states = {each.id: (await reread(services, each)).status for each in invoices}
    assert states == {each.id: "confirming" if each is bad else "paid" for each in invoices}
    assert (await reread(services, bad)).credited is False
    assert await event_types(bad.id) == ["invoice.created", "invoice.confirming"]
    assert await alerts() == [("critical", deposit_id, 1)]

    await feed.mine()
    assert await alerts() == [("critical", deposit_id, 1)], "it is left alone for a while"
    feed.now += timedelta(minutes=2)
    await feed.mine()
    assert await alerts() == [("critical", deposit_id, 2)], "then it is tried again"


async def test_a_lock_that_others_hold_is_no_deposits_fault(services: Services, feed: Feed, merchant: Terms) -> None:
    invoices = [await invoice(services, merchant, amount="5.00") for _ in range(3)]
    await feed.mine(*(feed.transfer(each, int(each.pay_in.amount_raw)) for each in invoices))
    other = await asyncpg.connect(database.dsn())
    async with other.transaction():
        await other.execute("SELECT FROM invoices WHERE id = $1 FOR UPDATE", invoices[1].id)
        with pytest.raises(asyncpg.LockNotAvailableError):
            await feed.confirm()
    await other.close()
    assert await alerts() == []
    await feed.confirm()
    assert [(await reread(services, each)).status for each in invoices] == ["paid"] * 3
    assert await alerts() == []


def transfers(feed: Feed, to: list[AskedInvoice]) -> list[Transfer]:
    """To six invoices the exact amount; to the next one in two parts; to the others too much, and dust."""
    asked_raw = int(to[0].pay_in.amount_raw)
    exact = [feed.transfer(each, int(each.pay_in.amount_raw)) for each in to[:6]]
    parts = [feed.transfer(to[6], 2_000_000), feed.transfer(to[6], int(to[6].pay_in.amount_raw) - 2_000_000)]
    return [*exact[:3], parts[0], *exact[3:], feed.transfer(to[7], asked_raw * 2), parts[1], feed.transfer(to[8], 7)]


async def outcome(services: Services, of: AskedInvoice) -> list[object]:
    """What a merchant sees of an invoice, but for ids and times."""
    body = await reread(services, of)
    deposits = sorted((each.amount_raw, each.status, each.verdict) for each in body.deposits)
    sums = (body.status, body.needs_review, body.received_raw, body.credited_raw, body.service_fee_charged_raw)
    return [*sums, deposits, await event_types(of.id)]


async def alerts() -> list[tuple[str, str, int]]:
    rows = await database.fetch_all(
        "SELECT severity, details::json->>'deposit', occurrences FROM alerts WHERE kind = 'deposit_not_booked'"
    )
    return [tuple(row) for row in rows]
