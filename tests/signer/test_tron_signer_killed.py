"""kill -9 of a signer on Tron, at points between approval and confirmation: one transfer, and the ledgers agree.
test_timed_attempts.py has the other points, in one process."""

import asyncio
import signal
from pathlib import Path

import pytest

from tests.signer.processes import sealed_keys, signer_process
from tests.signer.tron_under_test import SOLID, TronUnderTest

pytestmark = pytest.mark.timeout(240)


async def mine_what_waits(setup: TronUnderTest) -> None:
    """Make it final, if a transaction waits: on a chain that goes on alone, it would be over before it is sent."""
    if (await setup.driver.state())["pool"]:
        await setup.blocks(SOLID)
    await asyncio.sleep(0.1)


@pytest.mark.parametrize("point", ["signed", "sent", "bump_signed"])
async def test_exactly_one_transfer(
    tron_setup: TronUnderTest, environment: dict[str, str], mnemonic: str, tmp_path: Path, point: str
) -> None:
    setup, env = tron_setup, environment | sealed_keys(tmp_path, mnemonic)
    before = await setup.balance()
    payout = await setup.approved(12_000_000)
    renews = point == "bump_signed"
    # When the signer is killed just there,
    async with signer_process(env | {"SIGNER_CRASH_AT": point}, tmp_path / "signer.log") as doomed:
        async with asyncio.timeout(90):
            while doomed.returncode is None:
                if renews and await setup.attempts():
                    await setup.expire()
                await mine_what_waits(setup)
        assert doomed.returncode == -signal.SIGKILL, doomed.log.read_text()[-3000:]
    # and another one is started,
    async with signer_process(env, tmp_path / "signer.log") as second, asyncio.timeout(90):
        while (await setup.read(payout.id)).status != "confirmed":
            await mine_what_waits(setup)
        assert second.returncode is None
    # then there is one transfer, and the books are what they should be.
    *dead, last = await setup.statuses()
    assert (last, set(dead)) == ("confirmed", {"replaced"} if renews else set())
    assert await setup.balance() == (before[0] - 12_000_000, 0)
    assert await setup.alerts() == {}
    await setup.assert_paid_once(payout)
