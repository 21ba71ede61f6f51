"""A signer that can't check its lock signs nothing, because another signer may run by then."""

import asyncio
import os
import signal

from app.core import advisory_lock, database
from app.networks.config import SIGNER_INTERVAL_S
from app.signer.signing import LOCK_SPACE
from tests.signer.signer_under_test import SignerUnderTest, wait_for


async def test_a_signer_checks_its_lock_before_each_round(setup: SignerUnderTest) -> None:
    # Given a running signer,
    requested = await setup.request_payout("12.50")
    stop = asyncio.Event()
    working = asyncio.create_task(setup.signer.run(stop))
    held = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND classid = $1 AND granted"
    try:
        pid = await wait_for("the lock", lambda: database.fetch_value(held, LOCK_SPACE))
        # when the session that holds its lock gives no answer, and then a payout is approved,
        os.kill(pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(0.5)  # a round that was under way
            await setup.approve(requested.id)
            await asyncio.sleep(2 * SIGNER_INTERVAL_S)
            # then it is not paid, until there is an answer.
            assert await setup.transactions(requested.id) == []
        finally:
            os.kill(pid, signal.SIGCONT)
        await wait_for("the payment", lambda: setup.transactions(requested.id))
    finally:
        stop.set()
        await working


def test_only_that_look_can_have_stopped_it() -> None:
    assert 0.5 + 2 * SIGNER_INTERVAL_S < advisory_lock.HEARTBEAT_S
