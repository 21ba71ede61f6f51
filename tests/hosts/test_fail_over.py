"""A database host dies in the middle of payments, and nothing that was answered is lost or done twice.

The hosts are those of docs/ha.md, the gateway runs in processes of its own. `SOAK` has 300 payments and three kills.
"""

import asyncio
import os

import asyncpg
import pytest

from app.core import database
from tests.hosts.cluster import Cluster
from tests.hosts.shop import Shop

SOAK = bool(os.environ.get("SOAK"))
PAYMENTS, PAYOUTS, KILLS = (300, 30, 3) if SOAK else (24, 3, 1)

pytestmark = pytest.mark.timeout(3_600 if SOAK else 600)


async def test_the_primary_is_killed_during_payments(shop: Shop, hosts: Cluster) -> None:
    async with shop.at_work():
        selling = asyncio.gather(shop.sell(PAYMENTS), shop.pay_out(PAYOUTS))
        for number in range(1, KILLS + 1):
            # When the primary dies in the middle of payments and payouts,
            await shop.until_sold(number * PAYMENTS // (KILLS + 1))
            old = await asyncio.to_thread(hosts.primary)
            assert old is not None
            old.kill_postgres()
            await asyncio.to_thread(hosts.wait_for_another_primary, old)
            # then a standby takes its place, and it comes back as a standby.
            await asyncio.to_thread(hosts.wait_until_whole)
        await selling
        await shop.come_to_rest()
    print(f"\n{PAYMENTS} payments, {KILLS} kills: longest pause {shop.slowest_s:.1f} s, {shop.refused} times 503")
    await shop.check(PAYMENTS)
    await assert_on_all_hosts(shop, hosts)


async def assert_on_all_hosts(shop: Shop, hosts: Cluster) -> None:
    """Every host has the whole ledger, also the one that was killed."""
    head = "SELECT count(*), sum(hashtext(hash::text)) FROM ledger_entries"
    wanted = await database.fetch_one(head)
    name = database.dsn().rpartition("/")[2]
    for host in hosts.hosts:
        own = await asyncpg.connect(hosts.dsn_of(host, name))
        try:

            async def same(own: asyncpg.Connection = own) -> bool:
                return tuple(await own.fetchrow(head)) == tuple(wanted or ())

            await shop.until(f"the ledger on {host.name}", same)
        finally:
            await own.close()
