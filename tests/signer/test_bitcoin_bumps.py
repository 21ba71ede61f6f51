"""Bitcoin transactions that wait too long: replaced at a higher fee, helped by what spends their change, or sent with
it as a package; whichever attempt is mined, each payout is paid once."""

from datetime import timedelta

import pytest

from app.core import clock, database
from app.networks.port import ChainMoved
from tests.signer.bitcoin_under_test import BUMP_AFTER_S, BitcoinUnderTest
from tests.signer.test_bitcoin_payouts import ONE_COIN

FIVE = ("0.1", "0.2", "0.2", "0.3", "0.4")


async def claims_of(transaction: int) -> set[str]:
    """What a transaction of ours claims."""
    rows = await database.fetch_all("SELECT claim FROM outgoing_claims WHERE transaction = $1", transaction)
    return {row["claim"] for row in rows}


async def mine_alone(setup: BitcoinUnderTest, raw: bytes) -> None:
    """Mine a block of these signed bytes alone, whatever the pool has in their place."""
    await setup.node.call("generateblock", await setup.node.address(), [raw.hex()])
    await setup.watcher.tick()


async def test_a_stuck_batch_is_replaced_at_a_higher_fee(bitcoin_setup: BitcoinUnderTest) -> None:
    setup = bitcoin_setup
    payouts = await setup.approved(*FIVE)
    await setup.signer.tick()
    await setup.rounds(2)
    assert len(await setup.attempts()) == 1  # it is not yet time
    for times in (2, 3):
        await setup.wait_for_bump()
        await setup.rounds(2)
        assert len(await setup.attempts()) == times
        await setup.check()
    attempts = await setup.attempts()
    assert [row["replaces"] for row in attempts] == [None, attempts[0]["id"], attempts[1]["id"]]
    fees = [row["fee_cap_raw"] for row in attempts]
    assert fees[1] >= fees[0] * 5 // 4
    assert fees[2] >= fees[1] * 5 // 4
    assert await setup.node.pool() == [attempts[2]["txid"]]
    assert len({frozenset(await claims_of(row["id"])) for row in attempts}) == 1
    await setup.until_confirmed(payouts)
    assert [row["status"] for row in await setup.attempts()] == ["replaced", "replaced", "confirmed"]
    await setup.assert_paid_once(payouts)


async def test_a_bump_offers_what_the_network_asks_by_now(bitcoin_setup: BitcoinUnderTest) -> None:
    setup = bitcoin_setup
    payouts = await setup.approved("0.1")
    await setup.signer.tick()
    setup.proxy.estimate_sat_vb = 40
    await setup.wait_for_bump()
    assert [row["fee_cap_raw"] for row in await setup.attempts()] == [141 * 5, 141 * 40]
    setup.proxy.estimate_sat_vb = 10_000  # absurd: what is signed stays as it is
    await setup.wait_for_bump()
    assert len(await setup.attempts()) == 2
    assert await setup.reasons(payouts) == ["the network asks a higher fee than the ceiling"]
    assert await setup.alerts() == {"fee_ceiling": "warning"}
    await setup.until_confirmed(payouts)
    await setup.assert_paid_once(payouts)


@pytest.mark.parametrize("mined", [0, 1, 2])
async def test_whichever_attempt_is_mined_pays_each_once(bitcoin_setup: BitcoinUnderTest, mined: int) -> None:
    """A miner may include an attempt that our node has dropped for a later one."""
    setup = bitcoin_setup
    payouts = await setup.approved(*FIVE)
    await setup.signer.tick()
    for _ in range(2):
        await setup.wait_for_bump()
    attempts = await setup.attempts()
    await mine_alone(setup, attempts[mined]["signed_bytes"])
    # All others are refused from now on: that alone decides nothing.
    await setup.rounds(2)
    assert await setup.statuses(payouts) == ["submitted"] * 5
    await setup.until_confirmed(payouts)
    assert [row["status"] for row in await setup.attempts()] == [
        "confirmed" if number == mined else "replaced" for number in range(3)
    ]
    # Only the change of the one that was mined is a coin.
    more = await setup.approved("0.5")
    await setup.until_confirmed(more)
    await setup.assert_paid_once([*payouts, *more])


async def test_the_first_attempt_is_mined_while_the_second_is_signed(bitcoin_setup: BitcoinUnderTest) -> None:
    setup = bitcoin_setup
    payouts = await setup.approved(*FIVE)
    await setup.signer.tick()
    await setup.node.mine()
    clock.shift(timedelta(seconds=BUMP_AFTER_S + 1))
    with pytest.raises(ChainMoved, match="the watcher has read block"):  # but not the newest one
        await setup.signer.tick()
    assert len(await setup.attempts()) == 2
    await setup.watcher.tick()
    await setup.until_confirmed(payouts)
    assert [row["status"] for row in await setup.attempts()] == ["confirmed", "replaced"]
    await setup.assert_paid_once(payouts)


async def test_an_attempt_that_a_reorganisation_exchanges_for_another_pays_once(
    bitcoin_setup: BitcoinUnderTest,
) -> None:
    """The first attempt is mined; after a reorganisation the second is."""
    setup = bitcoin_setup
    payouts = await setup.approved(*FIVE)
    await setup.signer.tick()
    await setup.wait_for_bump()
    first, second = await setup.attempts()
    await mine_alone(setup, first["signed_bytes"])
    await setup.rounds()
    assert [row["block_height"] is None for row in await setup.attempts()] == [False, True]
    await setup.node.roll_back(1)
    await mine_alone(setup, second["signed_bytes"])
    await setup.node.mine_empty()
    await setup.watcher.tick()
    await setup.rounds()
    assert [row["block_height"] is None for row in await setup.attempts()] == [True, False]
    await setup.until_confirmed(payouts)
    assert [row["status"] for row in await setup.attempts()] == ["replaced", "confirmed"]
    await setup.assert_paid_once(payouts)


@pytest.mark.parametrize("received", [("1.0", "0.3")])
async def test_a_bump_that_needs_another_coin(bitcoin_setup: BitcoinUnderTest) -> None:
    """The change does not suffice for the higher fee: one more coin is spent, which a block has."""
    setup = bitcoin_setup
    payouts = await setup.approved("0.99999")
    await setup.signer.tick()
    (sent,) = await setup.attempts()
    before = await claims_of(sent["id"])
    assert len(before) == 1
    setup.proxy.estimate_sat_vb = 100
    await setup.wait_for_bump()
    _, bump = await setup.attempts()
    assert len(await claims_of(bump["id"])) == 2
    assert await claims_of(bump["id"]) > before
    assert await setup.node.pool() == [bump["txid"]]
    await setup.until_confirmed(payouts)
    await setup.assert_paid_once(payouts)


@pytest.mark.parametrize("received", [("1.0",)])
async def test_a_bump_spends_the_same_coin_though_a_better_one_has_come(bitcoin_setup: BitcoinUnderTest) -> None:
    """With the other coin alone both attempts could be mined."""
    setup = bitcoin_setup
    payouts = await setup.approved("0.4")
    await setup.signer.tick()
    (sent,) = await setup.attempts()
    better = await setup.node.pay(setup.hot, 50_000_000, fee_rate=5)
    await setup.node.call("generateblock", await setup.node.address(), [better])
    await setup.node.mine_empty(2)
    await setup.watcher.tick()
    await setup.wait_for_bump()
    _, bump = await setup.attempts()
    assert await claims_of(bump["id"]) == await claims_of(sent["id"])
    assert await setup.node.pool() == [bump["txid"]]
    await setup.until_confirmed(payouts)
    await setup.assert_paid_once(payouts)


@ONE_COIN
async def test_what_has_a_child_is_not_replaced_but_helped_by_it(bitcoin_setup: BitcoinUnderTest) -> None:
    """The child would fall with it. Its own bump pays for both."""
    setup = bitcoin_setup
    first = await setup.approved("0.001")
    await setup.signer.tick()
    second = await setup.approved("0.002")
    await setup.rounds(2)
    parent, child = (await setup.attempts())[-2:]
    setup.proxy.estimate_sat_vb = 50
    await setup.wait_for_bump()
    *_, last = await setup.attempts()
    assert (last["replaces"], len(await setup.attempts())) == (child["id"], 3)
    entry = await setup.node.call("getmempoolentry", last["txid"])
    assert entry["ancestorcount"] == 2
    assert int(entry["fees"]["ancestor"] * 10**8) >= 50 * entry["ancestorsize"]
    assert parent["txid"] in await setup.node.pool()
    # The change of what has several attempts is not spent: another of them may be mined.
    third = await setup.approved("0.003")
    await setup.rounds(2)
    assert await setup.reasons(third) == ["earlier transactions or payments to us wait for a block"]
    payouts = [*first, *second, *third]
    await setup.until_confirmed(payouts)
    await setup.assert_paid_once(payouts)


async def test_what_a_recipient_spends_is_paid_for_by_the_bump(bitcoin_setup: BitcoinUnderTest) -> None:
    """A recipient has spent a payment that is in no block: what leaves the pool with it must be paid for too."""
    setup = bitcoin_setup
    payouts = await setup.approved("0.5")
    await setup.signer.tick()
    (sent,) = await setup.attempts()
    raw = await setup.node.call(
        "createrawtransaction", [{"txid": sent["txid"], "vout": 0}], [{await setup.node.address(): "0.4999"}]
    )
    signed = await setup.node.call("signrawtransactionwithwallet", raw)
    await setup.node.call("sendrawtransaction", signed["hex"])
    await setup.wait_for_bump()
    _, bump = await setup.attempts()
    assert bump["fee_cap_raw"] > sent["fee_cap_raw"] + 10_000
    assert await setup.node.pool() == [bump["txid"]]
    await setup.until_confirmed(payouts)
    await setup.assert_paid_once(payouts)


@pytest.mark.parametrize("top_up_raw", [800])
async def test_a_bump_that_the_treasury_cannot_pay_waits(bitcoin_setup: BitcoinUnderTest) -> None:
    setup = bitcoin_setup
    payouts = await setup.approved("0.1")
    await setup.signer.tick()
    setup.proxy.estimate_sat_vb = 20
    await setup.wait_for_bump()
    assert len(await setup.attempts()) == 1
    assert await setup.reasons(payouts) == ["the treasury has too little BTC for fees: it needs a top-up"]
    await setup.until_confirmed(payouts)
    await setup.assert_paid_once(payouts)
