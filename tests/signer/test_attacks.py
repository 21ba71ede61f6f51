"""Somebody who owns the database, and has the secrets of web and workers, is paid nothing on any kind of network, where
the signer has a file of approvers. Every attack of tests/signer/attacks.py, on payouts and refunds."""

from pathlib import Path

import pytest

from tests.signer.approving import BitcoinDesk, Desk, TronDesk
from tests.signer.attacks import ATTACKS, payments_under_attack
from tests.signer.bitcoin_under_test import BitcoinUnderTest
from tests.signer.signer_under_test import SignerUnderTest
from tests.signer.tron_under_test import TronUnderTest


async def attack(desk: Desk) -> None:
    """All attacks at once, beside two honest payments, which are paid: and then those two again."""
    honest = [await desk.approved("ada", kind=kind) for kind in ("payout", "refund")]
    intents = [await desk.intent_of(each) for each in honest]
    under_attack = await payments_under_attack(desk)
    assert len(under_attack) >= 2 * (len(ATTACKS) - 1)
    await desk.until_confirmed(*honest)
    failed = [f"{name}: {found}" for name, each in under_attack.items() if (found := await desk.wrong_with(*each))]
    assert not failed, "\n".join(failed)

    # Replayed: what was paid is not paid again, although its signatures are still good.
    for each in honest:
        await desk.set_back(each)
    desk.restart()
    await desk.rounds(3)
    for intent in intents:
        assert await desk.wrong_with(intent.id, "the signer has signed") is None
        assert await desk.arrived_raw(intent.destination) == intent.amount_raw


async def test_on_an_evm_network(setup: SignerUnderTest, tmp_path: Path) -> None:
    await attack(await Desk.open(setup, tmp_path))


async def test_on_a_network_of_coins(bitcoin_setup: BitcoinUnderTest, tmp_path: Path) -> None:
    await attack(await BitcoinDesk.open(bitcoin_setup, tmp_path))


async def test_on_tron(tron_setup: TronUnderTest, tmp_path: Path) -> None:
    await attack(await TronDesk.open(tron_setup, tmp_path))


async def test_on_tron_another_attempt_is_signed_once_the_first_can_be_in_no_block(
    tron_setup: TronUnderTest, tmp_path: Path
) -> None:
    desk = await TronDesk.open(tron_setup, tmp_path)
    payout = await desk.approved("ada")
    await desk.setup.signer.tick()
    await desk.setup.expire()
    await desk.until_confirmed(payout)
    assert await desk.transactions(payout) == 2
    await desk.setup.check()


@pytest.mark.parametrize("kind", ["payout", "refund"])
async def test_without_a_file_an_approval_by_code_is_enough(setup: SignerUnderTest, tmp_path: Path, kind: str) -> None:
    """The behaviour of a signer that has no such file: what the database says was approved is paid."""
    desk = Desk(setup, tmp_path)
    payment = await desk.request(kind)
    await setup.approve(payment)
    await desk.until_confirmed(payment)
    await setup.check()
