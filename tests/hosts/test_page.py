"""docs/ha.md: its configuration is that of the hosts here, and under SOAK HAProxy runs with it.

`make soak` needs it: `apt-get install haproxy`.
"""

import asyncio
import os
import re
import shutil
from pathlib import Path

import asyncpg
import pytest
import yaml
from asyncpg.exceptions._base import InterfaceError, PostgresError

from app.core.advisory_lock import LEASE_S
from app.sandbox import ports, processes
from app.sandbox.home import ROOT
from tests.hosts.cluster import Cluster
from tests.hosts.host import PARAMETERS, SETTINGS

PAGE = (ROOT / "docs/ha.md").read_text()
SERVER = re.compile(r"server (db\d) 10\.0\.0\.1\d:5432 maxconn 200 check port 8008")


def block(language: str) -> str:
    """The one code block of that language on the page."""
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


def test_the_hosts_of_the_suite_are_those_of_the_page() -> None:
    dcs = yaml.safe_load(block("yaml"))["bootstrap"]["dcs"]
    shown = dcs.pop("postgresql")
    of_a_busy_machine = {"loop_wait"}
    assert {name: SETTINGS[name] for name in dcs if name not in of_a_busy_machine} == {
        name: value for name, value in dcs.items() if name not in of_a_busy_machine
    }
    safety = ("wal_level", "hot_standby", "wal_log_hints", "synchronous_commit")
    assert {name: shown["parameters"][name] for name in safety} == {name: PARAMETERS[name] for name in safety}
    # A holder of a lock that hears nothing has stopped long before another host can be the primary.
    assert dcs["ttl"] >= 2 * LEASE_S


if os.environ.get("SOAK"):

    @pytest.mark.timeout(600)
    async def test_haproxy_follows_the_primary(hosts: Cluster, tmp_path: Path) -> None:
        assert shutil.which("haproxy"), "haproxy is missing: apt-get install haproxy"
        port = ports.free_port()
        by_name = {host.name: host for host in hosts.hosts}

        def here(found: re.Match[str]) -> str:
            host = by_name[found[1]]
            return f"server {host.name} {host.address}:{host.postgres_port} maxconn 200 check port {host.patroni_port}"

        text, count = SERVER.subn(here, block("haproxy"))
        assert count == len(by_name)
        (tmp_path / "haproxy.cfg").write_text(text.replace(":5000", f":{port}"))
        haproxy = processes.start(
            "haproxy",
            ["haproxy", "-db", "-f", str(tmp_path / "haproxy.cfg")],
            var_dir=tmp_path,
            ready=lambda _: ports.answers(port),
        )
        try:
            url = hosts.dsn().replace(f":{hosts.port}/", f":{port}/")
            before = await connected(url)
            old = await asyncio.to_thread(hosts.primary)
            assert old is not None
            # When the primary's host is paused, which a connection alone would never notice,
            with old.frozen():
                with pytest.raises((ConnectionError, PostgresError, InterfaceError)):
                    async with asyncio.timeout(60):
                        while True:
                            await before.fetchval("SELECT 1")
                # then its sessions are closed, and new ones lead to the next primary.
                await asyncio.to_thread(hosts.wait_for_another_primary, old)
                after = await connected(url)
                assert not await after.fetchval("SELECT pg_is_in_recovery()")
                await after.close()
            await asyncio.to_thread(hosts.wait_until_whole)
        finally:
            haproxy.stop()


async def connected(url: str) -> asyncpg.Connection:
    """A connection, once there is a primary."""
    async with asyncio.timeout(120):
        while True:
            try:
                found: asyncpg.Connection = await asyncpg.connect(url, timeout=5)
                return found
            except (OSError, PostgresError, InterfaceError):
                await asyncio.sleep(0.2)
