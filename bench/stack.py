"""What a bench runs against: durable Postgres, Valkey, web processes on loopback, a merchant and its key."""

import asyncio
import base64
import contextlib
import os
import shutil
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from app.api_keys import service as api_keys
from app.api_keys.scopes import Scope
from app.core import clock, database
from app.core.migrations import migrate
from app.core.settings import load
from app.merchants import service as merchants
from app.sandbox import ports, postgres, processes, valkey
from app.sandbox.postgres import Postgres
from app.sandbox.processes import Process
from app.wiring import running, wire

WEB_PROCESSES = int(os.environ.get("BENCH_WEB_PROCESSES", "2"))
"""The default of `swap-pay web` (`WEB_WORKERS`)."""

POOL_SIZE = 16
API = "/api/v1/merchant"
XPUB = "xpub6Ce9NcJvTk36xtLSrJLZqE7wtgA5deCeYs7rSQtreh4cj6ByPtrg9sD7V2FNFLPnf8heNP3FGkeV9qwfzvZNSd54JoNXVsXFYSYwHsnJxqP"
"""The extended public key of the public test phrase ("test … junk"): worth nothing."""

NETWORKS = f"""
[[networks]]
chain = "ethereum"
mode = "test"
kind = "evm"
display_name = "Ethereum"
chain_id = 31337
rpc_urls = ["http://127.0.0.1:1"]
confirmations = 3
xpub = "{XPUB}"
pool_cap = 2000000

[[networks.assets]]
symbol = "USDT"
name = "Tether USD"
kind = "erc20"
contract = "0xdAC17F958D2ee523a2206206994597C13D831ec7"
decimals = 6
"""


@dataclass(frozen=True)
class Stack:
    """A running deployment."""

    base_url: str
    environment: dict[str, str]
    postgres: Postgres
    dsn: str
    merchant_id: str
    key: str
    web: Process

    @property
    def port(self) -> int:
        """Where web listens."""
        return int(self.environment["WEB_PORT"])

    def cpu_s(self) -> dict[str, float]:
        """Seconds of CPU that web processes and Postgres have used so far: steadier than the wall clock where other
        programs want the same cores."""
        return {"web": cpu_s_of(self.web), "Postgres": cpu_s_of(self.postgres.process)}


def cpu_s_of(process: Process) -> float:
    """Seconds of CPU that a process and its children have used so far."""
    leader = psutil.Process(process.pid)
    total = 0.0
    for each in (leader, *leader.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = each.cpu_times()
            total += times.user + times.system
    return total


@contextmanager
def running_stack(web_processes: int = WEB_PROCESSES, *, as_deployed: bool = False) -> Iterator[Stack]:
    """Start everything in a new folder; stop and delete it at the end. `as_deployed`: web without the sandbox's tools,
    which take memory."""
    home = Path(tempfile.mkdtemp(prefix="swap-pay-bench-"))
    server = postgres.start(home / "postgres")
    cache = valkey.start(home / "valkey")
    try:
        server.create_database("swap_pay")
        dsn = server.dsn("swap_pay")
        environment = environment_of(home, dsn, cache.url, NETWORKS, web_processes)
        environment |= {"SWAP_PAY_ENV": "test"} if as_deployed else {}
        asyncio.run(migrate(dsn))
        merchant_id, key = asyncio.run(_merchant(environment))
        base_url = environment["PUBLIC_URL"]
        web = processes.start(
            "web",
            [sys.executable, "-m", "app.cli", "web"],
            var_dir=home,
            env={**os.environ, **environment},
            ready=lambda _: _answers(base_url),
            ready_timeout_s=120,  # where other programs want the same cores
        )
        yield Stack(base_url, environment, server, dsn, merchant_id, key, web)
    finally:
        processes.stop_all()
        postgres.remove(home / "postgres")
        shutil.rmtree(home, ignore_errors=True)


def environment_of(
    home: Path, dsn: str, redis_url: str, networks_toml: str, web_processes: int = WEB_PROCESSES
) -> dict[str, str]:
    """The environment of a deployment whose files are in `home`; the networks file is written."""
    networks = home / "networks.toml"
    networks.write_text(networks_toml)
    secret = base64.b64encode(os.urandom(32)).decode()
    port = ports.free_port()
    return {
        "SWAP_PAY_ENV": "sandbox",
        "DATABASE_URL": dsn,
        "DATABASE_POOL_SIZE": str(POOL_SIZE),
        "REDIS_URL": redis_url,
        "PUBLIC_URL": f"http://127.0.0.1:{port}",
        "WEB_PORT": str(port),
        "WEB_WORKERS": str(web_processes),
        "NETWORKS_FILE": str(networks),
        "API_KEY_PEPPERS": f"1:{secret}",
        "DATA_KEYS": f"k1:{secret}",
        "LINK_SECRET": secret,
        "EMAIL_HASH_SECRET": secret,
        "LOG_LEVEL": "WARNING",
        "TRUSTED_PROXIES": "127.0.0.1",
    }


async def _merchant(environment: dict[str, str]) -> tuple[str, str]:
    async with running(wire(load(environment))) as services, database.transaction():
        merchant_id = await merchants.create(name="Bench", service_fee_bps=80, fee_payer="merchant", now=clock.now())
        await merchants.enable_all_assets(merchant_id, services.networks)
        await merchants.enable_currencies(merchant_id, ["EUR"])
        _, key = await api_keys.issue(
            services.settings.api_key_peppers,
            merchant_id=merchant_id,
            mode="test",
            name="bench",
            scopes=[scope.value for scope in Scope],
            allowlist=[],
            seen_by=None,
            rate_limit_per_minute=api_keys.MAX_RATE_LIMIT_PER_MINUTE,
            now=clock.now(),
        )
    return merchant_id, key


def _answers(base_url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{base_url}/healthz", timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        time.sleep(0.05)
        return False
