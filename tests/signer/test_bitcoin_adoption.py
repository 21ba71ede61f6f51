"""A batch in bitcoin that a restored backup lacks: it is attached to all withdrawals that it paid, and to no others."""

from typing import cast

import pytest

from app.core import clock
from app.networks.bitcoin.sending import BitcoinSender
from app.signer import missing
from app.signer.funds import UnknownTransaction
from app.withdrawals.approvals import ApprovalRefused
from app.withdrawals.presentation import PayoutBody
from tests.factories.bitcoin import NETWORK
from tests.factories.tampering import as_superuser
from tests.signer.bitcoin_under_test import BitcoinUnderTest, forget

AMOUNTS = ("0.1", "0.2", "0.03")


async def paid_before_the_restore(setup: BitcoinUnderTest) -> tuple[list[PayoutBody], str]:
    """Payouts that one transaction has paid, and of which the books know neither it nor its change address."""
    payouts = await setup.approved(*AMOUNTS)
    await setup.signer.tick()
    (sent,) = await setup.attempts()
    await forget(sent["id"])
    await as_superuser("DELETE FROM change_addresses")
    await setup.confirm_blocks()
    with pytest.raises(UnknownTransaction):
        await setup.new_signer().tick()
    return payouts, sent["txid"]


async def adopt(setup: BitcoinUnderTest, payout: PayoutBody, txid: str) -> None:
    await setup.services.adoption.adopt(
        payout.id, txid, setup.operator.id, setup.operator.next_code(), "found on the explorer", clock.now()
    )


async def test_all_that_it_paid_is_confirmed_once_and_the_signer_continues(bitcoin_setup: BitcoinUnderTest) -> None:
    setup = bitcoin_setup
    payouts, txid = await paid_before_the_restore(setup)
    network, sender = setup.services.networks.get(NETWORK), setup.services.networks.sender(NETWORK)
    (unknown,) = await missing.of_coins(network, cast(BitcoinSender, sender))
    told = await missing.explain(network, sender, unknown, in_journal=False)
    assert (told.txid, told.state, told.problem) == (txid, "final", None)
    assert [payment.withdrawal for payment in told.payments] == [payout.id for payout in payouts]
    await adopt(setup, payouts[1], txid)
    assert await missing.of_coins(network, cast(BitcoinSender, sender)) == []
    assert await setup.statuses(payouts) == ["confirmed"] * 3
    assert [(await setup.read(payout.id)).txid for payout in payouts] == [txid] * 3
    await setup.assert_paid_once(payouts)
    after = await setup.approved("0.01")
    signer = setup.new_signer()
    await setup.until_confirmed(after, signer)
    await setup.assert_paid_once([*payouts, *after])
    await setup.check()


@pytest.mark.parametrize(
    ("status", "why"),
    [("pending_approval", "which must be approved first"), ("failed", "which no withdrawal has requested")],
)
async def test_nothing_is_attached_while_one_of_its_payments_is_not_approved(
    bitcoin_setup: BitcoinUnderTest, status: str, why: str
) -> None:
    setup = bitcoin_setup
    payouts, txid = await paid_before_the_restore(setup)
    await as_superuser(f"UPDATE withdrawals SET status = '{status}' WHERE id = '{payouts[2].id}'")
    with pytest.raises(ApprovalRefused, match=why):
        await adopt(setup, payouts[0], txid)
    assert await setup.attempts() == []
    assert await setup.statuses(payouts[:2]) == ["approved"] * 2


async def test_a_payment_that_is_not_in_it_is_not_attached(bitcoin_setup: BitcoinUnderTest) -> None:
    setup = bitcoin_setup
    _, txid = await paid_before_the_restore(setup)
    (other,) = await setup.approved("0.2")
    with pytest.raises(ApprovalRefused, match="not what was requested"):
        await adopt(setup, other, txid)
