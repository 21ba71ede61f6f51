"""kill -9 at each named point between approval and confirmation: exactly one transfer, and the ledgers agree."""

import asyncio
import signal
from collections.abc import Mapping
from pathlib import Path

import pytest

from app.core import clock
from app.signer.crash_points import POINTS
from tests.signer.processes import sealed_keys, signer_process
from tests.signer.signer_under_test import SignerUnderTest

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def network_options(point: str) -> Mapping[str, object]:
    """Fees are raised only at the points that need it, however long a restart takes."""
    return {"fee_bump_after_s": 2 if point == "bump_signed" else 86_400}


async def finished(setup: SignerUnderTest, withdrawal_id: str) -> bool:
    """Mine one block. Returns whether it is confirmed, its gas booked, and nothing in flight."""
    await setup.driver.mine(1)
    # The status first: what is read after a confirmation has the fee that is to be booked.
    status, sent = (await setup.read(withdrawal_id)).status, await setup.transactions(withdrawal_id)
    return status == "confirmed" and all(row["fee_raw"] == row["fee_booked_raw"] for row in sent)


@pytest.mark.parametrize("point", POINTS)
async def test_exactly_one_transfer(
    setup: SignerUnderTest, environment: dict[str, str], mnemonic: str, tmp_path: Path, point: str
) -> None:
    env = environment | sealed_keys(tmp_path, mnemonic)
    before = await setup.balance()
    requested = await setup.request_payout("12.00")
    await setup.services.approvals.approve(requested.id, setup.operator.id, setup.operator.code(), clock.now())
    stands_still = point == "bump_signed"
    if stands_still:  # no block is mined, so the fee is raised
        await setup.driver.call("evm_setAutomine", False)
    try:
        # When the signer is killed just there,
        async with signer_process(env | {"SIGNER_CRASH_AT": point}, tmp_path / "signer.log") as doomed:
            async with asyncio.timeout(60):
                while doomed.returncode is None:
                    if not stands_still:
                        await setup.driver.mine(1)
                    await asyncio.sleep(0.1)
            assert doomed.returncode == -signal.SIGKILL, doomed.log.read_text()[-3000:]
        at_the_kill = (await setup.read(requested.id)).status
        # and another one is started,
        async with signer_process(env, tmp_path / "signer.log") as second, asyncio.timeout(60):
            while not await finished(setup, requested.id):
                await asyncio.sleep(0.1)
            assert second.returncode is None
    finally:
        await setup.driver.call("evm_setAutomine", True)
    # then there is one transfer, and the states are what they should be.
    assert at_the_kill == STATUS_AT[point]
    assert await setup.sent_to(requested.destination) == [12_000_000]
    sent = await setup.transactions(requested.id)
    assert [row["status"] for row in sent].count("confirmed") == 1
    assert {row["nonce"] for row in sent} == {0}
    assert len(sent) == 1 or stands_still
    assert await setup.balance() == (before[0] - 12_000_000, 0)
    assert not await setup.alerts()
    await setup.check()


STATUS_AT = {
    **dict.fromkeys(("approved", "signing", "signed", "sent"), "approved"),
    **dict.fromkeys(("submitted", "bump_signed", "mined", "confirming"), "submitted"),
    **dict.fromkeys(("confirmed", "fee_booked"), "confirmed"),
}
