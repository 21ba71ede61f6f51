"""What sending costs: fees that are raised with the same nonce, a ceiling, and transactions that fail."""

from collections.abc import Mapping
from datetime import timedelta
from itertools import pairwise

import pytest

from app.core import clock
from app.networks.evm.wire import TRANSFER_TOPIC
from app.signer.limits import DAY
from app.signer.repository import signed_within_raw
from tests.factories.withdrawals import event_types
from tests.signer.signer_under_test import NETWORK, SignerUnderTest

BUMP_AFTER_S = 180
CEILING_WEI = 20 * 10**9

REVERTS = bytes.fromhex("60006000fd")  # PUSH1 0, PUSH1 0, REVERT
SAYS_NO = bytes.fromhex("600060005260206000f3")  # returns the word 0: `false`
STOPS = bytes.fromhex("00")


def token_that_moves(amount: str, to: str) -> bytes:
    """Code of a token whose `transfer` logs another amount or recipient, given as code that leaves it on the stack."""
    topics = f"{to} 33 7f{TRANSFER_TOPIC[2:]} 6020 6000 a3"  # to, CALLER, Transfer, 32 bytes from 0, LOG3
    return bytes.fromhex(f"{amount} 6000 52 {topics} 6001 6000 52 6020 6000 f3")  # … and returns true


AMOUNT, RECIPIENT = "6024 35", "6004 35"  # CALLDATALOAD of `transfer`'s arguments
LESS, ANOTHER = "6001 6024 35 03", "6001 6004 35 01"  # the amount less 1, the recipient plus 1


@pytest.fixture
def network_options() -> Mapping[str, object]:
    return {"fee_bump_after_s": BUMP_AFTER_S, "max_fee_per_gas_wei": CEILING_WEI}


async def set_base_fee(setup: SignerUnderTest, wei: int) -> None:
    """Set the base fee of the next block and mine it: the signer reads the newest block."""
    await setup.driver.call("anvil_setNextBlockBaseFeePerGas", hex(wei))
    await setup.driver.mine(1)


async def test_a_stuck_payout_is_bumped_with_the_same_nonce(setup: SignerUnderTest, still_chain: None) -> None:
    requested, behind = await setup.approved("12.00"), await setup.approved("3.00")
    await setup.rounds(2)
    assert len(await setup.transactions()) == 2
    await setup.check()  # what is in no block is in flight
    for times in (2, 3, 4):
        clock.shift(timedelta(seconds=BUMP_AFTER_S + 1))
        await setup.rounds(2)
        assert len(await setup.transactions(requested.id)) == times  # one each time, however many rounds
    # A bump signs nothing away that was not counted in the signer's day already.
    assert await signed_within_raw(NETWORK, "USDT", DAY, clock.now()) == 15_000_000
    assert len(await setup.transactions(behind.id)) == 1  # which waits for the first: a higher fee changes nothing
    await setup.driver.mine(1)
    paid = await setup.until_confirmed(requested.id)
    await setup.until_confirmed(behind.id)
    line = await setup.transactions(requested.id)
    assert {(row["nonce"], row["to_address"], row["amount_raw"]) for row in line} == {
        (0, requested.destination, 12_000_000)
    }
    assert [row["replaces"] for row in line] == [None, *(row["id"] for row in line[:-1])]
    fees = [(row["max_fee_raw"], row["priority_fee_raw"]) for row in line]
    assert all(8 * new >= 9 * old for before, after in pairwise(fees) for old, new in zip(before, after, strict=True))
    assert [row["status"] for row in line] == ["replaced", "replaced", "replaced", "confirmed"]
    assert paid.txid == line[-1]["txid"]
    assert await setup.sent_to(requested.destination) == [12_000_000]
    await setup.check()


async def test_the_first_transaction_of_several_bumps_may_be_mined(setup: SignerUnderTest, still_chain: None) -> None:
    """A miner includes the old transaction although a bump was sent."""
    requested = await setup.approved("12.00")
    await setup.rounds()
    (first,) = await setup.transactions()
    clock.shift(timedelta(seconds=BUMP_AFTER_S + 1))
    await setup.rounds()
    await setup.driver.call("anvil_dropAllTransactions")
    await setup.driver.call("eth_sendRawTransaction", "0x" + first["signed_bytes"].hex())
    await setup.driver.mine(1)
    paid = await setup.until_confirmed(requested.id)
    assert paid.txid == first["txid"]
    assert [row["status"] for row in await setup.transactions()] == ["confirmed", "replaced"]
    assert await setup.sent_to(requested.destination) == [12_000_000]
    await setup.check()


async def test_above_the_fee_ceiling_it_waits_with_a_reason(setup: SignerUnderTest) -> None:
    requested = await setup.approved("12.00")
    await set_base_fee(setup, CEILING_WEI)
    await setup.rounds(2)
    waiting = await setup.read(requested.id)
    assert (waiting.status, waiting.waiting_reason) == ("approved", "the network asks a higher fee than the ceiling")
    assert await setup.transactions() == []
    await set_base_fee(setup, 10**9)
    assert (await setup.until_confirmed(requested.id)).waiting_reason is None
    (sent,) = await setup.transactions()
    assert sent["max_fee_raw"] <= CEILING_WEI
    await setup.check()


async def test_a_bump_does_not_go_above_the_ceiling_either(setup: SignerUnderTest, still_chain: None) -> None:
    await set_base_fee(setup, 15 * 10**9)
    requested = await setup.approved("12.00")
    await setup.rounds()
    for _ in range(3):
        clock.shift(timedelta(seconds=BUMP_AFTER_S + 1))
        await setup.rounds()
    assert all(row["max_fee_raw"] <= CEILING_WEI for row in await setup.transactions())
    assert (await setup.read(requested.id)).waiting_reason == "the network asks a higher fee than the ceiling"
    assert await setup.alerts() == {"fee_ceiling": "warning"}
    await setup.driver.mine(1)
    await setup.until_confirmed(requested.id)
    assert await setup.sent_to(requested.destination) == [12_000_000]


async def test_a_reverted_payout_fails_releases_its_money_and_its_gas_is_booked(
    setup: SignerUnderTest, still_chain: None
) -> None:
    before, gas_before = await setup.balance("ETH"), await setup.treasury_raw("ETH")
    requested = await setup.approved("0.25", "ETH")
    await setup.rounds()
    # The destination has become a contract that accepts no money.
    await setup.driver.call("anvil_setCode", requested.destination, "0x" + REVERTS.hex())
    await setup.rounds(5, blocks=1)
    failed = await setup.read(requested.id)
    assert (failed.status, failed.status_reason) == ("failed", "the chain reverted the transaction")
    assert await event_types(requested.id) == [
        f"payout.{s}" for s in ("pending_approval", "approved", "submitted", "failed")
    ]
    (sent,) = await setup.transactions()
    assert (sent["status"], sent["fee_raw"] > 21_000) == ("reverted", True)
    assert await setup.balance("ETH") == before
    assert await setup.treasury_raw("ETH") == gas_before - sent["fee_raw"]
    await setup.check()
    # And the next one uses the next nonce.
    after = await setup.approved("0.10", "ETH")
    await setup.until_confirmed(after.id)
    assert [row["nonce"] for row in await setup.transactions()] == [0, 1]
    await setup.check()


async def test_a_token_that_returns_false_without_reverting_has_not_paid(
    setup: SignerUnderTest, still_chain: None
) -> None:
    before = await setup.balance()
    requested = await setup.approved("12.00")
    await setup.rounds()
    code = await setup.driver.call("eth_getCode", setup.token, "latest")
    await setup.driver.call("anvil_setCode", setup.token, "0x" + SAYS_NO.hex())
    await setup.driver.mine(3)
    await setup.driver.call("anvil_setCode", setup.token, code)
    await setup.rounds(2, blocks=1)
    assert (await setup.read(requested.id)).status == "failed"
    assert [row["status"] for row in await setup.transactions()] == ["reverted"]
    assert await setup.balance() == before
    await setup.driver.mine(3)
    await setup.check()


@pytest.mark.parametrize("code", [token_that_moves(LESS, RECIPIENT), token_that_moves(AMOUNT, ANOTHER)])
async def test_a_token_that_moves_less_or_elsewhere_has_neither_paid_nor_failed(
    setup: SignerUnderTest, still_chain: None, code: bytes
) -> None:
    """Its money is gone from the hot wallet: to release it would pay twice, to confirm would tell a lie."""
    available_raw, _ = await setup.balance()
    requested = await setup.approved("12.00")
    await setup.rounds()
    original = await setup.driver.call("eth_getCode", setup.token, "latest")
    await setup.driver.call("anvil_setCode", setup.token, "0x" + code.hex())
    await setup.driver.mine(3)
    await setup.driver.call("anvil_setCode", setup.token, original)
    await setup.rounds(3, blocks=1)
    waiting = await setup.read(requested.id)
    assert (waiting.status, waiting.waiting_reason) == (
        "submitted",
        "the network has moved something else than was approved",
    )
    assert await setup.balance() == (available_raw - 12_000_000, 12_000_000)
    assert await setup.alerts() == {"moved_otherwise": "critical"}
    assert len(await setup.transactions()) == 1


async def test_a_token_that_moves_what_it_should_has_paid(setup: SignerUnderTest, still_chain: None) -> None:
    """The same double as above, to the unit and to the recipient."""
    requested = await setup.approved("12.00")
    await setup.rounds()
    original = await setup.driver.call("eth_getCode", setup.token, "latest")
    await setup.driver.call("anvil_setCode", setup.token, "0x" + token_that_moves(AMOUNT, RECIPIENT).hex())
    await setup.driver.mine(3)
    await setup.driver.call("anvil_setCode", setup.token, original)
    await setup.rounds()
    assert (await setup.read(requested.id)).status == "confirmed"


async def test_a_transaction_that_would_fail_is_not_sent(setup: SignerUnderTest) -> None:
    requested = await setup.approved("0.25", "ETH")
    await setup.driver.call("anvil_setCode", requested.destination, "0x" + REVERTS.hex())
    await setup.rounds(2)
    assert (await setup.read(requested.id)).waiting_reason == "the network would refuse this transfer now"
    assert await setup.alerts() == {"transfer_would_fail": "warning"}
    await setup.driver.call("anvil_setCode", requested.destination, "0x" + STOPS.hex())
    await setup.until_confirmed(requested.id)
    await setup.check()


async def test_a_failed_payout_is_not_sent_again_after_a_deep_reorganisation(
    setup: SignerUnderTest, still_chain: None
) -> None:
    """Its money was released. If its bytes were sent again, they might succeed this time."""
    before = await setup.balance("ETH")
    requested = await setup.approved("0.25", "ETH")
    await setup.rounds()
    await setup.driver.call("anvil_setCode", requested.destination, "0x" + REVERTS.hex())
    await setup.rounds(4, blocks=1)
    assert (await setup.read(requested.id)).status == "failed"
    await setup.driver.reorg(6)
    await setup.driver.call("anvil_setCode", requested.destination, "0x")
    await setup.driver.call("anvil_dropAllTransactions")
    await setup.rounds(3, blocks=1)
    assert await setup.driver.balance_of(requested.destination) == 0
    assert await setup.balance("ETH") == before
    assert (await setup.alerts())["failed_transaction_loose"] == "critical"


async def test_a_confirmed_payout_that_a_deep_reorganisation_removes_is_sent_again(
    setup: SignerUnderTest, still_chain: None
) -> None:
    requested = await setup.approved("12.00")
    await setup.rounds()
    await setup.driver.mine(1)
    await setup.until_confirmed(requested.id)
    (row,) = await setup.transactions()
    await setup.driver.reorg(await setup.driver.height() - row["block_height"] + 1)
    await setup.driver.call("anvil_dropAllTransactions")
    assert await setup.sent_to(requested.destination) == []
    await setup.watcher.tick()
    assert (await setup.alerts())["sent_transaction_reorganised"] == "critical"
    await setup.rounds(6, blocks=1)
    assert await setup.sent_to(requested.destination) == [12_000_000]
    (again,) = await setup.transactions()
    assert (again["txid"], again["status"]) == (row["txid"], "confirmed")
    assert (await setup.read(requested.id)).status == "confirmed"
    await setup.check()
