"""Redis under Sentinel is cut in two, or away from us, and its primaries are killed one after another."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from app.core.settings import load
from app.wiring import Services, running, wire
from tests.partitions import US, Partitions, needs_addresses
from tests.sentinels import HOSTS, Cluster, start_cluster
from tests.workers.redis_users import TOPIC, Users, replaced, until

pytestmark = [
    needs_addresses,
    pytest.mark.skipif("SOAK" not in os.environ, reason="partitions take minutes: a part of make soak"),
    pytest.mark.timeout(600),
]


@pytest.fixture
def partitions() -> Iterator[Partitions]:
    """The network between the hosts."""
    partitions = Partitions()
    yield partitions
    partitions.close()


@pytest.fixture
def cluster(tmp_path: Path, partitions: Partitions) -> Iterator[Cluster]:
    """Three hosts that the test may cut off."""
    with start_cluster(tmp_path / "sentinel", partitions) as cluster:
        yield cluster


@pytest.fixture
async def own_services(environment: dict[str, str], cluster: Cluster, steady_clock: None) -> AsyncIterator[Services]:
    """The services of a process that finds Redis by the sentinels."""
    async with running(wire(load(environment | {"REDIS_URL": cluster.url}))) as services:
        yield services


def others(host: int) -> list[int]:
    """The other hosts."""
    return [each for each in range(HOSTS) if each != host]


async def test_a_primary_that_only_we_and_its_own_sentinel_still_reach_is_left(
    cluster: Cluster, partitions: Partitions, own_services: Services
) -> None:
    users = Users()
    async with users.using(own_services):
        await users.all_work()
        old = cluster.primary()
        with partitions.cut(*((old.host, other) for other in others(old.host))):
            await replaced(cluster, old)
            await users.all_work()
            assert cluster.role(old) == "master", "two primaries at a time: only the majority's is used"
            await until(lambda: refuses_writes(cluster, old.host))
        await asyncio.to_thread(cluster.until_whole)
        assert cluster.role(old) == "slave"
        await users.all_work()


async def test_with_a_minority_of_sentinels_redis_counts_as_away(
    cluster: Cluster, partitions: Partitions, own_services: Services
) -> None:
    users = Users()
    async with users.using(own_services):
        await users.all_work()
        old = cluster.primary()
        side = (old.host, US)
        with partitions.cut(*((one, other) for one in side for other in others(old.host))):
            await work_alone(users)
        await users.all_work()


async def test_a_primary_that_only_we_do_not_reach_is_away_until_the_network_is_back(
    cluster: Cluster, partitions: Partitions, own_services: Services
) -> None:
    users = Users()
    async with users.using(own_services):
        await users.all_work()
        primary = cluster.primary()
        with partitions.cut((primary.host, US)):
            await work_alone(users)
            assert cluster.primary() is primary
        await users.all_work()


async def test_primaries_that_are_killed_one_after_another(cluster: Cluster, own_services: Services) -> None:
    users = Users()
    async with users.using(own_services):
        for _ in range(3):
            await users.all_work()
            killed = cluster.primary()
            killed.process.kill()
            await replaced(cluster, killed)
            await users.all_work()
            killed.start()
            await asyncio.to_thread(cluster.until_whole)


async def work_alone(users: Users) -> None:
    """Wait until Redis counts as away: open pages poll, limits count by themselves, the process runs its jobs."""
    await until(lambda: users.hub.version(TOPIC) is None)
    changes = users.changes
    await until(lambda: users.changes > changes + 1)
    await until(users.count_alone)
    await until(lambda: users.runs[-2:] == ["process", "process"])


def refuses_writes(cluster: Cluster, host: int) -> bool:
    """Whether the server of a host takes no writes for want of replicas."""
    try:
        cluster.ask(cluster.server(cluster.servers[host]), "SET", "key", "value")
    except Exception as error:
        return "NOREPLICAS" in str(error)
    return False
