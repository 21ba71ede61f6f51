"""On a rollup of the OP stack every transaction also pays for its data, reserved before and booked afterwards."""

from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import timedelta

import pytest

from app.core import clock
from app.networks.evm.rollup import HEADROOM, ORACLE
from app.networks.sending import AccountState, Payment
from app.sandbox.anvil import Anvil
from app.sandbox.chain_driver import AnvilDriver
from app.signer.keystore import SpendingKeys
from app.wiring import Services
from tests.fakes.evm_rollup import ECHOES_THE_SIZE, KNOWS_NO_BOUND, RollupProxy, rollup_proxy, set_data_price
from tests.services import start_anvil_for_tests
from tests.signer.signer_under_test import NETWORK, SignerUnderTest, new_address

BUMP_AFTER_S = 180
GWEI = 10**9


@pytest.fixture(scope="module")
def anvil(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Anvil]:
    """A chain of its own that charges for data."""
    with start_anvil_for_tests(tmp_path_factory.mktemp("rollup"), family="optimism") as node:
        yield node


@pytest.fixture
async def proxy(anvil: Anvil) -> AsyncIterator[RollupProxy]:
    async with rollup_proxy(anvil.rpc_url) as proxy:
        yield proxy


@pytest.fixture
def node_url(proxy: RollupProxy) -> str:
    return proxy.url


@pytest.fixture
def network_options() -> Mapping[str, object]:
    return {"rollup": "op-stack", "sweep_interval_s": 1, "fee_bump_after_s": BUMP_AFTER_S}


@pytest.fixture
def asset_options() -> Mapping[str, Mapping[str, int]]:
    return {"USDT": {"sweep_min_raw": 1_000_000}, "ETH": {"sweep_min_raw": 10**15}}


@pytest.fixture
async def data_fee_raw(driver: AnvilDriver) -> int:
    """What each transfer's data costs, in wei: more than its gas, as on a busy day of the first layer."""
    return await set_data_price(driver, 100_000 * GWEI, GWEI)


@pytest.fixture
async def gas_only(
    services: Services, driver: AnvilDriver, token: str, keys: SpendingKeys, data_fee_raw: int
) -> SignerUnderTest:
    """A deployment whose hot wallet has coins for gas and nothing else."""
    setup = await SignerUnderTest.open(services, driver, token, keys)
    await setup.top_up("ETH", 10**18)
    await setup.confirm_blocks()
    return setup


async def sweep(setup: SignerUnderTest, rounds: int) -> None:
    for _ in range(rounds):
        setup.signer._swept_at = None
        await setup.rounds(blocks=1)
        await setup.check()


async def test_coins_are_swept_less_gas_and_data_and_the_books_agree(
    gas_only: SignerUnderTest, data_fee_raw: int
) -> None:
    paid = await gas_only.receive_payment("ETH", "0.50")
    await gas_only.confirm_blocks()
    await sweep(gas_only, 5)
    (swept,) = await gas_only.transactions(purpose="sweep")
    gas_raw = swept["gas_limit"] * swept["max_fee_raw"]
    assert data_fee_raw > gas_raw
    assert (swept["status"], swept["data_fee_raw"]) == ("confirmed", HEADROOM * data_fee_raw)
    assert swept["amount_raw"] == int(paid.pay_in.amount_raw) - gas_raw - HEADROOM * data_fee_raw
    assert swept["fee_booked_raw"] == swept["fee_raw"] == gas_raw + data_fee_raw
    # What was reserved and not charged stays for the next sweep.
    assert await gas_only.driver.balance_of(paid.pay_in.address) == (HEADROOM - 1) * data_fee_raw
    assert await gas_only.treasury_raw("ETH") == 10**18 - swept["fee_raw"]


async def test_gas_for_a_token_covers_its_data_and_payouts_book_theirs(
    gas_only: SignerUnderTest, data_fee_raw: int
) -> None:
    await gas_only.receive_payment("USDT", "30.00")
    await gas_only.receive_payment("ETH", "0.50")
    await gas_only.confirm_blocks()
    await sweep(gas_only, 8)
    assert [len(await gas_only.transactions(purpose=purpose)) for purpose in ("gas", "sweep")] == [1, 2]
    for amount, asset in (("20.00", "USDT"), ("0.20", "ETH")):
        requested = await gas_only.approved(amount, asset)
        await gas_only.until_confirmed(requested.id)
        (sent,) = await gas_only.transactions(requested.id)
        assert data_fee_raw < sent["fee_booked_raw"] == sent["fee_raw"]
    await gas_only.check()


async def test_a_customer_is_told_what_gas_and_data_cost(
    gas_only: SignerUnderTest, driver: AnvilDriver, data_fee_raw: int
) -> None:
    fees = {fee.asset_symbol: fee.fee_raw for fee in await gas_only.services.networks.chain(NETWORK).customer_fees()}
    account = driver.accounts[0]
    before_raw = await driver.balance_of(account)
    await driver.transfer_native(new_address(), 10**15)
    cost_raw = before_raw - await driver.balance_of(account) - 10**15
    assert data_fee_raw < cost_raw <= fees["ETH"] <= cost_raw * 11 // 10
    assert fees["ETH"] < fees["USDT"]


async def test_a_sweep_that_can_not_pay_for_dearer_data_is_bumped_and_sends_less(
    gas_only: SignerUnderTest, driver: AnvilDriver, data_fee_raw: int
) -> None:
    paid = await gas_only.receive_payment("ETH", "0.50")
    await gas_only.confirm_blocks()
    await driver.call("evm_setAutomine", False)
    try:
        await gas_only.rounds()
        dearer_raw = await set_data_price(driver, 3 * 100_000 * GWEI, GWEI)
        await gas_only.rounds(blocks=1)
        (stuck,) = await gas_only.transactions(purpose="sweep")
        assert (stuck["status"], stuck["block_height"]) == ("submitted", None)
        clock.shift(timedelta(seconds=BUMP_AFTER_S + 1))
        await gas_only.rounds()
    finally:
        await driver.call("evm_setAutomine", True)
    await sweep(gas_only, 4)
    first, bump = await gas_only.transactions(purpose="sweep")
    assert (first["status"], bump["status"]) == ("replaced", "confirmed")
    assert bump["data_fee_raw"] == HEADROOM * dearer_raw
    assert bump["fee_booked_raw"] == bump["gas_limit"] * bump["max_fee_raw"] + dearer_raw
    budget_raw = bump["gas_limit"] * bump["max_fee_raw"] + bump["data_fee_raw"]
    assert bump["amount_raw"] == int(paid.pay_in.amount_raw) - budget_raw


async def test_the_oracle_is_called_as_the_networks_upgrade_requires(
    gas_only: SignerUnderTest, driver: AnvilDriver
) -> None:
    sender = gas_only.services.networks.account_sender(NETWORK)
    state = AccountState(sender=gas_only.hot, nonce=7, gas_limit=60_000, max_fee_raw=GWEI, priority_fee_raw=1)
    draft = sender.plan([Payment(new_address(), "USDT", 1_234_567)], state)
    signed = sender.sign(draft, gas_only.keys.hot_wallet_key())
    for code in (ECHOES_THE_SIZE, KNOWS_NO_BOUND):
        await driver.call("anvil_setCode", ORACLE, "0x" + code)
        size = await sender.data_fee_raw(draft) / HEADROOM
        assert len(signed.raw) - 70 <= size < len(signed.raw) - 60  # all but the signature
