"""Two signers, of which each may think that it is alone, pay every payout once. Only with `SOAK`: faults last long."""

import asyncio
import os
import signal

import asyncpg

from app.core import database
from tests.hosts.cluster import Cluster
from tests.hosts.shop import Shop
from tests.hosts.test_fail_over import PAYMENTS, PAYOUTS, pytestmark

__all__ = ["pytestmark"]

if os.environ.get("SOAK"):

    async def test_the_signers_host_is_cut_off(shop: Shop, hosts: Cluster) -> None:
        with hosts.link(database.dsn().rpartition("/")[2]) as (url, link):
            async with shop.at_work():
                # Given a signer that works, and one that waits,
                await shop.start_signer("first", url)
                await shop.until("the first one's lock", lambda: shop.has_said("first", "lock_taken"))
                await shop.start_signer("second")
                selling = asyncio.gather(shop.sell(PAYMENTS), shop.pay_out(PAYOUTS))
                await shop.until_sold(PAYMENTS // 3)
                # when the first one's host is cut off from the database, but not from the chain,
                with link.paused():
                    # then the second one pays,
                    await shop.until("the second one's lock", lambda: shop.has_said("second", "lock_taken"))
                    assert await shop.has_said("first", "lock_lost")
                    await selling
                    await shop.come_to_rest()
                # and goes on when the first one is back.
                await shop.pay_out(1)
                await shop.come_to_rest()
        shop.report("the signer's host cut off")
        await shop.check(PAYMENTS)

    async def test_each_of_two_signers_has_a_primary_that_takes_its_writes(shop: Shop, hosts: Cluster) -> None:
        name = database.dsn().rpartition("/")[2]
        old = await asyncio.to_thread(hosts.primary)
        assert old is not None
        async with shop.at_work():
            # Given a signer beside the primary, which is paused while payouts are approved,
            await shop.start_signer("first", hosts.dsn_of(old, name))
            await shop.sell(PAYMENTS)
            await shop.until("its lock", lambda: shop.has_said("first", "lock_taken"))
            first = shop.workers["first"].pid
            assert first is not None
            os.kill(first, signal.SIGSTOP)
            await shop.pay_out(PAYOUTS)
            # when its host is cut off from the other two, and one of them becomes the primary,
            with old.frozen(postgres=False):
                await asyncio.to_thread(hosts.wait_for_another_primary, old)
                os.kill(first, signal.SIGCONT)
                beside = await asyncpg.connect(hosts.dsn_of(old, name))
                # then it has its lock, and tries to sign; but its host alone can't commit,
                await shop.until("its lock again", lambda: shop.has_said("first", "lock_taken", times=2))
                waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
                await shop.until("its commit", lambda: beside.fetchval(waits))
                # while another signer pays them, with the same lock on the other host.
                await shop.start_signer("second")
                await shop.come_to_rest()
                assert await shop.has_said("second", "lock_taken")
                assert not await beside.fetchval("SELECT pg_is_in_recovery()")
                assert await beside.fetchval("SELECT count(*) FROM outgoing_transactions") == 0
                await beside.close()
            await asyncio.to_thread(hosts.wait_until_whole)
        shop.report("two signers, two primaries")
        await shop.check(PAYMENTS)
