"""The network, the disk or the clock of a database host fails in the middle of payments, and nothing is lost or done
twice.

Only with `SOAK`, and as root: each host has a network namespace and a disk of its own. Faults that end with another
primary take Patroni's `ttl` of 20 s.
"""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest
from asyncpg.exceptions._base import InterfaceError, InternalClientError, PostgresError

from app.core import clock, database
from tests.hosts import programs
from tests.hosts.cluster import NAMES, Cluster, cluster
from tests.hosts.disk import disks, full
from tests.hosts.host import Host
from tests.hosts.network import GATEWAY, Network, network
from tests.hosts.shop import Shop
from tests.hosts.slow_link import DELAY_S
from tests.hosts.test_fail_over import PAYMENTS, Fault, host_lost, under_load
from tests.services import roomy_directory

pytestmark = [
    pytest.mark.timeout(3_600),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: sudo make soak"),
]


def unplugged(hosts: Cluster, host: Host) -> Iterator[None]:
    """The host's cable is pulled."""
    with wires(hosts).unplugged(host.name):
        yield


def unheard(hosts: Cluster, host: Host) -> Iterator[None]:
    """Whatever the host sends is lost; what is sent to it arrives."""
    with wires(hosts).lost([(host.name, other) for other in [*peers(hosts, host), GATEWAY]]):
        yield


def disk_full(hosts: Cluster, host: Host) -> Iterator[None]:
    """There is no space left on the disk of its database."""
    with full(host.disk), much_written(hosts, host):
        yield


def lost_beside_a_slow_standby(hosts: Cluster, host: Host) -> Iterator[None]:
    """The host's power fails while the link of the standby that must take over is slow, to everyone."""
    standby = hosts.synchronous_standby()
    assert standby is not None
    others = [name for name in (*NAMES, GATEWAY) if name not in (host.name, standby.name)]
    with wires(hosts).slow(standby.name, others, hosts.folder), contextmanager(host_lost)(hosts, host):
        yield


def unplugged_beside_a_full_standby(hosts: Cluster, host: Host) -> Iterator[None]:
    """The host's cable is pulled while the disk of the standby that does not take over is full. So the new primary's
    commits wait for that one, as long as it can write, and then for the host to come back."""
    standby = hosts.synchronous_standby()
    (other,) = (other for other in hosts.hosts if other not in (host, standby))
    with full(other.disk), wires(hosts).unplugged(host.name):
        yield


WITH_ANOTHER_PRIMARY = [unplugged, unheard, disk_full, lost_beside_a_slow_standby, unplugged_beside_a_full_standby]

if os.environ.get("SOAK"):

    @pytest.fixture(scope="module")
    def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
        """The three hosts, each with a network namespace and a disk of its own."""
        with roomy_directory(tmp_path_factory.mktemp("networks")) as parent, network(NAMES) as wired:
            folder = parent / "hosts"
            own = {name: folder / name / "disk" for name in NAMES}
            with disks(wired.name, own), cluster(folder, wired) as running:
                yield running

    @pytest.mark.parametrize("fault", WITH_ANOTHER_PRIMARY)
    async def test_the_primary_is_replaced(shop: Shop, hosts: Cluster, fault: Fault) -> None:
        async with under_load(shop, hosts, fault.__name__):
            # When this happens in the middle of payments and payouts,
            await shop.until_sold(PAYMENTS // 2)
            old = await primary(hosts)
            with contextmanager(fault)(hosts, old):
                # then a standby takes its place,
                await asyncio.to_thread(hosts.wait_for_another_primary, old)
            # and all come back.
            await come_back(hosts)

    async def test_cut_off_from_its_peers_alone_the_primary_answers_no_commit(shop: Shop, hosts: Cluster) -> None:
        name = database.dsn().rpartition("/")[2]
        prepared = await asyncpg.connect(hosts.dsn(name))
        await prepared.execute("CREATE TABLE written_alone (at timestamptz DEFAULT clock_timestamp())")
        await prepared.close()
        async with under_load(shop, hosts, "cut off from its peers, not from the gateway"):
            await shop.until_sold(PAYMENTS // 2)
            old = await primary(hosts)
            url = hosts.dsn_of(old, name)
            others = peers(hosts, old)
            # When the primary hears the gateway, but not the other two,
            with wires(hosts).lost([way for peer in others for way in ((old.name, peer), (peer, old.name))]):
                # then what is written there waits for a standby,
                writing = [asyncio.create_task(is_committed(url))]
                beside = await asyncpg.connect(url)
                waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND query ~ '^INSERT'"

                async def waits() -> bool:
                    assert not (writing[0].done() and writing[0].result()), "a row on one host was answered as done"
                    return bool(await beside.fetchval(waiting))

                await shop.until("a commit that waits", waits)
                replaced = asyncio.create_task(asyncio.to_thread(hosts.wait_for_another_primary, old))
                while not replaced.done():
                    await asyncio.wait([replaced], timeout=1)
                    writing.append(asyncio.create_task(is_committed(url)))
                await replaced
                # is never answered as done,
                assert not any(await asyncio.gather(*writing))
                beside.terminate()
            await come_back(hosts)
        # and is nowhere.
        assert await database.fetch_value("SELECT count(*) FROM written_alone") == 0

    @pytest.mark.parametrize("with_gateway", [False, True])
    async def test_the_primarys_link_is_slow(shop: Shop, hosts: Cluster, with_gateway: bool) -> None:
        what = f"a slow link of the primary, {'to all' if with_gateway else 'to its standbys'}"
        async with under_load(shop, hosts, what):
            await shop.until_sold(PAYMENTS // 3)
            old = await primary(hosts)
            others = [*peers(hosts, old), *([GATEWAY] if with_gateway else [])]
            with wires(hosts).slow(old.name, others, hosts.folder):
                # Payments go on, more slowly: each commit is answered by a standby at the other end.
                await shop.until_sold(len(shop.orders) + PAYMENTS // 6)
                assert shop.slowest_s > 2 * DELAY_S
            await come_back(hosts)

    async def test_the_primarys_clock_is_an_hour_off(shop: Shop, hosts: Cluster, tmp_path: Path) -> None:
        ahead = {"LD_PRELOAD": str(clock_library(tmp_path)), "CLOCK_OFF_S": "3600"}
        name = database.dsn().rpartition("/")[2]
        async with under_load(shop, hosts, "a clock that is an hour ahead, then a primary whose clock is right"):
            await shop.until_sold(PAYMENTS // 4)
            old = await primary(hosts)
            # When the primary's clock goes an hour ahead,
            await asyncio.to_thread(old.restart, hosts, ahead)
            await asyncio.to_thread(hosts.wait_until_whole)
            beside = await asyncpg.connect(hosts.dsn_of(old, name))
            ahead_by = await beside.fetchval("SELECT clock_timestamp()") - clock.now()
            await beside.close()
            assert timedelta(minutes=59) < ahead_by < timedelta(minutes=61)
            assert await primary(hosts) is old
            # then payments go on,
            await shop.until_sold(PAYMENTS // 2)
            # and when it is replaced by one whose clock is right, too.
            with contextmanager(host_lost)(hosts, old):
                await asyncio.to_thread(hosts.wait_for_another_primary, old)
            await come_back(hosts)


def wires(hosts: Cluster) -> Network:
    assert hosts.network is not None
    return hosts.network


def peers(hosts: Cluster, host: Host) -> list[str]:
    """The names of the other database hosts."""
    return [other.name for other in hosts.hosts if other is not host]


async def primary(hosts: Cluster) -> Host:
    found = await asyncio.to_thread(hosts.primary)
    assert found is not None
    return found


async def come_back(hosts: Cluster) -> None:
    """Start what has ended meanwhile, as systemd does, and wait for all three."""
    for host in hosts.hosts:
        host.start(hosts)
    await asyncio.to_thread(hosts.wait_until_whole)


async def is_committed(url: str) -> bool:
    """Whether a row that is written there is answered as done. It ends with the answer, or with the session."""
    try:
        connection = await asyncpg.connect(url, timeout=20)
        await connection.execute("INSERT INTO written_alone DEFAULT VALUES")
    except (OSError, PostgresError, InterfaceError, InternalClientError):
        return False
    return True


@contextmanager
def much_written(hosts: Cluster, host: Host) -> Iterator[None]:
    """Inside, the primary writes WAL until it needs another file for it."""
    writes = "SELECT count(pg_logical_emit_message(false, 'fill', repeat('x', 1000000))) FROM generate_series(1, 1000)"
    psql = [str(programs.postgres_folder() / "psql"), "--dbname", hosts.dsn_of(host), "--command", writes]
    with subprocess.Popen(psql, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        yield


def clock_library(folder: Path) -> Path:
    """The compiled `clock_off.c`."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler: apt-get install gcc")
    library = folder / "clock_off.so"
    source = Path(__file__).with_name("clock_off.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    return library
