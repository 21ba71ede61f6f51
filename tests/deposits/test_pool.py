"""Payments that wait for a block: seen in the pool, replaced, dropped, mined, thrown out again. On a kind of chain that
nothing above the port knows (tests/fakes/coin.py), through the real watcher."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from app.core import clock, database
from app.core.settings import Settings, load
from app.deposits import watcher as watcher_module
from app.deposits.watcher import Watcher
from app.merchants.terms import Terms
from app.reconciliation.checks import coverage
from app.reconciliation.snapshot import snapshot
from app.wiring import Services
from tests.books import assert_books, assert_invoices
from tests.factories.invoices import AskedInvoice, invoice, reread
from tests.factories.merchants import merchant, takes
from tests.factories.withdrawals import event_types
from tests.fakes.coin import MATURES_AFTER, CoinChain, CoinReader
from tests.fakes.coin_world import CONFIRMATIONS, NETWORK, coin_chain, write_networks_file

TEN_MINUTES = timedelta(minutes=10)


@pytest.fixture
def coin() -> Iterator[CoinChain]:
    with coin_chain() as chain:
        yield chain


@pytest.fixture
def chain_settings(environment: dict[str, str], tmp_path: Path, coin: CoinChain) -> Callable[..., Settings]:
    """A network that only receives."""

    def make(**options: object) -> Settings:
        write_networks_file(tmp_path / "networks.toml", coin, can_send=False, **options)
        return load(environment)

    return make


@pytest.fixture
async def terms(services: Services) -> Terms:
    merchant_id = await merchant(service_fee_bps=0)
    await takes(merchant_id, "COIN", network=NETWORK)
    return Terms(merchant_id, "test", 0, "merchant")


@pytest.fixture
async def watcher(services: Services) -> Watcher:
    (watcher,) = services.watchers()
    await watcher.tick()
    return watcher


async def new_invoice(services: Services, terms: Terms, **fields: object) -> AskedInvoice:
    return await invoice(services, terms, amount="0.5", currency="COIN", chain="coin", **fields)


def paid(invoice: AskedInvoice) -> tuple[str, int]:
    return invoice.pay_in.address, int(invoice.pay_in.amount_raw)


async def test_a_payment_is_confirming_from_the_pool_on_and_paid_from_blocks_alone(
    services: Services, terms: Terms, watcher: Watcher, coin: CoinChain
) -> None:
    new = await new_invoice(services, terms)
    txid = coin.pay(paid(new))
    await watcher.tick()
    seen = await reread(services, new)
    assert seen.status == "confirming"
    (deposit,) = seen.deposits
    assert (deposit.txid, deposit.status, deposit.block_height, deposit.confirmations) == (txid, "seen", None, 0)
    assert deposit.from_address is None

    coin.mine_empty(5)  # blocks pass, without it
    await watcher.tick()
    assert (await reread(services, new)).status == "confirming"
    coin.mine()
    await watcher.tick()
    (mined,) = (await reread(services, new)).deposits
    assert (mined.id, mined.block_height, mined.confirmations) == (deposit.id, 6, 1)
    coin.mine_empty(CONFIRMATIONS - 1)
    await watcher.tick()
    assert (await reread(services, new)).status == "paid"
    assert await event_types(new.id) == ["invoice.created", "invoice.confirming", "invoice.paid"]
    assert await database.fetch_value("SELECT count(*) FROM pool_transactions") == 0
    await assert_books()
    await assert_invoices()


async def test_a_payment_in_the_pool_in_time_is_in_time_whenever_it_is_mined(
    services: Services, terms: Terms, watcher: Watcher, coin: CoinChain
) -> None:
    new = await new_invoice(services, terms, expires_in=TEN_MINUTES)
    coin.pay(paid(new))
    await watcher.tick()
    clock.shift(timedelta(hours=30))
    await watcher.tick()
    coin.mine()
    coin.mine_empty(CONFIRMATIONS - 1)
    await watcher.tick()
    assert (await reread(services, new)).status == "paid"


async def test_a_payment_that_comes_into_the_pool_too_late_is_reviewed(
    services: Services, terms: Terms, watcher: Watcher, coin: CoinChain
) -> None:
    new = await new_invoice(services, terms, expires_in=TEN_MINUTES)
    clock.shift(timedelta(minutes=11))
    await watcher.tick()
    coin.pay(paid(new))
    await watcher.tick()
    coin.mine()
    coin.mine_empty(CONFIRMATIONS)
    await watcher.tick()
    late = await reread(services, new)
    assert (late.status, late.credited, [d.review_reason for d in late.deposits]) == ("manual_review", False, ["late"])
    await assert_books()


async def test_a_payment_that_came_into_the_pool_late_is_in_time_by_its_blocks_time(
    services: Services, terms: Terms, watcher: Watcher, coin: CoinChain
) -> None:
    """The clocks of blocks run up to two hours apart; the earlier of the two times counts."""
    new = await new_invoice(services, terms, expires_in=TEN_MINUTES)
    clock.shift(timedelta(minutes=11))
    coin.pay(paid(new))
    await watcher.tick()
    assert (await reread(services, new)).status == "manual_review"
    coin.mine(at=clock.now() - timedelta(minutes=5))
    await watcher.tick()
    now = await reread(services, new)
    assert (now.status, now.needs_review) == ("confirming", False)
    coin.mine_empty(CONFIRMATIONS)
    await watcher.tick()
    assert (await reread(services, new)).status == "paid"
    await assert_books()
    await assert_invoices()


@pytest.mark.parametrize("pays_raw", [0, 49_999_999, 60_000_000])
async def test_a_replacement_that_pays_another_amount_takes_the_payment_back(
    services: Services, terms: Terms, watcher: Watcher, coin: CoinChain, pays_raw: int
) -> None:
    new = await new_invoice(services, terms)
    address, _ = paid(new)
    first = coin.pay(paid(new))
    await watcher.tick()
    other = coin.replace(first, (address, pays_raw) if pays_raw else ("coin1somebodyelse", 1))
    await watcher.tick()
    now = await reread(services, new)
    gone = next(deposit for deposit in now.deposits if deposit.txid == first)
    assert (gone.status, gone.replaced_by, gone.confirmations) == ("replaced", other, 0)
    assert now.status == ("manual_review" if pays_raw else "awaiting_deposit")
    coin.mine()
    coin.mine_empty(CONFIRMATIONS)
    await watcher.tick()
    assert (await reread(services, new)).credited is False
    if not pays_raw:
        coin.pay(paid(new))  # and it can still be paid
        coin.mine()
        coin.mine_empty(CONFIRMATIONS)
        await watcher.tick()
        assert (await reread(services, new)).status == "paid"
    await assert_books()
    await assert_invoices()


async def test_a_higher_fee_after_the_end_keeps_the_payment_in_time(
    services: Services, terms: Terms, watcher: Watcher, coin: CoinChain
) -> None:
    new = await new_invoice(services, terms, expires_in=TEN_MINUTES)
    first = coin.pay(paid(new))
    await watcher.tick()
    clock.shift(timedelta(hours=1))
    await watcher.tick()
    coin.replace(first, ("coin1change", 7), paid(new))
    await watcher.tick()
    assert (await reread(services, new)).status == "confirming"
    coin.mine()
    coin.mine_empty(CONFIRMATIONS)
    await watcher.tick()
    now = await reread(services, new)
    assert (now.status, sorted(d.status for d in now.deposits)) == ("paid", ["credited", "replaced"])
    assert await database.fetch_value("SELECT count(*) FROM reviews") == 0


async def test_a_dropped_payment_is_awaited_again_and_counts_when_it_comes_back(
    services: Services, terms: Terms, watcher: Watcher, coin: CoinChain
) -> None:
    new = await new_invoice(services, terms, expires_in=TEN_MINUTES)
    txid = coin.pay(paid(new))
    await watcher.tick()
    forgotten = coin.drop(txid)
    await watcher.tick()
    away = await reread(services, new)
    assert (away.status, [d.status for d in away.deposits]) == ("awaiting_deposit", ["dropped"])
    clock.shift(timedelta(hours=1))
    coin.enter(forgotten)
    await watcher.tick()
    assert (await reread(services, new)).status == "confirming"
    coin.mine()
    coin.mine_empty(CONFIRMATIONS)
    await watcher.tick()
    now = await reread(services, new)
    assert (now.status, [d.status for d in now.deposits]) == ("paid", ["credited"])


async def test_a_reorganised_payment_waits_in_the_pool_and_is_paid_in_another_block(
    services: Services, terms: Terms, watcher: Watcher, coin: CoinChain
) -> None:
    new = await new_invoice(services, terms)
    coin.pay(paid(new))
    coin.mine()
    await watcher.tick()
    coin.reorganise(1)
    await watcher.tick()
    (waiting,) = (await reread(services, new)).deposits
    assert (waiting.status, waiting.block_height) == ("seen", None)
    assert (await reread(services, new)).status == "confirming"
    coin.mine()
    coin.mine_empty(CONFIRMATIONS)
    await watcher.tick()
    assert (await reread(services, new)).status == "paid"
    await assert_books()


async def test_a_second_payment_pays_when_the_first_is_replaced_by_nothing(
    services: Services, terms: Terms, watcher: Watcher, coin: CoinChain
) -> None:
    new = await new_invoice(services, terms)
    first = coin.pay(paid(new))
    await watcher.tick()
    coin.pay(paid(new))
    await watcher.tick()
    coin.replace(first, ("coin1somebodyelse", 1))
    await watcher.tick()
    assert (await reread(services, new)).status == "confirming"
    coin.mine()
    coin.mine_empty(CONFIRMATIONS)
    await watcher.tick()
    now = await reread(services, new)
    assert (now.status, now.needs_review) == ("paid", False)
    await assert_books()
    await assert_invoices()


async def test_one_transaction_pays_two_invoices_and_one_of_them_twice(
    services: Services, terms: Terms, watcher: Watcher, coin: CoinChain
) -> None:
    one, two = await new_invoice(services, terms), await new_invoice(services, terms)
    coin.pay(paid(one), ("coin1change", 5), paid(two), paid(one))
    await watcher.tick()
    coin.mine()
    coin.mine_empty(CONFIRMATIONS)
    await watcher.tick()
    assert (await reread(services, two)).status == "paid"
    first = await reread(services, one)
    assert (first.status, first.needs_review) == ("paid", True)
    assert sorted(d.verdict for d in first.deposits) == ["exact", "second"]
    assert sorted(d.index for d in first.deposits) == [0, 3]
    await assert_books()


async def test_a_reward_is_credited_only_when_it_has_matured(
    services: Services, terms: Terms, watcher: Watcher, coin: CoinChain
) -> None:
    new = await new_invoice(services, terms)
    coin.mine(reward=paid(new))
    coin.mine_empty(MATURES_AFTER - 1)
    await watcher.tick()
    assert (await reread(services, new)).status == "confirming"
    coin.mine_empty()
    await watcher.tick()
    assert (await reread(services, new)).status == "paid"


async def test_a_pool_of_another_moment_than_the_blocks_says_nothing(
    services: Services, terms: Terms, watcher: Watcher, coin: CoinChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A block comes between the scan and the look at the pool: what is missing there was mined, not dropped."""
    new = await new_invoice(services, terms)
    coin.pay(paid(new))
    await watcher.tick()
    read = CoinReader.pool

    async def after_a_block(reader: CoinReader, ours):  # type: ignore[no-untyped-def]
        monkeypatch.setattr(CoinReader, "pool", read)
        coin.mine()
        return await read(reader, ours)

    monkeypatch.setattr(CoinReader, "pool", after_a_block)
    await watcher.tick()
    (deposit,) = (await reread(services, new)).deposits
    assert deposit.status == "seen"
    await watcher.tick()
    (deposit,) = (await reread(services, new)).deposits
    assert (deposit.status, deposit.confirmations) == ("seen", 1)


async def test_crediting_waits_for_finality_where_the_network_requires_it(
    services: Services, terms: Terms, watcher: Watcher, coin: CoinChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    final_height = 0

    async def finality(_: CoinReader) -> int:
        return final_height

    monkeypatch.setattr(CoinReader, "finality", finality)
    monkeypatch.setattr(type(watcher._network), "require_finality", True, raising=False)
    new = await new_invoice(services, terms)
    coin.pay(paid(new))
    coin.mine()
    coin.mine_empty(10)
    await watcher.tick()
    assert (await reread(services, new)).status == "confirming"
    final_height = 1
    await watcher.tick()
    assert (await reread(services, new)).status == "paid"


async def test_old_blocks_are_forgotten_once_they_are_proven(
    services: Services, watcher: Watcher, coin: CoinChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher_module, "KEPT_BLOCKS", 20)
    monkeypatch.setattr(watcher_module, "FORGET_AT_ONCE", 5)
    coin.mine_empty(60)
    await watcher.tick()
    coin.mine_empty()
    await watcher.tick()
    kept = [
        row["height"]
        for row in await database.fetch_all("SELECT height FROM scanned_blocks WHERE network = $1 ORDER BY 1", NETWORK)
    ]
    assert kept == list(range(kept[0], 62))
    assert 20 <= len(kept) <= 26
    async with snapshot():
        assert (await coverage.check()).findings == []
    coin.reorganise(5)
    await watcher.tick()
    await database.execute("DELETE FROM scanned_blocks WHERE height = $1", kept[0] + 3)
    async with snapshot():
        assert len((await coverage.check()).findings) == 1


async def test_an_address_is_found_however_it_is_written(services: Services, terms: Terms) -> None:
    new = await new_invoice(services, terms)
    forms = services.networks.address_forms(new.pay_in.address.upper())
    assert new.pay_in.address in forms
    assert services.networks.address_forms("INV-0123456789") == ["INV-0123456789"]
