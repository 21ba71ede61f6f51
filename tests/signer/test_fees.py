"""What sending costs: fees that are raised with the same nonce, a ceiling, and transactions that fail."""

from collections.abc import Mapping
from datetime import timedelta
from itertools import pairwise

import pytest

from app.core import clock
from app.signer.limits import DAY
from app.signer.transactions import signed_within_raw
from tests.factories.withdrawals import event_types
from tests.withdrawals.till import NETWORK, Till

BUMP_AFTER_S = 180
CEILING_WEI = 20 * 10**9

REVERTS = bytes.fromhex("60006000fd")  # PUSH1 0, PUSH1 0, REVERT
SAYS_NO = bytes.fromhex("600060005260206000f3")  # returns the word 0: `false`
STOPS = bytes.fromhex("00")


@pytest.fixture
def network_options() -> Mapping[str, object]:
    return {"fee_bump_after_s": BUMP_AFTER_S, "max_fee_per_gas_wei": CEILING_WEI}


async def set_base_fee(till: Till, wei: int) -> None:
    """Of the next block, which is mined: the signer looks at the newest one."""
    await till.driver.call("anvil_setNextBlockBaseFeePerGas", hex(wei))
    await till.driver.mine(1)


async def test_a_stuck_payout_is_bumped_with_the_same_nonce(till: Till, still_chain: None) -> None:
    asked, behind = await till.approved("12.00"), await till.approved("3.00")
    await till.rounds(2)
    assert len(await till.transactions()) == 2
    await till.check()  # what is in no block is in flight
    for times in (2, 3, 4):
        clock.shift(timedelta(seconds=BUMP_AFTER_S + 1))
        await till.rounds(2)
        assert len(await till.transactions(asked.id)) == times  # one each time, however many rounds
    # A bump signs nothing away that was not counted in the signer's day already.
    assert await signed_within_raw(NETWORK, "USDT", DAY, clock.now()) == 15_000_000
    assert len(await till.transactions(behind.id)) == 1  # which waits for the first: a higher fee changes nothing
    await till.driver.mine(1)
    paid = await till.until_confirmed(asked.id)
    await till.until_confirmed(behind.id)
    line = await till.transactions(asked.id)
    assert {(row["nonce"], row["to_address"], row["amount_raw"]) for row in line} == {
        (0, asked.destination, 12_000_000)
    }
    assert [row["replaces"] for row in line] == [None, *(row["id"] for row in line[:-1])]
    fees = [(row["max_fee_raw"], row["priority_fee_raw"]) for row in line]
    assert all(8 * new >= 9 * old for before, after in pairwise(fees) for old, new in zip(before, after, strict=True))
    assert [row["status"] for row in line] == ["replaced", "replaced", "replaced", "confirmed"]
    assert paid.txid == line[-1]["txid"]
    assert await till.sent_to(asked.destination) == [12_000_000]
    await till.check()


async def test_the_first_of_a_line_may_be_the_one_that_is_mined(till: Till, still_chain: None) -> None:
    """A miner has the old one although a bump was sent."""
    asked = await till.approved("12.00")
    await till.rounds()
    (first,) = await till.transactions()
    clock.shift(timedelta(seconds=BUMP_AFTER_S + 1))
    await till.rounds()
    await till.driver.call("anvil_dropAllTransactions")
    await till.driver.call("eth_sendRawTransaction", "0x" + first["signed_bytes"].hex())
    await till.driver.mine(1)
    paid = await till.until_confirmed(asked.id)
    assert paid.txid == first["txid"]
    assert [row["status"] for row in await till.transactions()] == ["confirmed", "replaced"]
    assert await till.sent_to(asked.destination) == [12_000_000]
    await till.check()


async def test_above_the_ceiling_it_waits_and_says_so(till: Till) -> None:
    asked = await till.approved("12.00")
    await set_base_fee(till, CEILING_WEI)
    await till.rounds(2)
    waiting = await till.read(asked.id)
    assert (waiting.status, waiting.waiting_reason) == ("approved", "the network asks a higher fee than the ceiling")
    assert await till.transactions() == []
    await set_base_fee(till, 10**9)
    assert (await till.until_confirmed(asked.id)).waiting_reason is None
    (sent,) = await till.transactions()
    assert sent["max_fee_raw"] <= CEILING_WEI
    await till.check()


async def test_a_bump_does_not_go_above_the_ceiling_either(till: Till, still_chain: None) -> None:
    await set_base_fee(till, 15 * 10**9)
    asked = await till.approved("12.00")
    await till.rounds()
    for _ in range(3):
        clock.shift(timedelta(seconds=BUMP_AFTER_S + 1))
        await till.rounds()
    assert all(row["max_fee_raw"] <= CEILING_WEI for row in await till.transactions())
    assert (await till.read(asked.id)).waiting_reason == "the network asks a higher fee than the ceiling"
    assert await till.alerts() == {"fee_ceiling": "warning"}
    await till.driver.mine(1)
    await till.until_confirmed(asked.id)
    assert await till.sent_to(asked.destination) == [12_000_000]


async def test_a_reverted_payout_fails_gives_the_lock_back_and_its_gas_is_booked(till: Till, still_chain: None) -> None:
    before, gas_before = await till.balance("ETH"), await till.treasury_raw("ETH")
    asked = await till.approved("0.25", "ETH")
    await till.rounds()
    # A contract that takes no money has come to the destination since.
    await till.driver.call("anvil_setCode", asked.destination, "0x" + REVERTS.hex())
    await till.rounds(5, blocks=1)
    failed = await till.read(asked.id)
    assert (failed.status, failed.status_reason) == ("failed", "the chain reverted the transaction")
    assert await event_types(asked.id) == [
        f"payout.{s}" for s in ("pending_approval", "approved", "submitted", "failed")
    ]
    (sent,) = await till.transactions()
    assert (sent["status"], sent["gas_cost_raw"] > 21_000) == ("reverted", True)
    assert await till.balance("ETH") == before
    assert await till.treasury_raw("ETH") == gas_before - sent["gas_cost_raw"]
    await till.check()
    # And the next one takes the next nonce.
    after = await till.approved("0.10", "ETH")
    await till.until_confirmed(after.id)
    assert [row["nonce"] for row in await till.transactions()] == [0, 1]
    await till.check()


async def test_a_token_that_says_no_without_reverting_has_not_paid(till: Till, still_chain: None) -> None:
    before = await till.balance()
    asked = await till.approved("12.00")
    await till.rounds()
    code = await till.driver.call("eth_getCode", till.token, "latest")
    await till.driver.call("anvil_setCode", till.token, "0x" + SAYS_NO.hex())
    await till.driver.mine(3)
    await till.driver.call("anvil_setCode", till.token, code)
    await till.rounds(2, blocks=1)
    assert (await till.read(asked.id)).status == "failed"
    assert [row["status"] for row in await till.transactions()] == ["reverted"]
    assert await till.balance() == before
    await till.driver.mine(3)
    await till.check()


async def test_what_would_fail_now_is_not_sent(till: Till) -> None:
    asked = await till.approved("0.25", "ETH")
    await till.driver.call("anvil_setCode", asked.destination, "0x" + REVERTS.hex())
    await till.rounds(2)
    assert (await till.read(asked.id)).waiting_reason == "the network would refuse this transfer now"
    assert await till.alerts() == {"transfer_would_fail": "warning"}
    await till.driver.call("anvil_setCode", asked.destination, "0x" + STOPS.hex())
    await till.until_confirmed(asked.id)
    await till.check()


async def test_a_failed_payout_is_not_sent_again_after_a_deep_reorganisation(till: Till, still_chain: None) -> None:
    """Its money went back. Were its bytes sent again, they might get through this time."""
    before = await till.balance("ETH")
    asked = await till.approved("0.25", "ETH")
    await till.rounds()
    await till.driver.call("anvil_setCode", asked.destination, "0x" + REVERTS.hex())
    await till.rounds(4, blocks=1)
    assert (await till.read(asked.id)).status == "failed"
    await till.driver.reorg(6)
    await till.driver.call("anvil_setCode", asked.destination, "0x")
    await till.driver.call("anvil_dropAllTransactions")
    await till.rounds(3, blocks=1)
    assert await till.driver.balance_of(asked.destination) == 0
    assert await till.balance("ETH") == before
    assert (await till.alerts())["failed_transaction_loose"] == "critical"


async def test_a_confirmed_payout_that_a_deep_reorganisation_takes_away_is_sent_again(
    till: Till, still_chain: None
) -> None:
    asked = await till.approved("12.00")
    await till.rounds()
    await till.driver.mine(1)
    await till.until_confirmed(asked.id)
    (row,) = await till.transactions()
    await till.driver.reorg(await till.driver.height() - row["block_height"] + 1)
    await till.driver.call("anvil_dropAllTransactions")
    assert await till.sent_to(asked.destination) == []
    await till.watcher.tick()
    assert (await till.alerts())["sent_transaction_reorganised"] == "critical"
    await till.rounds(6, blocks=1)
    assert await till.sent_to(asked.destination) == [12_000_000]
    (again,) = await till.transactions()
    assert (again["txid"], again["status"]) == (row["txid"], "confirmed")
    assert (await till.read(asked.id)).status == "confirmed"
    await till.check()
