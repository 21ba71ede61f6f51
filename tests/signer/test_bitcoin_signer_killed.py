"""kill -9 of the signer's process at each named point of a batch of five payouts in bitcoin: each is paid once, and the
ledgers agree. And two attempts that race for a block: whichever is mined pays all five."""

import asyncio
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from app.core import clock
from app.signer.crash_points import POINTS
from app.withdrawals.presentation import PayoutBody
from tests.factories.operators import operator
from tests.signer.bitcoin_under_test import BitcoinUnderTest
from tests.signer.processes import SignerProcess, sealed_keys, signer_process

pytestmark = pytest.mark.timeout(240)

FIVE = ("0.1", "0.2", "0.2", "0.3", "0.4")
BUMP_AFTER_S = 2
NEVER_S = 86_400


@pytest.fixture
def point() -> str:
    """Where the signer is killed; by default fees are raised soon, as at the point that needs it."""
    return "bump_signed"


@pytest.fixture
def bitcoin_options(point: str) -> Mapping[str, object]:
    """Fees are raised only at the point that needs it, however long a restart takes."""
    return {"batch_window_s": 0, "fee_bump_after_s": BUMP_AFTER_S if point == "bump_signed" else NEVER_S}


async def approved_now(setup: BitcoinUnderTest) -> list[PayoutBody]:
    """Five payouts, each approved by an operator of its own: the signer's process has the real clock."""
    payouts = [await setup.request_payout(amount) for amount in FIVE]
    for number, payout in enumerate(payouts):
        by = await operator(setup.services.settings.data_keys, f"op{number}@example.test")
        await setup.services.approvals.approve(payout.id, by.id, by.code(), clock.now())
    return payouts


async def until_dead(setup: BitcoinUnderTest, doomed: SignerProcess, *, mines: bool) -> None:
    """Mine blocks, if it needs them, until the process has killed itself."""
    async with asyncio.timeout(60):
        while doomed.returncode is None:
            await setup.confirm_blocks(1) if mines else await setup.watcher.tick()
            await asyncio.sleep(0.1)
    assert doomed.returncode == -signal.SIGKILL, doomed.log.read_text()[-3000:]


async def until_finished(setup: BitcoinUnderTest, payouts: Sequence[PayoutBody]) -> None:
    """Mine blocks until all are confirmed, and the fee is booked."""
    async with asyncio.timeout(60):
        while True:
            await setup.confirm_blocks(1)
            # The statuses first: what is read after a confirmation has the fee that is to be booked.
            statuses, attempts = set(await setup.statuses(payouts)), await setup.attempts()
            if statuses == {"confirmed"} and all(row["fee_raw"] == row["fee_booked_raw"] for row in attempts):
                return
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("point", POINTS)
async def test_each_of_five_is_paid_once(
    bitcoin_setup: BitcoinUnderTest, environment: dict[str, str], mnemonic: str, tmp_path: Path, point: str
) -> None:
    setup, env = bitcoin_setup, environment | sealed_keys(tmp_path, mnemonic)
    before, treasury_raw = await setup.balance(), await setup.treasury_raw()
    payouts = await approved_now(setup)
    # When the signer is killed just there,
    async with signer_process(env | {"SIGNER_CRASH_AT": point}, tmp_path / "signer.log") as doomed:
        await until_dead(setup, doomed, mines=point != "bump_signed")
    at_the_kill = set(await setup.statuses(payouts))
    # and another one is started,
    async with signer_process(env, tmp_path / "signer.log") as second:
        await until_finished(setup, payouts)
        assert second.returncode is None
    # then each is paid once by one transaction, and the states are what they should be.
    assert at_the_kill == {STATUS_AT[point]}
    attempts = await setup.attempts()
    assert [row["status"] for row in attempts].count("confirmed") == 1
    assert len(attempts) == 1 or point == "bump_signed"
    assert {(await setup.read(one.id)).txid for one in payouts} == {
        row["txid"] for row in attempts if row["status"] == "confirmed"
    }
    assert await setup.balance() == (before[0] - 120_000_000, 0)
    assert await setup.treasury_raw() == treasury_raw - sum(row["fee_raw"] or 0 for row in attempts)
    assert not await setup.alerts()
    await setup.assert_paid_once(payouts)


STATUS_AT = {
    **dict.fromkeys(("approved", "signing", "signed", "sent"), "approved"),
    **dict.fromkeys(("submitted", "bump_signed", "mined", "confirming"), "submitted"),
    **dict.fromkeys(("confirmed", "fee_booked"), "confirmed"),
}


@pytest.mark.parametrize("first_is_mined", [True, False])
async def test_a_fee_is_raised_while_the_first_attempt_is_mined(
    bitcoin_setup: BitcoinUnderTest, first_is_mined: bool
) -> None:
    """The signer decides on a bump by blocks that it has seen; meanwhile a miner has taken the first attempt, or both
    are on their way to different miners."""
    setup = bitcoin_setup
    payouts = await approved_now(setup)
    await setup.signer.tick()
    (first,) = await setup.attempts()
    # The first attempt is mined, and nobody here has looked yet.
    hidden = await setup.node.mine() if first_is_mined else []
    if hidden:
        await setup.node.call("invalidateblock", hidden[0])  # this node does not know the block yet
        assert await setup.node.pool() == [first["txid"]]
    await asyncio.sleep(BUMP_AFTER_S + 0.5)
    await setup.signer.tick()
    assert [row["replaces"] for row in await setup.attempts()] == [None, first["id"]]
    if hidden:
        await setup.node.call("reconsiderblock", hidden[0])
        assert await setup.node.pool() == [], "the second attempt fell with the first one's block"
    await setup.watcher.tick()
    await setup.until_confirmed(payouts)
    assert [row["status"] for row in await setup.attempts()] == (
        ["confirmed", "replaced"] if first_is_mined else ["replaced", "confirmed"]
    )
    assert not await setup.alerts()
    await setup.assert_paid_once(payouts)
