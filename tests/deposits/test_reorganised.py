"""Deposits that a reorganisation removes before they are booked, and deposits that return: the time of a payment, and
its invoice."""

from datetime import UTC, datetime, timedelta

import pytest
import rlp

from app.core import clock, database
from app.deposits import reviews
from app.deposits.sightings import in_block
from app.deposits.watcher import Watcher
from app.merchants.terms import Terms
from app.networks.port import BlockRef, Transfer
from app.sandbox.chain_driver import AnvilDriver
from app.wiring import Services
from tests.books import assert_books, assert_invoices
from tests.factories.invoices import AskedInvoice, invoice, reread
from tests.factories.merchants import terms
from tests.factories.operators import operator
from tests.factories.payments import CONFIRMATIONS, mined_again
from tests.factories.withdrawals import NETWORK, balance, event_types

TEN_MINUTES = timedelta(minutes=10)


@pytest.fixture
def chain_settings(chain_settings):  # type: ignore[no-untyped-def]
    """All invoices use one address, one after the other."""

    def make(**options: object):  # type: ignore[no-untyped-def]
        return chain_settings(pool_cap=1, cool_down_minutes=0, **options)

    return make


@pytest.fixture
async def watcher(services: Services, driver: AnvilDriver) -> Watcher:
    (watcher,) = services.watchers()
    await watcher.tick()
    return watcher


@pytest.fixture
async def merchant(services: Services) -> Terms:
    return await terms(service_fee_bps=0)


class Chain:
    """A customer's payments on a chain that can be reorganised."""

    def __init__(self, driver: AnvilDriver, token: str, watcher: Watcher) -> None:
        self.driver, self.token, self.watcher = driver, token, watcher

    async def pay(self, to: AskedInvoice, amount_raw: int | None = None) -> str:
        """Send a payment in one block, read by the watcher. Returns its signed bytes."""
        receipt = await self.driver.transfer_token(
            self.token, to.pay_in.address, amount_raw or int(to.pay_in.amount_raw)
        )
        await self.watcher.tick()
        return str(await self.driver.call("eth_getRawTransactionByHash", receipt["transactionHash"]))

    async def lose(self, depth: int = 1) -> None:
        """The newest blocks are replaced by empty ones."""
        await self.driver.reorg(depth)
        await self.watcher.tick()

    async def find(self, raw: str, blocks: int = 1) -> None:
        """Put a transaction into a block again, at our clock's time."""
        head = await self.driver.call("eth_getBlockByNumber", "latest", False)
        now = max(int(clock.now().timestamp()), int(head["timestamp"], 16) + 1)
        await self.driver.call("evm_setNextBlockTimestamp", now)
        await mined_again(self.driver, raw)
        await self.driver.mine(blocks - 1)
        await self.watcher.tick()

    async def wait(self, by: timedelta) -> None:
        clock.shift(by)
        await self.watcher.tick()


@pytest.fixture
async def chain(driver: AnvilDriver, token: str, watcher: Watcher) -> Chain:
    await driver.mine(1)
    return Chain(driver, token, watcher)


async def test_a_payment_in_time_stays_in_time_whatever_block_it_is_in_at_the_end(
    services: Services, merchant: Terms, chain: Chain
) -> None:
    # Given a payment just before the end, in a block that is then replaced,
    new = await invoice(services, merchant, expires_in=TEN_MINUTES)
    raw = await chain.pay(new)
    await chain.lose()
    assert (await reread(services, new)).status == "awaiting_deposit"
    # when the time to pay is over while it is in no block,
    await chain.wait(timedelta(minutes=30))
    away = await reread(services, new)
    assert (away.status, [d.status for d in away.deposits]) == ("awaiting_deposit", ["orphaned"])
    # then it still pays once it is in one.
    await chain.find(raw, CONFIRMATIONS)
    paid = await reread(services, new)
    assert (paid.status, paid.needs_review, [d.review_reason for d in paid.deposits]) == ("paid", False, [None])
    assert await balance(merchant.merchant_id) == (int(new.net_raw), 0)
    assert "invoice.expired" not in await event_types(new.id)


async def test_a_second_reorganisation_does_not_make_a_payment_late(
    services: Services, merchant: Terms, chain: Chain
) -> None:
    # The watcher is away when the payment is made: it is seen after the end, in a block from before it.
    new = await invoice(services, merchant, expires_in=TEN_MINUTES)
    receipt = await chain.driver.transfer_token(chain.token, new.pay_in.address, int(new.pay_in.amount_raw))
    raw = await chain.driver.call("eth_getRawTransactionByHash", receipt["transactionHash"])
    await chain.wait(timedelta(minutes=30))
    assert (await reread(services, new)).status == "confirming"
    await chain.lose()
    await chain.find(raw)
    await chain.lose()
    await chain.wait(timedelta(minutes=30))
    await chain.find(raw, CONFIRMATIONS)
    assert (await reread(services, new)).status == "paid"


async def test_an_invoice_expires_if_its_deposit_does_not_return_within_hours(
    services: Services, merchant: Terms, chain: Chain
) -> None:
    new = await invoice(services, merchant, expires_in=TEN_MINUTES)
    raw = await chain.pay(new)
    await chain.lose()
    await chain.wait(timedelta(hours=2, minutes=59))
    assert (await reread(services, new)).status == "awaiting_deposit"
    await chain.wait(timedelta(minutes=2))
    assert (await reread(services, new)).status == "expired"
    await chain.find(raw)  # then an operator must review it
    assert (await reread(services, new)).status == "manual_review"
    await assert_invoices()


async def test_a_review_of_an_orphaned_deposit_can_be_closed(services: Services, merchant: Terms, chain: Chain) -> None:
    new = await invoice(services, merchant, expires_in=TEN_MINUTES)
    await chain.pay(new, 1_000_000)
    await chain.lose()
    other = await reread(services, new)
    assert (other.status, other.needs_review) == ("manual_review", True)
    boss = await operator(services.settings.data_keys)
    (review,) = await reviews.list_reviews()
    await services.reviews.close(review.deposit_id, boss.id, "it never came", clock.now())
    assert (await reread(services, new)).status == "closed"


async def test_a_cancelled_invoice_is_not_paid_by_a_returning_deposit(
    services: Services, merchant: Terms, chain: Chain
) -> None:
    new = await invoice(services, merchant)
    raw = await chain.pay(new)
    await chain.lose()
    await services.invoices.cancel(merchant.merchant_id, "test", new.id, clock.now())
    await chain.find(raw)
    current = await reread(services, new)
    assert (current.status, [d.review_reason for d in current.deposits]) == ("manual_review", ["cancelled"])
    await assert_invoices()


@pytest.mark.parametrize("difference_raw", [0, -1_000_000])
async def test_a_returning_deposit_belongs_to_its_invoice_even_if_another_has_the_address(
    services: Services, merchant: Terms, chain: Chain, difference_raw: int
) -> None:
    # Given a paid invoice whose address was paid a second time and now serves another invoice,
    first = await invoice(services, merchant)
    await chain.pay(first)
    await chain.driver.mine(CONFIRMATIONS)
    await chain.watcher.tick()
    raw = await chain.pay(first, int(first.pay_in.amount_raw) + difference_raw)
    await chain.lose()
    second = await invoice(services, merchant)
    assert second.pay_in.address == first.pay_in.address
    # when the second payment returns,
    await chain.find(raw, CONFIRMATIONS)
    # then its review stays with its invoice, and the other invoice is unchanged.
    current, other = await reread(services, first), await reread(services, second)
    assert (current.status, current.needs_review, [d.review_reason for d in current.deposits]) == (
        "paid",
        True,
        [None, "second"],
    )
    assert (other.status, other.needs_review, other.deposits) == ("awaiting_deposit", False, [])
    await assert_books()
    await assert_invoices()


async def test_if_one_of_two_payments_never_returns_the_other_pays(
    services: Services, merchant: Terms, chain: Chain
) -> None:
    # Given an invoice with two payments, of which a reorganisation removed the one that paid it, for ever,
    new = await invoice(services, merchant, expires_in=TEN_MINUTES)
    await chain.pay(new)
    second = await chain.pay(new)
    await chain.lose(2)
    waiting = await reread(services, new)
    assert (waiting.status, waiting.needs_review) == ("manual_review", True)
    # when its time is over, it still waits for them;
    await chain.wait(timedelta(hours=4))
    assert (await reread(services, new)).status == "manual_review"
    # and the other one, in time and exact, pays it once it returns. Its review closes automatically.
    await chain.driver.call("anvil_setNonce", chain.driver.accounts[0], hex(nonce_of(second)))
    await chain.find(second, CONFIRMATIONS)
    paid = await reread(services, new)
    assert (paid.status, paid.needs_review, paid.credited_raw) == ("paid", False, new.net_raw)
    (review,) = await reviews.list_reviews(open_only=False)
    assert (review.status, review.outcome, review.decided_by) == ("closed", "credited", "gateway")
    await assert_books()
    await assert_invoices()


def nonce_of(raw: str) -> int:
    """The nonce of a signed EIP-1559 transaction."""
    return int.from_bytes(rlp.decode(bytes.fromhex(raw[4:]))[1], "big")


async def test_another_transfer_at_the_index_of_a_removed_one_is_recorded(
    services: Services, merchant: Terms, watcher: Watcher
) -> None:
    """In another block the same transaction may transfer another amount at the same index, if a contract does so."""
    new = await invoice(services, merchant)

    async def current(amount_raw: int, height: int) -> None:
        block = BlockRef(height, f"0x{height:064x}", f"0x{height - 1:064x}", datetime.now(UTC))
        transfer = Transfer("0x" + 64 * "7", 5, "USDT", new.pay_in.address, "0x" + 40 * "1", amount_raw, block)
        async with database.transaction():
            await services.deposits.record(NETWORK, [in_block(transfer)], clock.now())

    await current(1_000_000, 10_000_001)
    async with database.transaction():
        await services.reversals.reverse_above(NETWORK, 10_000_000, clock.now())
    await current(2_000_000, 10_000_002)
    assert [(d.amount_raw, d.status) for d in (await reread(services, new)).deposits] == [
        ("1000000", "orphaned"),
        ("2000000", "seen"),
    ]
