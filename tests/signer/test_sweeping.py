"""Deposits to the hot wallet: tokens with gas from the hot wallet, coins less their own gas, and no dust."""

from collections.abc import Mapping
from datetime import timedelta

import pytest

from app.core import clock, database
from app.ledger.service import SUSPENSE
from app.reconciliation import repository
from app.sandbox.chain_driver import AnvilDriver
from app.signer.funds import NotOurs
from app.signer.keystore import SpendingKeys
from app.wiring import Services
from tests.factories.tampering import as_superuser
from tests.factories.withdrawals import balance
from tests.signer.signer_under_test import SignerUnderTest, new_address

MIN_USDT_RAW = 1_000_000


@pytest.fixture
def network_options() -> Mapping[str, object]:
    return {"sweep_interval_s": 1}


@pytest.fixture
def asset_options() -> Mapping[str, Mapping[str, int]]:
    return {"USDT": {"sweep_min_raw": MIN_USDT_RAW}, "ETH": {"sweep_min_raw": 10**15}}


@pytest.fixture
async def gas_only(services: Services, driver: AnvilDriver, token: str, keys: SpendingKeys) -> SignerUnderTest:
    """A setup whose hot wallet has coins for gas and nothing else."""
    setup = await SignerUnderTest.open(services, driver, token, keys)
    await setup.top_up("ETH", 10**18)
    await setup.confirm_blocks()
    return setup


async def sweep(setup: SignerUnderTest, rounds: int = 12) -> None:
    """Run rounds with blocks, each with a check of what may be swept; the ledgers are right after each."""
    for _ in range(rounds):
        setup.signer._swept_at = None
        await setup.rounds(blocks=1)
        await setup.check()


async def test_tokens_are_swept_with_gas_from_the_hot_wallet(gas_only: SignerUnderTest) -> None:
    invoices = [await gas_only.receive_payment("USDT", f"{10 + number}.00") for number in range(3)]
    await gas_only.confirm_blocks()
    credit, _ = await gas_only.balance()
    await sweep(gas_only)
    owed_raw = sum(int(one.pay_in.amount_raw) for one in invoices)
    assert await gas_only.driver.balance_of(gas_only.hot, gas_only.token) == owed_raw
    for one in invoices:
        assert await gas_only.driver.balance_of(one.pay_in.address, gas_only.token) == 0
    assert [len(await gas_only.transactions(purpose=purpose)) for purpose in ("gas", "sweep")] == [3, 3]
    assert (await gas_only.balance())[0] == credit  # a sweep costs the merchant nothing
    assert await gas_only.treasury_raw("USDT") == 0  # and the treasury gains nothing
    moves = [*await gas_only.transactions(purpose="gas"), *await gas_only.transactions(purpose="sweep")]
    spent = sum(row["fee_booked_raw"] for row in moves)
    assert await gas_only.treasury_raw("ETH") == 10**18 - spent
    assert await database.fetch_value("SELECT count(*) FROM sweep_candidates") == 0
    # What came is there to be paid out.
    requested = await gas_only.approved("20.00")
    await gas_only.until_confirmed(requested.id)
    await gas_only.check()


async def test_dust_is_swept_with_the_rest_and_reconciled_to_the_unit(gas_only: SignerUnderTest) -> None:
    # Given a paid invoice that strangers have sent dust to, and one that has nothing else,
    paid = await gas_only.receive_payment("USDT", "10.00")
    dust = {"USDT": 90_000, "ETH": 9 * 10**12}  # 0.9 % of the invoice; below the limit of 0.00001 ETH
    for asset, amount_raw in dust.items():
        await gas_only.send(asset, paid.pay_in.address, amount_raw)
    await gas_only.send("USDT", paid.pay_in.address, 110_000)  # 1.1 %: a case
    await gas_only.confirm_blocks()
    assert (await balance(SUSPENSE, "USDT"))[0] == 90_000 + 110_000
    assert (await balance(SUSPENSE, "ETH"))[0] == dust["ETH"]
    # when deposits are swept,
    await sweep(gas_only)
    # then the tokens are in the hot wallet, what is not worth its gas stays, and everything is in the ledgers.
    assert (
        await gas_only.driver.balance_of(gas_only.hot, gas_only.token) == int(paid.pay_in.amount_raw) + 90_000 + 110_000
    )
    run = await repository.run(await gas_only.services.reconciliation.run(clock.now(), full=True))
    assert run is not None
    assert (run.status, run.figures["deposits"]["dust"], run.figures["deposits"]["stray"]) == ("clean", 2, 0)


async def test_an_address_is_swept_each_time_it_is_paid(gas_only: SignerUnderTest) -> None:
    await gas_only.receive_payment("USDT", "10.00")
    await gas_only.confirm_blocks()
    await sweep(gas_only)
    (first,) = await gas_only.transactions(purpose="sweep")
    await gas_only.send("USDT", first["from_address"], 7_000_000)  # a second transfer: in review, and ours to keep safe
    await gas_only.confirm_blocks()
    await sweep(gas_only)
    assert [row["nonce"] for row in await gas_only.transactions(purpose="sweep")] == [0, 1]
    assert await gas_only.driver.balance_of(gas_only.hot, gas_only.token) == first["amount_raw"] + 7_000_000


async def test_coins_are_swept_completely_less_their_own_gas(gas_only: SignerUnderTest) -> None:
    paid = await gas_only.receive_payment("ETH", "0.50")
    await gas_only.confirm_blocks()
    hot_before = await gas_only.driver.balance_of(gas_only.hot)
    await sweep(gas_only, 6)
    (swept,) = await gas_only.transactions(purpose="sweep")
    assert await gas_only.driver.balance_of(paid.pay_in.address) == 0
    amount_raw = int(paid.pay_in.amount_raw)
    assert swept["amount_raw"] + swept["fee_raw"] == amount_raw
    assert await gas_only.driver.balance_of(gas_only.hot) == hot_before + swept["amount_raw"]
    assert await gas_only.treasury_raw("ETH") == 10**18 - swept["fee_raw"]
    assert (await gas_only.balance("ETH"))[0] == int(paid.net_raw)


async def test_dust_is_not_swept(gas_only: SignerUnderTest) -> None:
    first = await gas_only.receive_payment("USDT", "0.50")
    await gas_only.receive_payment("ETH", "0.0005")
    await gas_only.confirm_blocks()
    await sweep(gas_only, 4)
    assert await gas_only.transactions(purpose="sweep") == []
    assert await gas_only.transactions(purpose="gas") == []
    assert await database.fetch_value("SELECT count(*) FROM sweep_candidates") == 0
    # Until there is enough of it.
    await gas_only.send("USDT", first.pay_in.address, MIN_USDT_RAW)
    await gas_only.confirm_blocks()
    await sweep(gas_only)
    assert await gas_only.driver.balance_of(gas_only.hot, gas_only.token) == int(first.pay_in.amount_raw) + MIN_USDT_RAW


async def test_coins_that_are_not_worth_their_gas_wait_for_cheaper_gas(gas_only: SignerUnderTest) -> None:
    paid = await gas_only.receive_payment("ETH", "0.002")
    await gas_only.confirm_blocks()
    await gas_only.driver.call("anvil_setNextBlockBaseFeePerGas", hex(100 * 10**9))
    await gas_only.driver.mine(1)
    gas_only.signer._swept_at = None
    await gas_only.rounds()
    assert await gas_only.transactions(purpose="sweep") == []
    await gas_only.driver.call("anvil_setNextBlockBaseFeePerGas", hex(10**9))
    await gas_only.driver.mine(1)
    clock.shift(timedelta(hours=2))
    await sweep(gas_only, 6)
    assert await gas_only.driver.balance_of(paid.pay_in.address) == 0


async def test_without_gas_nothing_is_swept_and_nothing_is_lost(
    services: Services, driver: AnvilDriver, token: str, keys: SpendingKeys
) -> None:
    setup = await SignerUnderTest.open(services, driver, token, keys)
    await setup.receive_payment("USDT", "10.00")
    await setup.confirm_blocks()
    await sweep(setup, 3)
    assert await setup.transactions(purpose="gas") == []
    await setup.top_up("ETH", 10**17)
    await setup.confirm_blocks()
    await sweep(setup)
    assert await setup.driver.balance_of(setup.hot, setup.token) > 10_000_000


async def test_gas_goes_only_to_our_own_addresses(gas_only: SignerUnderTest) -> None:
    """An attacker who can write to the database adds an address with tokens, and waits for gas."""
    paid = await gas_only.receive_payment("USDT", "10.00")
    await gas_only.confirm_blocks()
    thief = new_address()
    await gas_only.send("USDT", thief, 50_000_000)
    await gas_only.confirm_blocks()
    await as_superuser(f"UPDATE deposit_addresses SET address = '{thief}' WHERE address = '{paid.pay_in.address}'")
    gas_only.signer._swept_at = None
    with pytest.raises(NotOurs):
        await gas_only.signer.tick()
    assert await gas_only.driver.balance_of(thief) == 0
    assert await gas_only.transactions(purpose="gas") == []
