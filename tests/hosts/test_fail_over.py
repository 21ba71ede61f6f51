"""A database host dies in the middle of payments, and nothing that was answered is lost or done twice.

The hosts are those of docs/ha.md, the gateway runs in processes of its own. With `SOAK` there are 300 payments and
three faults, and hosts are lost and paused too, which takes Patroni's `ttl` of 20 s each time.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import asyncpg
import pytest

from app.core import database
from app.doctor import postgres as doctor
from tests.hosts.cluster import Cluster
from tests.hosts.host import Host
from tests.hosts.shop import Shop

SOAK = bool(os.environ.get("SOAK"))
PAYMENTS, PAYOUTS, TIMES = (int(os.environ.get("HOSTS_PAYMENTS", "300")), 30, 3) if SOAK else (24, 3, 1)

pytestmark = pytest.mark.timeout(3_600 if SOAK else 600)

Fault = Callable[[Cluster, Host], Iterator[None]]
"""It begins, another host becomes the primary, and it ends."""


def server_killed(_: Cluster, host: Host) -> Iterator[None]:
    """The database server alone dies; Patroni starts it again."""
    host.kill_postgres()
    yield


def host_lost(hosts: Cluster, host: Host) -> Iterator[None]:
    """The host's power fails, and comes back."""
    host.kill()
    yield
    host.start(hosts)


def host_paused(_: Cluster, host: Host) -> Iterator[None]:
    """The host is paused, and goes on as if nothing had happened."""
    with host.frozen():
        yield


@pytest.mark.parametrize("fault", [server_killed, host_lost, host_paused] if SOAK else [server_killed])
async def test_the_primary_fails_during_payments(shop: Shop, hosts: Cluster, fault: Fault) -> None:
    async with under_load(shop, hosts, f"{fault.__name__}, {TIMES} times"):
        for number in range(1, TIMES + 1):
            # When the primary fails in the middle of payments and payouts,
            await shop.until_sold(number * PAYMENTS // (TIMES + 1))
            old = await asyncio.to_thread(hosts.primary)
            assert old is not None
            with contextmanager(fault)(hosts, old):
                # then a standby takes its place,
                await asyncio.to_thread(hosts.wait_for_another_primary, old)
            # and it comes back as a standby.
            await asyncio.to_thread(hosts.wait_until_whole)


@asynccontextmanager
async def under_load(shop: Shop, hosts: Cluster, what: str) -> AsyncIterator[None]:
    """Inside, payments and payouts are under way. At the end all of them are there, once, and on all hosts."""
    async with shop.at_work():
        await shop.start_signer("signer")
        selling = asyncio.gather(shop.sell(PAYMENTS), shop.pay_out(PAYOUTS))
        yield
        await selling
        await shop.come_to_rest()
    shop.report(what)
    await shop.check(PAYMENTS)
    await assert_on_all_hosts(shop, hosts)
    standbys = [one.message async for one in doctor.examine(production=False) if one.topic == "standbys"]
    assert standbys == ["1 of 2 synchronous"]


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
