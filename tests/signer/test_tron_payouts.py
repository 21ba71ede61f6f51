"""Payouts and refunds on the double of a Tron node: our bytes, its rules, its faults."""

from contextlib import suppress
from datetime import timedelta

import pytest

from app.core import clock, database
from app.networks.port import NodeUnavailable
from app.networks.tron.addresses import ACCOUNT_PATH
from app.signer.funds import UnknownTransaction
from app.signer.tracking import OVER
from tests.factories.operators import PASSWORD, operator
from tests.factories.tron import somebody
from tests.signer.processes import swap_pay
from tests.signer.tron_under_test import EXPIRES_AFTER_S, NETWORK, SOLID, TronUnderTest

PAYOUT_RAW = 12_000_000


async def test_payouts_and_refunds_are_confirmed_once_they_are_final(tron_setup: TronUnderTest) -> None:
    setup = tron_setup
    made = await setup.receive("USDT", 20_000_000)
    await setup.blocks(SOLID)
    usdt, trx = await setup.approved(PAYOUT_RAW), await setup.approved(3_000_000, "TRX")
    refund = await setup.approved_refund(made, 5_000_000)
    await setup.signer.tick()
    assert (await setup.read(usdt.id)).status == "submitted"
    await setup.blocks(SOLID - 1)
    await setup.signer.tick()
    assert await setup.statuses() == ["submitted"] * 3  # in a block, which is not final yet
    await setup.blocks()
    await setup.signer.tick()
    assert await setup.statuses() == ["confirmed"] * 3
    assert await setup.arrived_raw(refund.refund_address) == 5_000_000
    assert (await setup.reread(made)).status == "partially_refunded"
    # Two new token holders, an account that a first transfer makes: the fees are the treasury's.
    fees_raw = [row["fee_raw"] for row in await setup.attempts()]
    assert await setup.treasury_raw() == 500_000_000 - sum(fees_raw)
    assert min(fees_raw) > 1_000_000
    assert await setup.alerts() == {}
    await setup.assert_paid_once(usdt, trx)
    row = await database.fetch_one("SELECT * FROM resource_looks WHERE network = $1", NETWORK)
    assert row is not None
    assert (row["energy_price_raw"], row["byte_price_raw"], row["staked_raw"]) == (100, 1_000, 0)


async def test_two_equal_payouts_are_two_transactions(tron_setup: TronUnderTest) -> None:
    setup = tron_setup
    first = await setup.approved(PAYOUT_RAW)
    second = await setup.approved(PAYOUT_RAW, destination=first.destination)
    await setup.until_confirmed(first, second)
    assert len({row["txid"] for row in await setup.attempts()}) == 2
    await setup.assert_paid_once(first, second)


async def test_what_was_accepted_and_dropped_is_signed_anew_once_it_is_dead(tron_setup: TronUnderTest) -> None:
    setup = tron_setup
    payout = await setup.approved(PAYOUT_RAW)
    await setup.signer.tick()
    await setup.driver.double("drop")
    await setup.blocks()
    await setup.signer.tick()
    assert await setup.statuses() == ["submitted"]
    await setup.expire()
    await setup.signer.tick()
    assert await setup.statuses() == ["replaced", "submitted"]
    await setup.until_confirmed(payout)
    await setup.assert_paid_once(payout)
    assert await setup.alerts() == {}


async def test_over_is_not_dead_yet(tron_setup: TronUnderTest) -> None:
    setup = tron_setup
    payout = await setup.approved(PAYOUT_RAW)
    await setup.signer.tick()
    await setup.driver.double("drop")
    clock.shift(timedelta(seconds=EXPIRES_AFTER_S + 1))
    await setup.blocks(SOLID - 1)
    await setup.signer.tick()
    assert (await setup.statuses(), await setup.waits_for(payout.id)) == (["submitted"], OVER)
    await setup.blocks()
    await setup.signer.tick()
    assert await setup.statuses() == ["replaced", "submitted"]
    await setup.until_confirmed(payout)
    await setup.assert_paid_once(payout)


async def test_answers_to_broadcasts_prove_nothing(tron_setup: TronUnderTest) -> None:
    """A duplicate that hides a refusal, "broadcast failed" and mined all the same, a refused signature."""
    setup = tron_setup
    dup = {"code": "DUP_TRANSACTION_ERROR", "message": "Dup transaction.", "times": 1}
    for name in ("", "second"):
        await setup.driver.faults(name, refusals=[dup])
    hidden = await setup.approved(PAYOUT_RAW)
    await setup.signer.tick()
    assert ((await setup.read(hidden.id)).status, await setup.alerts()) == ("approved", {})
    failed = {"code": "NOT_ENOUGH_EFFECTIVE_CONNECTION", "message": "P2P broadcast failed.", "times": 1, "keep": True}
    for name in ("", "second"):
        await setup.driver.faults(name, refusals=[failed])
    other = await setup.approved(PAYOUT_RAW)
    with suppress(NodeUnavailable):
        await setup.signer.tick()
    for name in ("", "second"):
        await setup.driver.faults(name)
    await setup.until_confirmed(hidden, other)
    assert len(await setup.attempts()) == 2
    await setup.assert_paid_once(hidden, other)
    for name in ("", "second"):
        await setup.driver.faults(name, refusals=[{"code": "SIGERROR", "message": "", "times": 9}])
    await setup.approved(PAYOUT_RAW)
    await setup.signer.tick()
    assert (await setup.alerts())["transaction_refused"] == "warning"


async def test_one_that_runs_out_of_energy_has_paid_nothing(tron_setup: TronUnderTest) -> None:
    """The contract costs more by the time it is in a block: the fee is burned, the money available again."""
    setup = tron_setup
    before = await setup.balance()
    payout = await setup.approved(PAYOUT_RAW)
    await setup.signer.tick()
    await setup.driver.double("parameters", penalties={setup.usdt: 500_000})
    await setup.blocks(SOLID)
    await setup.signer.tick()
    (row,) = await setup.attempts()
    assert ((await setup.read(payout.id)).status, row["status"]) == ("failed", "reverted")
    assert await setup.balance() == before
    assert row["fee_raw"] > 5_000_000
    assert await setup.treasury_raw() == 500_000_000 - row["fee_raw"]
    await setup.check()


async def test_a_node_that_denies_a_transaction_is_not_believed(tron_setup: TronUnderTest) -> None:
    """Both nodes deny a transaction, by its id and in the receipts of blocks, once our scan has it."""
    setup = tron_setup
    payout = await setup.approved(PAYOUT_RAW)
    await setup.signer.tick()
    (row,) = await setup.attempts()
    await setup.blocks()
    for name in ("", "second"):
        await setup.driver.faults(name, absent=[row["txid"]], hidden_infos=[row["txid"]])
    await setup.expire()
    for _ in range(2):
        await setup.signer.tick()
        await setup.blocks(empty=True)
    assert await setup.statuses() == ["submitted"]
    for name in ("", "second"):
        await setup.driver.faults(name)
    await setup.until_confirmed(payout)
    await setup.assert_paid_once(payout)


async def test_a_fork_before_a_block_is_final(tron_setup: TronUnderTest) -> None:
    """The same transaction in another block, and one that is gone for good."""
    setup = tron_setup
    moved, gone = await setup.approved(PAYOUT_RAW), await setup.approved(PAYOUT_RAW)
    await setup.signer.tick()
    await setup.blocks(3)
    first, _ = await setup.attempts()
    await setup.driver.fork(3, keep=[first["txid"]])
    await setup.watcher.tick()
    await setup.signer.tick()
    await setup.expire()
    await setup.signer.tick()
    assert await setup.statuses() == ["confirmed", "replaced", "submitted"]
    await setup.until_confirmed(moved, gone)
    await setup.assert_paid_once(moved, gone)


async def test_a_spend_by_somebody_else_is_told_within_a_block_and_accounted_for(
    tron_setup: TronUnderTest, environment: dict[str, str]
) -> None:
    """Somebody has the hot wallet's key: nothing more is signed until an operator has looked at it."""
    setup = tron_setup
    txid = await setup.driver.pay(somebody(99), 1_000_000, key=setup.keys.hot_wallet_key(ACCOUNT_PATH))
    await setup.blocks()
    assert (await setup.alerts())["unknown_spend"] == "critical"
    payout = await setup.approved(PAYOUT_RAW)
    await setup.blocks(SOLID)
    with pytest.raises(UnknownTransaction, match=f"{txid}, which the books don't have"):
        await setup.signer.tick()
    clock.unshift()  # the command has a clock of its own
    by = await operator(setup.services.settings.data_keys, "second@example.test")
    said = ("--txid", txid, "--reason", "we have tried the key", "--operator", by.email, "--password", PASSWORD)
    done = swap_pay(environment, "signer", "account-for", "--network", NETWORK, *said, "--code", by.code())
    assert done.returncode == 0, done.stderr
    assert f"{txid} is accounted for" in done.stdout
    await setup.until_confirmed(payout)
    assert len(await setup.attempts()) == 1
