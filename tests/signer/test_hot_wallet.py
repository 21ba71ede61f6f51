"""The hot wallet: who owns its money, what happens when there is too little, and top-ups."""

from collections.abc import Mapping
from datetime import timedelta

import pytest

from app.core import clock, database
from app.core.errors import ApiError
from app.sandbox.chain_driver import AnvilDriver
from app.signer.keystore import SpendingKeys
from app.wiring import Services
from tests.signer.conftest import NO_SWEEPS
from tests.signer.signer_under_test import SignerUnderTest

LOW_USDT_RAW, LOW_ETH_RAW = 100_000_000, 10**17


@pytest.fixture
def asset_options() -> Mapping[str, Mapping[str, int]]:
    return {
        "USDT": {**NO_SWEEPS, "hot_low_raw": LOW_USDT_RAW},
        "ETH": {**NO_SWEEPS, "hot_low_raw": LOW_ETH_RAW},
    }


@pytest.fixture
async def empty_wallet(services: Services, driver: AnvilDriver, token: str, keys: SpendingKeys) -> SignerUnderTest:
    """A deployment whose hot wallet is empty."""
    setup = await SignerUnderTest.open(services, driver, token, keys)
    await setup.receive_payment("USDT", "1000.00")
    await setup.receive_payment("ETH", "1.00")
    await setup.confirm_blocks()
    return setup


async def test_a_payout_waits_with_a_reason_and_is_sent_after_a_top_up(empty_wallet: SignerUnderTest) -> None:
    requested = await empty_wallet.approved("12.00")
    await empty_wallet.rounds(2)
    assert (await empty_wallet.read(requested.id)).waiting_reason == "the hot wallet holds too little USDT"
    assert await empty_wallet.alerts() == {"hot_wallet_low": "warning", "withdrawals_wait": "warning"}
    # Tokens are not enough: gas is needed, and it is never paid from merchants' coins.
    await empty_wallet.top_up("USDT", 200_000_000)
    await empty_wallet.confirm_blocks()
    await empty_wallet.rounds()
    assert (await empty_wallet.read(requested.id)).waiting_reason == "the hot wallet holds too little ETH for gas"
    await empty_wallet.top_up("ETH", 10**18)
    await empty_wallet.rounds()
    assert (await empty_wallet.read(requested.id)).waiting_reason == (
        "the treasury has too little ETH for gas: the hot wallet needs a top-up"  # it was received, and isn't final
    )
    await empty_wallet.confirm_blocks()
    assert (await empty_wallet.until_confirmed(requested.id)).waiting_reason is None
    assert await empty_wallet.sent_to(requested.destination) == [12_000_000]
    await empty_wallet.check()


async def test_a_final_top_up_is_booked_to_the_treasury(empty_wallet: SignerUnderTest) -> None:
    await empty_wallet.top_up("ETH", 10**18)
    await empty_wallet.top_up("USDT", 5_000_000)
    await empty_wallet.watcher.tick()
    assert (await empty_wallet.treasury_raw("ETH"), await empty_wallet.treasury_raw("USDT")) == (0, 0)
    await empty_wallet.check()
    await empty_wallet.confirm_blocks()
    assert (await empty_wallet.treasury_raw("ETH"), await empty_wallet.treasury_raw("USDT")) == (10**18, 5_000_000)
    rows = await database.fetch_all("SELECT kind FROM ledger_entries WHERE reference_type = 'top_up'")
    assert [row["kind"] for row in rows] == ["top_up", "top_up"]
    await empty_wallet.check()


async def test_a_top_up_that_a_reorganisation_removes_is_reversed(empty_wallet: SignerUnderTest) -> None:
    await empty_wallet.driver.mine(3)
    await empty_wallet.top_up("ETH", 10**18)
    await empty_wallet.watcher.tick()
    await empty_wallet.driver.reorg(1)
    await empty_wallet.confirm_blocks(4)
    assert await empty_wallet.treasury_raw("ETH") == 0
    await empty_wallet.top_up("ETH", 10**18)
    await empty_wallet.confirm_blocks()
    assert await empty_wallet.treasury_raw("ETH") == 10**18
    await empty_wallet.driver.reorg(4)  # deeper than its confirmations
    await empty_wallet.confirm_blocks()
    assert await empty_wallet.treasury_raw("ETH") == 0
    assert (await empty_wallet.alerts())["top_up_reversed"] == "critical"
    await empty_wallet.check()


async def test_low_balances_alert_once_each_time(empty_wallet: SignerUnderTest) -> None:
    async def occurrences() -> dict[str, int]:
        rows = await database.fetch_all("SELECT details::jsonb->>'asset' AS asset, occurrences FROM alerts")
        return {row["asset"]: row["occurrences"] for row in rows}

    await empty_wallet.rounds()
    empty_wallet.signer._swept_at = None
    await empty_wallet.rounds()
    assert await occurrences() == {"USDT": 1, "ETH": 1}
    await empty_wallet.top_up("USDT", LOW_USDT_RAW)
    empty_wallet.signer._swept_at = None
    await empty_wallet.rounds()
    await empty_wallet.driver.call("anvil_impersonateAccount", empty_wallet.hot)
    await empty_wallet.driver.set_balance(empty_wallet.hot, 10**16)
    await empty_wallet.driver.transfer_token(
        empty_wallet.token, empty_wallet.driver.accounts[5], 1, sender=empty_wallet.hot
    )
    await empty_wallet.driver.call("anvil_stopImpersonatingAccount", empty_wallet.hot)
    await database.execute(
        "INSERT INTO wallet_nonces (network, address, next_nonce) VALUES ($1, $2, 1)", "ethereum:test", empty_wallet.hot
    )
    empty_wallet.signer._swept_at = None
    await empty_wallet.rounds()
    assert await occurrences() == {"USDT": 2, "ETH": 1}


async def test_one_asset_that_is_short_does_not_hold_up_another(empty_wallet: SignerUnderTest) -> None:
    await empty_wallet.top_up("ETH", 10**18)
    await empty_wallet.confirm_blocks()
    for _ in range(3):
        await empty_wallet.approved("100.00")
    coins = await empty_wallet.approved("0.20", "ETH")
    await empty_wallet.until_confirmed(coins.id)
    assert await empty_wallet.driver.balance_of(coins.destination) == 2 * 10**17
    assert (await empty_wallet.balance())[1] == 300_000_000
    await empty_wallet.check()


async def test_many_that_wait_for_money_do_not_hide_one_that_does_not(empty_wallet: SignerUnderTest) -> None:
    """More than a round's worth of payouts that can't be paid for, before one that can."""
    await empty_wallet.top_up("ETH", 10**18)
    await empty_wallet.confirm_blocks()
    for _ in range(60):
        requested = await empty_wallet.request_payout("1.00")
        await empty_wallet.approve(requested.id)
    coins = await empty_wallet.approved("0.20", "ETH")
    await empty_wallet.rounds(blocks=1)
    assert await empty_wallet.driver.balance_of(coins.destination) == 2 * 10**17


async def test_our_own_hot_wallet_is_no_destination(empty_wallet: SignerUnderTest) -> None:
    with pytest.raises(ApiError, match="our own hot wallet"):
        await empty_wallet.request_payout("1.00", destination=empty_wallet.hot)


async def test_funds_from_before_the_first_block_and_from_a_contract_are_found(
    services: Services, driver: AnvilDriver, token: str, keys: SpendingKeys
) -> None:
    """Operators fill the wallet before they start the gateway: no watcher has read that transfer."""
    await driver.transfer_native(keys.hot_wallet_address, 10**18)
    await driver.transfer_token(token, keys.hot_wallet_address, 50_000_000)
    await driver.mine(3)
    setup = await SignerUnderTest.open(services, driver, token, keys)
    await setup.receive_payment("USDT", "30.00")
    await setup.confirm_blocks()
    clock.shift(timedelta(seconds=61))
    await setup.confirm_blocks()
    assert (await setup.treasury_raw("ETH"), await setup.treasury_raw("USDT")) == (10**18, 50_000_000)
    requested = await setup.approved("12.00")
    await setup.until_confirmed(requested.id)
    await setup.check()
    # Its own payouts and gas are not counted as top-ups.
    for _ in range(3):
        clock.shift(timedelta(seconds=61))
        await setup.rounds(blocks=1)
    assert await setup.treasury_raw("USDT") == 50_000_000
    assert await database.fetch_value("SELECT count(*) FROM hot_wallet_receipts") == 2
    await setup.check()


async def test_a_sweep_that_a_restored_backup_lacks_is_no_top_up(empty_wallet: SignerUnderTest) -> None:
    """Only our key moves money from a deposit address, and the ledgers have that money already."""
    setup = empty_wallet
    paid = await setup.receive_payment("USDT", "5.00")
    await setup.confirm_blocks()
    await setup.driver.call("anvil_impersonateAccount", paid.pay_in.address)
    await setup.driver.call("anvil_setBalance", paid.pay_in.address, hex(10**18))
    amount_raw = int(paid.pay_in.amount_raw)
    await setup.driver.transfer_token(setup.token, setup.hot, amount_raw, sender=paid.pay_in.address)
    await setup.top_up("USDT", 7)
    await setup.confirm_blocks()
    assert await setup.sent_to(setup.hot) == [amount_raw, 7]
    assert await setup.treasury_raw("USDT") == 7
