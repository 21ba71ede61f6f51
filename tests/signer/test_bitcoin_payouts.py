"""Payouts in bitcoin, from coins that customers have paid, on a real node: alone, together, with too little, and with
fees that are too high."""

import asyncio
from datetime import timedelta

import pytest

from app.core import clock, database
from app.core.errors import ApiError, Code
from app.networks.bitcoin.fees import dust_limit_raw
from app.networks.bitcoin.spending import form_of
from app.networks.port import NodeUnavailable
from app.networks.sending import Draft
from app.signer.coin_funds import CoinFunds
from app.signer.crash_points import POINTS
from app.signer.funds import UnknownTransaction
from app.signer.limits import DAY
from app.signer.repository import signed_within_raw
from tests.factories.bitcoin import NETWORK
from tests.factories.operators import operator
from tests.signer.bitcoin_under_test import ACCOUNT_PATH, BUMP_AFTER_S, BitcoinUnderTest, account_address, forget
from tests.signer.crashing import Killed, KilledAt

ONE_COIN = pytest.mark.parametrize(("received", "top_up_raw"), [(("1.0",), 60_000)])
"""One coin that payments can be made from; that of the top-up is too small."""

FIVE = ("0.1", "0.2", "0.2", "0.3", "0.4")


async def test_a_payout_is_paid_and_the_rest_returns_as_change(bitcoin_setup: BitcoinUnderTest) -> None:
    setup = bitcoin_setup
    treasury_raw = await setup.treasury_raw()
    (payout,) = await setup.approved("0.4")
    await setup.signer.tick()
    (sent,) = await setup.attempts()
    assert (sent["status"], sent["from_address"], sent["nonce"]) == ("submitted", None, None)
    await setup.check()  # while it is in no block
    await setup.until_confirmed([payout])
    await setup.assert_paid_once([payout])
    (sent,) = await setup.attempts()
    assert sent["fee_raw"] == sent["fee_cap_raw"] == sent["fee_booked_raw"] == 141 * 5
    assert await setup.treasury_raw() == treasury_raw - sent["fee_raw"]
    # The change is a coin of ours, at the first address of its branch that is not the hot wallet.
    change = [coin for coin in await setup.coins() if coin["is_change"]]
    assert [(coin["txid"], coin["branch"], coin["index"]) for coin in change] == [(sent["txid"], 1, 1)]
    assert (await setup.read(payout.id)).txid == sent["txid"]


async def test_a_payout_that_waits_for_approval_has_a_preview(bitcoin_setup: BitcoinUnderTest) -> None:
    """What it costs alone is what it costs then, at the same rate; as one of many it adds an output of 31 vB."""
    setup = bitcoin_setup
    requested = await setup.request_payout("0.4")
    await setup.signer.tick()
    row = await database.fetch_one("SELECT * FROM withdrawal_previews WHERE withdrawal = $1", requested.id)
    assert row is not None
    assert row["cost_raw"] == 141 * 5
    assert row["cost_in_words"] == "about 0.00000705 BTC alone, 0.00000155 BTC as one of many, at today's fee rate"
    assert [row[name] for name in ("is_contract", "is_new_account", "is_frozen", "is_paused")] == [False] * 4
    setup.proxy.estimate_sat_vb = None
    clock.shift(timedelta(minutes=11))
    await setup.signer.tick()
    row = await database.fetch_one("SELECT * FROM withdrawal_previews WHERE withdrawal = $1", requested.id)
    assert row is not None
    assert row["cost_in_words"] == "not known now: the node can't estimate the network's fees yet"


async def test_another_wallet_reads_the_same_in_it(bitcoin_setup: BitcoinUnderTest) -> None:
    """The node decodes the bytes, would accept them, and derives the same addresses from the account's key."""
    setup = bitcoin_setup
    xpub = setup.keys.account(ACCOUNT_PATH).xpub
    payouts = await setup.approved("0.1", "0.2")
    await setup.signer.tick()
    (sent,) = await setup.attempts()
    read = await setup.decoded(sent["signed_bytes"])
    assert read["txid"] == sent["txid"]
    descriptor = (await setup.node.call("getdescriptorinfo", f"wpkh({xpub}/1/*)"))["descriptor"]
    (change,) = await setup.node.call("deriveaddresses", descriptor, [1, 1])
    assert change == account_address(xpub, 1, 1)
    paid = [(output["scriptPubKey"]["address"], int(output["value"] * 10**8)) for output in read["vout"]]
    form = form_of(Draft(payments=(), claims=(), fee_cap_raw=0, form=sent["form"].encode()))
    assert paid == [*((one.destination, int(one.amount_raw)) for one in payouts), (change, form.change_raw)]
    assert all(spent["sequence"] == 0xFFFFFFFD for spent in read["vin"])
    (verdict,) = await setup.node.call("testmempoolaccept", [sent["signed_bytes"].hex()])
    assert verdict["reject-reason"] == "txn-already-in-mempool"
    entry = await setup.node.call("getmempoolentry", sent["txid"])
    assert int(entry["fees"]["base"] * 10**8) == sent["fee_cap_raw"]
    await setup.until_confirmed(payouts)
    await setup.assert_paid_once(payouts)


async def test_five_are_paid_by_one_transaction(bitcoin_setup: BitcoinUnderTest) -> None:
    setup = bitcoin_setup
    payouts = await setup.approved(*FIVE)
    await setup.until_confirmed(payouts)
    (sent,) = await setup.attempts()
    assert await database.fetch_value("SELECT count(*) FROM outgoing_payments") == 5
    assert {(await setup.read(one.id)).txid for one in payouts} == {sent["txid"]}
    await setup.assert_paid_once(payouts)
    assert not await setup.alerts()


async def test_what_does_not_fit_into_one_batch_is_paid_by_the_next(
    bitcoin_setup: BitcoinUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two hundred of them take a minute to approve: `tests/networks/test_bitcoin_spending.py` signs as many."""
    assert CoinFunds.batch == 200
    monkeypatch.setattr(CoinFunds, "batch", 4)
    setup = bitcoin_setup
    payouts = await setup.approved(*FIVE)
    await setup.until_confirmed(payouts)
    large, small = await setup.attempts()
    for row, count in ((large, 4), (small, 1)):
        paid = await database.fetch_value("SELECT count(*) FROM outgoing_payments WHERE transaction = $1", row["id"])
        assert paid == count
    await setup.assert_paid_once(payouts)


@pytest.mark.parametrize("point", POINTS)
async def test_five_are_paid_once_wherever_the_signer_is_killed(bitcoin_setup: BitcoinUnderTest, point: str) -> None:
    setup = bitcoin_setup
    payouts = await setup.approved(*FIVE)
    doomed = setup.new_signer(KilledAt(point))
    with pytest.raises(Killed):
        for _ in range(8):
            await doomed.tick()
            if point == "bump_signed":
                clock.shift(timedelta(seconds=BUMP_AFTER_S + 1))
            else:
                await setup.confirm_blocks(1)
    await setup.until_confirmed(payouts, setup.new_signer())
    await setup.rounds(signer=setup.new_signer())
    attempts = await setup.attempts()
    assert len(attempts) == (2 if point == "bump_signed" else 1)
    assert [row["fee_booked_raw"] for row in attempts if row["status"] == "confirmed"] == [attempts[-1]["fee_raw"]]
    await setup.assert_paid_once(payouts)


async def test_what_is_approved_waits_for_others_to_be_paid_with(bitcoin_setup: BitcoinUnderTest) -> None:
    setup = bitcoin_setup
    payouts = [await setup.request_payout(amount) for amount in ("0.1", "0.2", "0.3")]
    second = await operator(setup.services.settings.data_keys, "second@example.test")
    await setup.approve(payouts[0].id)
    clock.shift(timedelta(seconds=20))
    await setup.signer.tick()
    await setup.services.approvals.approve(payouts[1].id, second.id, second.code(), clock.now())
    clock.shift(timedelta(seconds=2))  # real time goes on too
    await setup.signer.tick()
    assert await setup.attempts() == []
    assert await setup.reasons(payouts) == [None] * 3
    clock.shift(timedelta(seconds=9))
    await setup.signer.tick()
    assert await setup.statuses(payouts) == ["submitted", "submitted", "pending_approval"]
    assert len(await setup.attempts()) == 1


@pytest.mark.parametrize("top_up_raw", [0])
async def test_without_a_top_up_payouts_wait_for_the_treasury(bitcoin_setup: BitcoinUnderTest) -> None:
    setup = bitcoin_setup
    payouts = await setup.approved("0.1")
    await setup.rounds(2)
    assert await setup.reasons(payouts) == ["the treasury has too little BTC for fees: it needs a top-up"]
    assert (await setup.alerts())["withdrawals_wait"] == "warning"
    await setup.top_up(100_000)
    await setup.until_confirmed(payouts)
    assert await setup.reasons(payouts) == [None]
    await setup.assert_paid_once(payouts)


@ONE_COIN
async def test_two_payouts_and_one_coin(bitcoin_setup: BitcoinUnderTest) -> None:
    """The second is paid from the first one's change, before a block has it."""
    setup = bitcoin_setup
    first = await setup.approved("0.001")
    await setup.signer.tick()
    second = await setup.approved("0.002")
    await setup.rounds(2)
    payouts = [*first, *second]
    assert await setup.statuses(payouts) == ["submitted"] * 2
    *_, parent, child = await setup.attempts()
    claims = await database.fetch_all("SELECT claim FROM outgoing_claims WHERE transaction = $1", child["id"])
    assert f"coin:{parent['txid']}:1" in {row["claim"] for row in claims}
    await setup.until_confirmed(payouts)
    await setup.assert_paid_once(payouts)


@ONE_COIN
async def test_at_most_25_depend_on_each_other(bitcoin_setup: BitcoinUnderTest) -> None:
    setup = bitcoin_setup
    payouts = []
    for number in range(26):
        payouts += await setup.approved("0.001")
        await setup.signer.tick()
        await setup.signer.tick()
        if number == 24:
            assert (await setup.node.call("getmempoolentry", (await setup.attempts())[-1]["txid"]))[
                "ancestorcount"
            ] == 25
    assert await setup.statuses(payouts) == ["submitted"] * 25 + ["approved"]
    assert (await setup.reasons(payouts))[-1] == "earlier transactions or payments to us wait for a block"
    assert not await setup.alerts()
    await setup.until_confirmed(payouts)
    await setup.assert_paid_once(payouts)


@ONE_COIN
async def test_what_others_send_is_not_spent_before_it_is_final(bitcoin_setup: BitcoinUnderTest) -> None:
    """It may be replaced while no block has it, and be reorganised afterwards: payments from it would be lost too."""
    setup = bitcoin_setup
    first = await setup.approved("0.5")
    await setup.rounds()
    await setup.node.pay(setup.hot, 40_000_000, fee_rate=5)
    await setup.node.mine()
    await setup.node.pay(setup.hot, 45_000_000, fee_rate=5)
    await setup.watcher.tick()
    payouts = await setup.approved("0.3")
    await setup.rounds()
    sent = (await setup.attempts())[-1]
    (claim,) = await database.fetch_all("SELECT claim FROM outgoing_claims WHERE transaction = $1", sent["id"])
    assert claim["claim"].split(":")[1] == (await setup.attempts())[0]["txid"]
    await setup.until_confirmed(payouts)
    await setup.assert_paid_once([*first, *payouts])


@pytest.mark.parametrize(
    ("estimate", "reason"),
    [
        (10_000, "the network asks a higher fee than the ceiling"),
        (301, "the network asks a higher fee than the ceiling"),
        (None, "the node can't estimate the network's fees yet"),
    ],
)
async def test_an_absurd_estimate_or_none_is_not_paid(
    bitcoin_setup: BitcoinUnderTest, estimate: int | None, reason: str
) -> None:
    setup = bitcoin_setup
    setup.proxy.estimate_sat_vb = estimate
    payouts = await setup.approved("0.1")
    await setup.rounds(2)
    assert await setup.attempts() == []
    assert await setup.reasons(payouts) == [reason]
    assert (await setup.alerts())["withdrawals_wait"] == "warning"
    setup.proxy.estimate_sat_vb = 300
    await setup.until_confirmed(payouts)
    (sent,) = await setup.attempts()
    assert sent["fee_raw"] == 300 * 141
    await setup.assert_paid_once(payouts)


async def test_an_estimate_of_nothing_is_raised_to_the_least_that_nodes_relay(bitcoin_setup: BitcoinUnderTest) -> None:
    setup = bitcoin_setup
    setup.proxy.estimate_sat_vb = 0
    payouts = await setup.approved("0.1")
    await setup.until_confirmed(payouts)
    (sent,) = await setup.attempts()
    assert sent["fee_raw"] == 141
    await setup.assert_paid_once(payouts)


async def test_dust_is_refused_when_it_is_requested(bitcoin_setup: BitcoinUnderTest) -> None:
    """The least that nodes relay depends on the address: 294 satoshi to P2WPKH, 546 to P2PKH."""
    setup = bitcoin_setup
    legacy = await setup.node.call("getnewaddress", "", "legacy")
    for address, least in ((None, "0.00000294"), (legacy, "0.00000546")):
        less = f"{float(least) - 0.00000001:.8f}"
        with pytest.raises(ApiError) as refused:
            await setup.request_payout(less, address)
        assert refused.value.code is Code.AMOUNT_TOO_SMALL
        assert str(refused.value) == (
            f"AMOUNT_TOO_SMALL: amount: Bitcoin carries no payment of less than {least} BTC to this address"
        )
        await setup.request_payout(least, address)
    assert dust_limit_raw(bytes.fromhex("0014" + 20 * "00")) == 294


@pytest.mark.parametrize("btc_options", [{"transaction_ceiling_raw": 30_000_000, "day_ceiling_raw": 65_000_000}])
async def test_the_signers_limits_hold_for_each_and_for_all_together(bitcoin_setup: BitcoinUnderTest) -> None:
    setup = bitcoin_setup
    payouts = await setup.approved("0.31", "0.3", "0.3", "0.06", "0.05")
    await setup.rounds(3)
    assert await setup.statuses(payouts) == ["approved", "submitted", "submitted", "approved", "submitted"]
    assert await setup.reasons(payouts) == [
        "the amount is above the signer's ceiling for one transaction",
        *(None, None),
        "the signer's ceiling for 24 hours is reached",
        None,
    ]
    assert await signed_within_raw(NETWORK, "BTC", DAY, clock.now()) == 65_000_000
    assert len(await setup.attempts()) == 1


async def test_two_signers_at_once_spend_no_coin_twice(bitcoin_setup: BitcoinUnderTest) -> None:
    setup = bitcoin_setup
    payouts = await setup.approved(*FIVE)
    await asyncio.gather(setup.new_signer().tick(), setup.new_signer().tick(), return_exceptions=True)
    await setup.until_confirmed(payouts)
    await setup.assert_paid_once(payouts)


async def test_a_spend_that_the_books_do_not_have_stops_the_signer(bitcoin_setup: BitcoinUnderTest) -> None:
    """After a restored backup, a transaction of ours may be in a block, or on its way there, whose payouts count as
    unpaid: nothing is paid until it is accounted for."""
    setup = bitcoin_setup
    payouts = await setup.approved("0.1")
    await setup.signer.tick()
    (sent,) = await setup.attempts()
    await forget(sent["id"])
    await setup.watcher.tick()
    for blocks in (0, 1):
        if blocks:
            await setup.confirm_blocks(1)
        with pytest.raises(UnknownTransaction, match="has spent coins of ours, and the books don't have it"):
            await setup.new_signer().tick()
    assert await setup.attempts() == []
    assert await setup.received_raw(payouts[0].destination) == 10_000_000


async def test_a_node_that_lost_its_pool_gets_everything_again(bitcoin_setup: BitcoinUnderTest) -> None:
    setup = bitcoin_setup
    first = await setup.approved("0.9")
    await setup.signer.tick()
    second = await setup.approved("0.8", "0.15")
    await setup.rounds(2)
    payouts = [*first, *second]
    before = set(await setup.node.pool())
    assert len(before) == len(await setup.attempts())
    await lose_pool(setup)
    await setup.rounds(2)
    assert set(await setup.node.pool()) >= before
    await setup.until_confirmed(payouts)
    await setup.assert_paid_once(payouts)


async def test_a_lost_reply_to_a_broadcast_changes_nothing(bitcoin_setup: BitcoinUnderTest) -> None:
    setup = bitcoin_setup
    payouts = await setup.approved(*FIVE)
    setup.proxy.lost_replies = {"sendrawtransaction"}
    with pytest.raises(NodeUnavailable):
        await setup.signer.tick()
    setup.proxy.lost_replies = set()
    assert len(await setup.node.pool()) == 1
    await setup.until_confirmed(payouts)
    assert len(await setup.attempts()) == 1
    await setup.assert_paid_once(payouts)


async def lose_pool(setup: BitcoinUnderTest) -> None:
    """Let the node forget its pool: what is two weeks old leaves it when another transaction arrives."""
    header = await setup.node.call("getblockheader", await setup.node.call("getbestblockhash"))
    await setup.node.call("setmocktime", header["time"] + 337 * 3600)
    await setup.node.pay(await setup.node.address(), 10_000, fee_rate=5)
    await setup.node.call("setmocktime", 0)
