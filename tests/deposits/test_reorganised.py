"""Deposits that a reorganisation takes away before they are booked, and those that come back: when a payment counts
as made, and whose it stays."""

from datetime import UTC, datetime, timedelta

import pytest
import rlp

from app.core import clock, database
from app.deposits import reviews
from app.deposits.watcher import Watcher
from app.invoices.presentation import InvoiceBody
from app.merchants.terms import Terms
from app.networks.port import BlockRef, Transfer
from app.sandbox.chain_driver import AnvilDriver
from app.wiring import Services
from tests.books import assert_books, assert_invoices
from tests.factories.invoices import invoice, reread
from tests.factories.merchants import terms
from tests.factories.operators import operator
from tests.factories.payments import CONFIRMATIONS, mined_again
from tests.factories.withdrawals import NETWORK, balance, event_types

TEN_MINUTES = timedelta(minutes=10)


@pytest.fixture
def chain_settings(chain_settings):  # type: ignore[no-untyped-def]
    """One address serves everybody, one after the other."""

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
    """A customer's payments on a chain that takes them back."""

    def __init__(self, driver: AnvilDriver, token: str, watcher: Watcher) -> None:
        self.driver, self.token, self.watcher = driver, token, watcher

    async def pay(self, to: InvoiceBody, amount_raw: int | None = None) -> str:
        """A payment in one block, seen; its signed bytes."""
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
        """A transaction is in a block again, at our clock's time."""
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


async def test_a_payment_made_in_time_is_in_time_whichever_block_it_ends_up_in(
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


async def test_nor_does_a_second_reorganisation_make_it_late(services: Services, merchant: Terms, chain: Chain) -> None:
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


async def test_what_does_not_come_back_within_hours_lets_the_invoice_expire(
    services: Services, merchant: Terms, chain: Chain
) -> None:
    new = await invoice(services, merchant, expires_in=TEN_MINUTES)
    raw = await chain.pay(new)
    await chain.lose()
    await chain.wait(timedelta(hours=2, minutes=59))
    assert (await reread(services, new)).status == "awaiting_deposit"
    await chain.wait(timedelta(minutes=2))
    assert (await reread(services, new)).status == "expired"
    await chain.find(raw)  # then a human must look
    assert (await reread(services, new)).status == "manual_review"
    await assert_invoices()


async def test_a_review_of_an_orphaned_deposit_can_be_closed(services: Services, merchant: Terms, chain: Chain) -> None:
    new = await invoice(services, merchant, expires_in=TEN_MINUTES)
    await chain.pay(new, 1_000_000)
    await chain.lose()
    other = await reread(services, new)
    assert (other.status, other.needs_review) == ("manual_review", True)
    boss = await operator(services.settings.data_keys)
    (case,) = await reviews.list_reviews()
    await services.reviews.close(case.deposit_id, boss.id, "it never came", clock.now())
    assert (await reread(services, new)).status == "closed"


async def test_a_cancelled_invoice_is_not_paid_by_what_comes_back(
    services: Services, merchant: Terms, chain: Chain
) -> None:
    new = await invoice(services, merchant)
    raw = await chain.pay(new)
    await chain.lose()
    await services.invoices.cancel(merchant.merchant_id, "test", new.id, clock.now())
    await chain.find(raw)
    seen = await reread(services, new)
    assert (seen.status, [d.review_reason for d in seen.deposits]) == ("manual_review", ["cancelled"])
    await assert_invoices()


@pytest.mark.parametrize("difference_raw", [0, -1_000_000])
async def test_a_deposit_that_is_back_belongs_to_its_invoice_even_if_another_has_the_address(
    services: Services, merchant: Terms, chain: Chain, difference_raw: int
) -> None:
    # Given a paid invoice whose address was paid a second time, and has gone on to another invoice,
    first = await invoice(services, merchant)
    await chain.pay(first)
    await chain.driver.mine(CONFIRMATIONS)
    await chain.watcher.tick()
    raw = await chain.pay(first, int(first.pay_in.amount_raw) + difference_raw)
    await chain.lose()
    second = await invoice(services, merchant)
    assert second.pay_in.address == first.pay_in.address
    # when the second payment comes back,
    await chain.find(raw, CONFIRMATIONS)
    # then the case is where it was, and the other invoice knows nothing of it.
    seen, other = await reread(services, first), await reread(services, second)
    assert (seen.status, seen.needs_review, [d.review_reason for d in seen.deposits]) == (
        "paid",
        True,
        [None, "second"],
    )
    assert (other.status, other.needs_review, other.deposits) == ("awaiting_deposit", False, [])
    await assert_books()
    await assert_invoices()


async def test_where_one_of_two_payments_never_comes_back_the_other_pays(
    services: Services, merchant: Terms, chain: Chain
) -> None:
    # Given an invoice with two payments, of which the chain took back the one that paid it, for good,
    new = await invoice(services, merchant, expires_in=TEN_MINUTES)
    await chain.pay(new)
    second = await chain.pay(new)
    await chain.lose(2)
    waiting = await reread(services, new)
    assert (waiting.status, waiting.needs_review) == ("manual_review", True)
    # when its time is over, it still waits for them;
    await chain.wait(timedelta(hours=4))
    assert (await reread(services, new)).status == "manual_review"
    # and the other one, made in time and of the exact amount, pays it once it is back. Its case ends by itself.
    await chain.driver.call("anvil_setNonce", chain.driver.accounts[0], hex(nonce_of(second)))
    await chain.find(second, CONFIRMATIONS)
    paid = await reread(services, new)
    assert (paid.status, paid.needs_review, paid.credited_raw) == ("paid", False, new.net_raw)
    (case,) = await reviews.list_reviews(open_only=False)
    assert (case.status, case.outcome, case.decided_by) == ("closed", "credited", "gateway")
    await assert_books()
    await assert_invoices()


def nonce_of(raw: str) -> int:
    """The nonce of a signed EIP-1559 transaction."""
    return int.from_bytes(rlp.decode(bytes.fromhex(raw[4:]))[1], "big")


async def test_another_transfer_at_the_place_of_one_that_went_away_is_seen(
    services: Services, merchant: Terms, watcher: Watcher
) -> None:
    """In another block a contract may pay out something else in the same transaction, at the same index."""
    new = await invoice(services, merchant)

    async def seen(amount_raw: int, height: int) -> None:
        block = BlockRef(height, f"0x{height:064x}", f"0x{height - 1:064x}", datetime.now(UTC))
        transfer = Transfer("0x" + 64 * "7", 5, "USDT", new.pay_in.address, "0x" + 40 * "1", amount_raw, block)
        async with database.transaction():
            await services.deposits.record(NETWORK, [transfer], clock.now())

    await seen(1_000_000, 10_000_001)
    async with database.transaction():
        await services.reversals.reverse_above(NETWORK, 10_000_000, clock.now())
    await seen(2_000_000, 10_000_002)
    assert [(d.amount_raw, d.status) for d in (await reread(services, new)).deposits] == [
        ("1000000", "orphaned"),
        ("2000000", "seen"),
    ]
