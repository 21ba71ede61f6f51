"""Redis under Sentinel loses its primary, killed and then hanging: everything that uses Redis goes on by itself."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis.exceptions import RedisError

from app.core import clock, redis
from app.core.settings import load
from app.doctor import valkey
from app.doctor.symptoms import Symptom
from app.monitoring import gauges
from app.monitoring.routes import readiness
from app.wiring import Services, running, wire
from tests.core.outbound_servers import TestCA
from tests.factories.merchants import merchant
from tests.factories.webhooks import make_endpoint
from tests.partitions import Partitions, needs_addresses
from tests.sentinels import HOSTS, Cluster, start_cluster
from tests.webhooks.receiving import Receiver, receiving
from tests.workers.redis_users import Users, replaced, until
from tests.workers.shop import Shop, trade, working
from workers import webhooks


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Three servers and three sentinels that the test may kill."""
    with start_cluster(tmp_path / "sentinel") as cluster:
        yield cluster


@pytest.fixture
async def receiver(tmp_path: Path) -> AsyncIterator[Receiver]:
    """A merchant's server."""
    async with receiving(tmp_path) as server:
        yield server


@pytest.fixture
async def own_services(
    environment: dict[str, str], cluster: Cluster, receiver: Receiver, steady_clock: None
) -> AsyncIterator[Services]:
    """The services of a process that finds Redis by the sentinels."""
    own = {"REDIS_URL": cluster.url, "WEBHOOK_ALLOW_NETWORKS": "127.0.0.0/8", "WEBHOOK_CA_FILE": str(receiver.ca_file)}
    async with running(wire(load(environment | own))) as services:
        yield services


@pytest.fixture
async def shop(own_services: Services, receiver: Receiver) -> Shop:
    """A merchant whose events go to the receiver."""
    merchant_id, keys = await merchant(), own_services.settings.data_keys
    await make_endpoint(merchant_id=merchant_id, mode="test", url=receiver.url(), keys=keys, now=clock.now())
    return Shop(merchant_id, receiver)


@pytest.mark.timeout(300)
async def test_all_goes_on_when_the_primary_is_killed_and_when_the_next_one_hangs(
    cluster: Cluster, own_services: Services, shop: Shop
) -> None:
    users = Users()
    async with users.using(own_services), working(webhooks.QUEUE, own_services), trade(shop):
        await users.all_work()
        await until(is_ready)

        first, changes = cluster.primary(), users.changes
        first.process.kill()
        await replaced(cluster, first)
        await until(lambda: users.changes >= changes + 2)  # when it was lost, and what changed until it was back
        await users.all_work()
        first.start()
        await asyncio.to_thread(cluster.until_whole)
        assert cluster.role(first) == "slave"
        await until(is_ready)

        second, changes = cluster.primary(), users.changes
        with second.process.paused():
            await replaced(cluster, second)
            await until(lambda: users.changes >= changes + 2)
            await users.all_work()
        await asyncio.to_thread(cluster.until_whole)
        assert cluster.role(second) == "slave"
        await until(is_ready)
        await until(lambda: is_sound(cluster.url))

        with cluster.sentinels[2].process.paused():
            await until(lambda: said(cluster.url, f"sentinel 127.0.0.1:{cluster.sentinels[2].port}: Timeout"))
            await until(lambda: said(cluster.url, "sentinels that agree: 2 of 3"))
            await until(lambda: shows({"swap_pay_redis_replicas": 2, "swap_pay_redis_sentinels_missing": 1}))
            assert not await is_ready()
            await until(users.count_together)


async def said(url: str, text: str) -> bool:
    """Whether the doctor says it of Redis."""
    return any(text in symptom.message for symptom in await symptoms(url))


async def is_sound(url: str) -> bool:
    """Whether the doctor finds nothing to say."""
    return {symptom.severity for symptom in await symptoms(url)} == {"ok"}


async def symptoms(url: str) -> list[Symptom]:
    """What the doctor says of Redis."""
    return [symptom async for symptom in valkey.examine(url)]


async def shows(figures: dict[str, int]) -> bool:
    """Whether `/metrics` shows these figures of Redis."""
    found = {gauge.name: gauge.samples[0].value for gauge in await gauges.gauges(clock.now()) if gauge.samples}
    return figures.items() <= found.items()


async def is_ready() -> bool:
    """Whether `/readyz` says that Redis lacks nothing."""
    return (await readiness()).redis == "ok"


@needs_addresses
async def test_over_tls_servers_and_sentinels_must_have_certificates(tmp_path: Path) -> None:
    ca, strangers = TestCA(tmp_path), tmp_path / "strangers"
    strangers.mkdir()
    names = [name for host in range(HOSTS) for name in Partitions.addresses(host)]
    partitions = Partitions(ca.server_context(*names))
    try:
        with start_cluster(tmp_path / "sentinel", partitions) as cluster:
            url = cluster.admin_url.replace("redis", "rediss", 1)
            assert not await answers(url), "signed by nobody whom we know"
            assert not await answers(f"{url}&ssl_ca_certs={TestCA(strangers).ca_file}")
            assert not await answers(cluster.url), "without TLS"
            url += f"&ssl_ca_certs={ca.ca_file}"
            await until(lambda: answers(url))
            cluster.server(cluster.primary()).config_set("min-replicas-to-write", 0)
            redis.open_client(url)
            await until(lambda: said(url, "min-replicas-to-write is 0"))
            await redis.close_client()
    finally:
        partitions.close()


async def answers(url: str) -> bool:
    """Whether Redis can be used with this URL."""
    redis.open_client(url)
    try:
        return bool(await redis.client().ping())
    except RedisError:
        return False
    finally:
        await redis.close_client()
