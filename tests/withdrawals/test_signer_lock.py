"""A signer whose lock is somebody else's by now signs nothing more, whatever is approved."""

import asyncio

import asyncpg

from app.core.advisory_lock import LockKey
from app.withdrawals.signing import LOCK_SPACE
from tests.withdrawals.till import NETWORK, Till, soon

ROUNDS_S = 2.5
"""Two rounds and more; less than a heartbeat, so that only the look before a round can stop the signer."""


async def test_a_signer_looks_at_its_lock_before_each_round(till: Till) -> None:
    # Given a signer at work,
    asked = await till.ask("12.50")
    admin = await asyncpg.connect(till.gateway.settings.database_url)
    stop = asyncio.Event()
    working = asyncio.create_task(till.signer.run(stop))
    held = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND classid = $1 AND granted"
    try:
        pid = await soon("the lock", lambda: admin.fetchval(held, LOCK_SPACE))
        # when its session ends, another has the lock at once, and then the payout is approved,
        await admin.execute("SELECT pg_terminate_backend($1)", pid)
        await admin.execute(f"SELECT pg_advisory_lock({LockKey(LOCK_SPACE, NETWORK).sql})")
        await asyncio.sleep(0.2)  # a round that was under way
        await till.approve(asked.id)
        await asyncio.sleep(ROUNDS_S)
        # then it is not paid, until the lock is free again.
        assert await till.transactions(asked.id) == []
        await admin.execute("SELECT pg_advisory_unlock_all()")
        await soon("the payment", lambda: till.transactions(asked.id))
    finally:
        stop.set()
        await working
        await admin.close()
