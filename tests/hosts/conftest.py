"""A gateway whose database is on three hosts, with a signer and a merchant that has a balance."""

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import asyncpg
import pytest

from app.core.migrations import migrate
from tests.hosts.cluster import Cluster, cluster
from tests.hosts.shop import Shop, open_shop
from tests.services import roomy_directory
from tests.signer.conftest import asset_options, chain_settings, keys, mnemonic, node_url, services, setup
from tests.signer.processes import sealed_keys
from tests.signer.signer_under_test import SignerUnderTest
from tests.webhooks.receiving import Receiver, receiving

__all__ = ["asset_options", "chain_settings", "keys", "mnemonic", "node_url", "services", "setup"]


@pytest.fixture(scope="package")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The three hosts, shared by the tests of this folder: each leaves them whole."""
    with roomy_directory(tmp_path_factory.mktemp("hosts")) as folder, cluster(folder / "hosts") as running:
        yield running


@pytest.fixture
async def database_url(hosts: Cluster) -> AsyncIterator[str]:
    """A migrated database on them."""
    name = f"test_{uuid.uuid4().hex}"
    admin = await asyncpg.connect(hosts.dsn())
    await admin.execute(f"CREATE DATABASE {name}")
    await admin.close()
    await migrate(f"{hosts.dsn(name)}?synchronous_commit=off")  # a thousand statements need not wait each
    yield hosts.dsn(name)
    await asyncio.to_thread(hosts.wait_until_whole)
    admin = await asyncpg.connect(hosts.dsn())
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


@pytest.fixture
def network_options() -> Mapping[str, object]:
    """Slower than other tests poll, because six servers share the machine. Fees are not raised."""
    return {"poll_interval_ms": 300, "fee_bump_after_s": 86_400}


@pytest.fixture
async def receiver(tmp_path: Path) -> AsyncIterator[Receiver]:
    """The merchant's server for webhooks."""
    async with receiving(tmp_path) as running:
        yield running


@pytest.fixture
def environment(environment: dict[str, str], receiver: Receiver) -> dict[str, str]:
    """The receiver is on loopback."""
    return environment | {"WEBHOOK_ALLOW_NETWORKS": "127.0.0.0/8", "WEBHOOK_CA_FILE": str(receiver.ca_file)}


@pytest.fixture
async def shop(
    setup: SignerUnderTest, receiver: Receiver, environment: dict[str, str], mnemonic: str, tmp_path: Path
) -> Shop:
    """The merchant's shop."""
    operators = 100 if os.environ.get("SOAK") else 10
    return await open_shop(setup, receiver, environment, sealed_keys(tmp_path, mnemonic), tmp_path, operators)
