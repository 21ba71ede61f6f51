"""From a transfer on a real node to the credit in the ledger: what pays, what doesn't, and reorganisations."""

from datetime import timedelta
from itertools import count, pairwise

import pytest

from app.core import clock, database
from app.deposits.watcher import Watcher
from app.ledger import repository as ledger
from app.ledger.hashchain import ChainId
from app.ledger.verify import verify_all
from app.sandbox.chain_driver import AnvilDriver
from app.wiring import Services
from tests.factories.invoices import AskedInvoice, invoice, reread
from tests.factories.merchants import terms


@pytest.fixture
async def watcher(services: Services, driver: AnvilDriver) -> Watcher:
    """The network's watcher after its first tick: later blocks are new."""
    (watcher,) = services.watchers()
    await watcher.tick()
    return watcher


async def send(driver: AnvilDriver, token: str, to: AskedInvoice, amount_raw: int | None = None) -> None:
    await driver.transfer_token(token, to.pay_in.address, amount_raw or int(to.pay_in.amount_raw))


async def balance(owner: str, asset: str = "USDT") -> int:
    head = await ledger.head(ChainId(owner=owner, network="ethereum:test", asset=asset))
    return 0 if head is None else head.state.available_raw


async def event_types(subject_id: str) -> list[str]:
    rows = await database.fetch_all("SELECT type FROM events WHERE subject_id = $1 ORDER BY id", subject_id)
    return [row["type"] for row in rows]


async def assert_books_verify() -> None:
    async for verification in verify_all():
        assert verification.fault is None


async def test_the_exact_amount_confirms_and_pays(
    services: Services, watcher: Watcher, driver: AnvilDriver, token: str
) -> None:
    merchant = await terms(service_fee_bps=80)
    new = await invoice(services, merchant, amount="5.00")
    assert (new.service_fee_raw, new.pay_in.amount_raw) == ("40000", str(5_000_000 + new.pay_in.cent_tail))

    await send(driver, token, new)
    await watcher.tick()
    current = await reread(services, new)
    assert (current.status, current.credited, current.received_raw) == ("confirming", False, new.pay_in.amount_raw)
    assert [(d.confirmations, d.status) for d in current.deposits] == [(1, "seen")]

    await driver.mine(1)
    await watcher.tick()
    assert (await reread(services, new)).status == "confirming", "one confirmation is missing"

    await driver.mine(1)
    await watcher.tick()
    paid = await reread(services, new)
    assert (paid.status, paid.credited, paid.credited_raw) == ("paid", True, new.net_raw)
    assert await balance(merchant.merchant_id) == int(new.net_raw)
    assert await balance("platform:fees") == 40_000
    assert await event_types(new.id) == ["invoice.created", "invoice.confirming", "invoice.paid"]
    await assert_books_verify()


async def test_a_second_scan_credits_nothing_again(
    services: Services, watcher: Watcher, driver: AnvilDriver, token: str
) -> None:
    merchant = await terms(service_fee_bps=0)
    new = await invoice(services, merchant)
    await send(driver, token, new)
    await driver.mine(5)
    for _ in range(3):
        await watcher.tick()
    (restarted,) = services.watchers()
    await restarted.tick()
    assert await balance(merchant.merchant_id) == int(new.net_raw)


async def test_the_native_coin_pays(services: Services, watcher: Watcher, driver: AnvilDriver) -> None:
    merchant = await terms(service_fee_bps=0)
    new = await invoice(services, merchant, amount="0.01", currency="ETH")
    await driver.transfer_native(new.pay_in.address, int(new.pay_in.amount_raw))
    await driver.mine(3)
    await watcher.tick()
    assert (await reread(services, new)).status == "paid"
    assert await balance(merchant.merchant_id, "ETH") == int(new.net_raw)


@pytest.mark.parametrize(("difference", "reason"), [(-1, "underpaid"), (1, "overpaid")])
async def test_a_wrong_amount_goes_to_review_and_to_suspense(
    services: Services, watcher: Watcher, driver: AnvilDriver, token: str, difference: int, reason: str
) -> None:
    merchant = await terms(service_fee_bps=80)
    new = await invoice(services, merchant)
    sent_raw = int(new.pay_in.amount_raw) + difference
    await send(driver, token, new, sent_raw)
    await driver.mine(3)
    await watcher.tick()
    reviewed = await reread(services, new)
    assert (reviewed.status, reviewed.needs_review, reviewed.credited) == ("manual_review", True, False)
    assert [d.review_reason for d in reviewed.deposits] == [reason]
    assert (await balance(merchant.merchant_id), await balance("platform:suspense")) == (0, sent_raw)
    assert await event_types(new.id) == ["invoice.created", "invoice.manual_review"]


async def test_another_asset_goes_to_review(services: Services, watcher: Watcher, driver: AnvilDriver) -> None:
    new = await invoice(services, await terms(service_fee_bps=0))
    await driver.transfer_native(new.pay_in.address, 10**15)
    await watcher.tick()
    reviewed = await reread(services, new)
    assert (reviewed.status, reviewed.received_raw) == ("manual_review", "0")
    assert [d.review_reason for d in reviewed.deposits] == ["wrong_asset"]


async def test_a_second_transfer_leaves_a_paid_invoice_paid(
    services: Services, watcher: Watcher, driver: AnvilDriver, token: str
) -> None:
    merchant = await terms(service_fee_bps=0)
    new = await invoice(services, merchant)
    await send(driver, token, new)
    await driver.mine(3)
    await watcher.tick()
    await send(driver, token, new)
    await driver.mine(3)
    await watcher.tick()
    paid = await reread(services, new)
    assert (paid.status, paid.needs_review, paid.credited_raw) == ("paid", True, new.net_raw)
    assert [d.review_reason for d in paid.deposits] == [None, "second"]
    assert await balance("platform:suspense") == int(new.pay_in.amount_raw)


async def test_two_exact_transfers_in_one_block_pay_once(
    services: Services, watcher: Watcher, driver: AnvilDriver, token: str
) -> None:
    merchant = await terms(service_fee_bps=0)
    new = await invoice(services, merchant)
    await send(driver, token, new)
    await send(driver, token, new)
    await driver.mine(3)
    await watcher.tick()
    paid = await reread(services, new)
    assert (paid.status, paid.needs_review) == ("paid", True)
    assert await balance(merchant.merchant_id) == int(new.net_raw)
    assert await balance("platform:suspense") == int(new.pay_in.amount_raw)


async def test_an_unpaid_invoice_expires(services: Services, watcher: Watcher, driver: AnvilDriver, token: str) -> None:
    new = await invoice(services, await terms(service_fee_bps=0), order_id="1042", expires_in=timedelta(minutes=10))
    clock.shift(timedelta(minutes=11))
    await watcher.tick()
    assert (await reread(services, new)).status == "expired"
    assert await event_types(new.id) == ["invoice.created", "invoice.expired"]


async def test_a_payment_in_time_that_is_seen_late_is_in_time(
    services: Services, watcher: Watcher, driver: AnvilDriver, token: str
) -> None:
    new = await invoice(services, await terms(service_fee_bps=0), expires_in=timedelta(minutes=10))
    await send(driver, token, new)
    clock.shift(timedelta(hours=5))  # the watcher was away
    await watcher.tick()
    assert (await reread(services, new)).status == "confirming"


async def test_a_late_payment_matches_its_invoice(
    services: Services, watcher: Watcher, driver: AnvilDriver, token: str
) -> None:
    new = await invoice(services, await terms(service_fee_bps=0), expires_in=timedelta(minutes=10))
    clock.shift(timedelta(minutes=11))
    await watcher.tick()
    await driver.call("evm_setNextBlockTimestamp", int(clock.now().timestamp()))
    await send(driver, token, new)
    await watcher.tick()
    late = await reread(services, new)
    assert (late.status, [d.review_reason for d in late.deposits]) == ("manual_review", ["late"])


async def test_a_payment_after_cancellation_goes_to_review(
    services: Services, watcher: Watcher, driver: AnvilDriver, token: str
) -> None:
    merchant = await terms(service_fee_bps=0)
    new = await invoice(services, merchant)
    await services.invoices.cancel(merchant.merchant_id, "test", new.id, clock.now())
    await send(driver, token, new)
    await watcher.tick()
    late = await reread(services, new)
    assert (late.status, [d.review_reason for d in late.deposits]) == ("manual_review", ["cancelled"])


async def test_a_reorganised_deposit_is_orphaned_and_found_again(
    services: Services, watcher: Watcher, driver: AnvilDriver, token: str
) -> None:
    merchant = await terms(service_fee_bps=0)
    new = await invoice(services, merchant)
    await driver.mine(1)
    await send(driver, token, new)
    await watcher.tick()
    first = await reread(services, new)
    assert first.status == "confirming"

    await driver.reorg(1)
    await watcher.tick()
    away = await reread(services, new)
    assert (away.status, away.received_raw) == ("awaiting_deposit", "0")
    assert [d.status for d in away.deposits] == ["orphaned"]

    await send(driver, token, new)
    await driver.mine(3)
    await watcher.tick()
    again = await reread(services, new)
    assert again.status == "paid"
    assert await balance(merchant.merchant_id) == int(new.net_raw)


async def test_a_thousand_blocks_are_caught_up_without_a_gap(
    services: Services, watcher: Watcher, driver: AnvilDriver, token: str
) -> None:
    new = await invoice(services, await terms(service_fee_bps=0))
    before = await driver.height()
    await driver.mine(500)
    await send(driver, token, new)
    await driver.mine(500)
    started = clock.monotonic_s()
    await watcher.tick()
    assert clock.monotonic_s() - started < 30
    assert (await reread(services, new)).status == "paid"
    rows = await database.fetch_all(
        "SELECT height, hash, parent_hash FROM scanned_blocks WHERE height >= $1 ORDER BY height", before
    )
    assert [row["height"] for row in rows] == list(range(before, before + 1002))
    assert all(upper["parent_hash"] == lower["hash"] for lower, upper in pairwise(rows))


async def test_a_look_that_took_longer_than_the_pause_is_followed_at_once(
    watcher: Watcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    pause_s = watcher._network.poll_interval_ms / 1000
    for step_s, paused_s in ((0.0, pause_s), (pause_s, 0)):
        monkeypatch.setattr(clock, "monotonic_s", count(step=step_s).__next__)  # time passes with each question
        assert await watcher._tick_then_pause_s() == paused_s
