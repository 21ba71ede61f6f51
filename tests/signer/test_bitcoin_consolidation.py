"""Small coins become one while fees are low, once an operator has approved that, and never elsewhere than with us."""

from collections.abc import Mapping
from typing import cast

import asyncpg
import pytest

from app.accounts.totp import CodeRefused
from app.core import clock, database
from app.networks.bitcoin.sending import BitcoinSender
from app.signer import missing
from app.signer.account_spending import account_for
from app.signer.funds import UnknownTransaction
from app.signer.refusal import NothingToAccountFor
from app.signer.signing import Signer
from app.withdrawals.approvals import ApprovalRefused
from tests.factories.bitcoin import NETWORK
from tests.factories.tampering import as_superuser
from tests.signer.bitcoin_under_test import BitcoinUnderTest, forget

COINS = ("0.1", "0.2", "0.3", "0.4", "0.5")


@pytest.fixture
def received() -> tuple[str, ...]:
    return COINS


@pytest.fixture
def bitcoin_options() -> Mapping[str, object]:
    return {"consolidate_above_coins": 4, "consolidate_max_fee_rate_sat_vb": 10, "sweep_interval_s": 1}


async def approve(setup: BitcoinUnderTest) -> None:
    """Approve the consolidation with a fresh code."""
    code = setup.operator.next_code()
    await setup.services.consolidation.approve(NETWORK, setup.operator.id, code, clock.now(), address="192.0.2.1")


def again(setup: BitcoinUnderTest) -> Signer:
    """A new signer: it looks for coins to merge in its first round."""
    return setup.new_signer()


async def test_many_coins_become_one(bitcoin_setup: BitcoinUnderTest) -> None:
    setup = bitcoin_setup
    treasury_raw, merchants_raw = await setup.treasury_raw(), await setup.balance()
    await setup.rounds(signer=again(setup))
    assert await setup.attempts() == []  # nobody has approved it
    await approve(setup)
    await setup.rounds(signer=again(setup))
    (sent,) = await setup.attempts()
    assert (sent["purpose"], sent["status"]) == ("sweep", "submitted")
    await setup.check()
    await setup.rounds(2, signer=again(setup))
    assert len(await setup.attempts()) == 1  # one at a time
    await setup.confirm_blocks()
    await setup.rounds()
    (coin,) = await setup.coins()
    assert (coin["branch"], coin["index"]) == (1, 1)
    (sent,) = await setup.attempts()
    assert (sent["status"], sent["fee_booked_raw"]) == ("confirmed", sent["fee_raw"])
    assert await setup.treasury_raw() == treasury_raw - sent["fee_raw"]
    assert await setup.balance() == merchants_raw
    assert await database.fetch_value("SELECT count(*) FROM deposits") == len(COINS)
    # What was merged is spent like any other coin.
    payouts = await setup.approved("0.7", "0.7")
    await setup.until_confirmed(payouts)
    await setup.assert_paid_once(payouts)
    assert not await setup.alerts()


async def test_it_waits_while_fees_are_high(bitcoin_setup: BitcoinUnderTest) -> None:
    setup = bitcoin_setup
    await approve(setup)
    setup.proxy.estimate_sat_vb = 11
    await setup.rounds(2, signer=again(setup))
    assert await setup.attempts() == []
    setup.proxy.estimate_sat_vb = 10
    await setup.rounds(signer=again(setup))
    assert len(await setup.attempts()) == 1
    await setup.confirm_blocks()
    await setup.rounds()
    await setup.check()


async def test_one_that_is_stuck_is_replaced_with_a_smaller_amount(bitcoin_setup: BitcoinUnderTest) -> None:
    """But at no higher rate than was approved."""
    setup = bitcoin_setup
    await approve(setup)
    await setup.rounds(signer=again(setup))
    await setup.wait_for_bump(signer=again(setup))
    first, second = await setup.attempts()
    assert second["replaces"] == first["id"]
    amounts = await database.fetch_all("SELECT amount_raw FROM outgoing_payments ORDER BY id")
    fees = [row["fee_cap_raw"] for row in (first, second)]
    assert amounts[0]["amount_raw"] - amounts[1]["amount_raw"] == fees[1] - fees[0] > 0
    assert await setup.node.pool() == [second["txid"]]
    for _ in range(5):
        await setup.wait_for_bump(signer=again(setup))
    rates = [row["fee_cap_raw"] for row in await setup.attempts()]
    entry = await setup.node.call("getmempoolentry", (await setup.attempts())[-1]["txid"])
    assert rates[-1] <= 10 * entry["vsize"] + 1
    await setup.confirm_blocks()
    await setup.rounds()
    assert (await setup.attempts())[-1]["status"] == "confirmed"
    await setup.check()


async def test_payouts_come_first(bitcoin_setup: BitcoinUnderTest) -> None:
    setup = bitcoin_setup
    await approve(setup)
    payouts = await setup.approved("0.35")
    await setup.rounds(signer=again(setup))
    assert [row["purpose"] for row in await setup.attempts()] == ["withdrawal", "sweep"]
    await setup.until_confirmed(payouts)
    await setup.rounds()
    await setup.assert_paid_once(payouts)


async def test_the_approval_needs_an_operator_with_a_code_and_is_recorded(bitcoin_setup: BitcoinUnderTest) -> None:
    setup, service = bitcoin_setup, bitcoin_setup.services.consolidation
    assert await service.approved(NETWORK) is None
    with pytest.raises(CodeRefused):
        await service.approve(NETWORK, setup.operator.id, "000000", clock.now())
    with pytest.raises(ApprovalRefused, match="there is no network"):
        await service.approve("bitcoin:live", setup.operator.id, setup.operator.next_code(), clock.now())
    await approve(setup)
    policy = await service.approved(NETWORK)
    assert policy is not None
    assert (policy.max_fee_rate, policy.approved_by) == (10, setup.operator.id)
    with pytest.raises(ApprovalRefused, match="approved already"):
        await approve(setup)
    with pytest.raises(asyncpg.RestrictViolationError):
        await database.execute("UPDATE consolidation_policies SET max_fee_rate = 1000")
    with pytest.raises(asyncpg.RestrictViolationError):
        await database.execute("DELETE FROM consolidation_policies")
    await service.revoke(NETWORK, setup.operator.id, clock.now())
    assert await service.approved(NETWORK) is None
    with pytest.raises(ApprovalRefused, match="not approved"):
        await service.revoke(NETWORK, setup.operator.id, clock.now())
    await setup.rounds(2, signer=again(setup))
    assert await setup.attempts() == []
    actions = await database.fetch_all(
        "SELECT action, actor FROM audit_entries WHERE subject = $1 ORDER BY id", NETWORK
    )
    assert [(row["action"], row["actor"]) for row in actions] == [
        (f"consolidation.{verb}", f"account:{setup.operator.id}") for verb in ("approved", "revoked")
    ]
    await approve(setup)  # it can be given again


@pytest.mark.parametrize("bitcoin_options", [{}])
async def test_without_limits_in_the_networks_file_nothing_can_be_approved(bitcoin_setup: BitcoinUnderTest) -> None:
    with pytest.raises(ApprovalRefused, match="the networks file says nothing"):
        await approve(bitcoin_setup)


async def test_one_that_a_restored_backup_lacks_is_accounted_for_and_the_signer_goes_on(
    bitcoin_setup: BitcoinUnderTest,
) -> None:
    setup = bitcoin_setup
    await approve(setup)
    await setup.rounds(signer=again(setup))
    (sent,) = await setup.attempts()
    txid, treasury_raw = sent["txid"], await setup.treasury_raw()
    await forget(sent["id"])
    await as_superuser("DELETE FROM change_addresses")
    await setup.node.mine(1)
    await setup.watcher.tick()
    with pytest.raises(UnknownTransaction):
        await again(setup).tick()
    networks, reason = setup.services.networks, "a consolidation"
    with pytest.raises(NothingToAccountFor, match="1 of 3 confirmations"):
        await account_for(networks, NETWORK, txid, setup.operator.id, reason)
    await setup.confirm_blocks()
    with pytest.raises(NothingToAccountFor, match="does not stop"):
        await account_for(networks, NETWORK, "f" * 64, setup.operator.id, reason)
    (unknown,) = await missing.of_coins(networks.get(NETWORK), cast(BitcoinSender, networks.sender(NETWORK)))
    told = await missing.explain(networks.get(NETWORK), networks.sender(NETWORK), unknown, in_journal=False)
    assert (told.txid, told.state, told.payments, told.problem) == (txid, "final", (), None)
    await account_for(networks, NETWORK, txid, setup.operator.id, reason)
    with pytest.raises(NothingToAccountFor, match="does not stop"):
        await account_for(networks, NETWORK, txid, setup.operator.id, reason)
    # Its fee is booked, its coin is spent again, and the books agree with the chain.
    await setup.rounds(signer=again(setup))
    (stored,) = await setup.attempts()
    assert (stored["purpose"], stored["status"], stored["fee_booked_raw"]) == ("sweep", "confirmed", stored["fee_raw"])
    assert stored["fee_raw"] > 0
    assert await setup.treasury_raw() == treasury_raw - stored["fee_raw"]
    payouts = await setup.approved("0.7", "0.7")
    await setup.until_confirmed(payouts)
    await setup.assert_paid_once(payouts)
    await setup.check()


async def test_what_paid_somebody_is_not_accounted_for(bitcoin_setup: BitcoinUnderTest) -> None:
    setup = bitcoin_setup
    await setup.approved("0.1")
    await setup.signer.tick()
    (sent,) = await setup.attempts()
    await forget(sent["id"])
    await setup.confirm_blocks()
    with pytest.raises(NothingToAccountFor, match="attach it to the payout or refund that it paid"):
        await account_for(setup.services.networks, NETWORK, sent["txid"], setup.operator.id, "nothing")
    assert await setup.attempts() == []
