"""The whole stack: it ends when its owner is killed, and an ordinary user can run it."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import asyncpg
import pytest

from app.sandbox import anvil, postgres
from app.sandbox.processes import User
from tests.sandbox.test_processes import ROOT, runs, wait_until

OWNER = textwrap.dedent(
    """
    import asyncio, json, sys, time
    from pathlib import Path
    import asyncpg
    from app.sandbox import anvil, postgres, receiver, tls, valkey

    home = Path(sys.argv[1])
    database = postgres.start(home / "postgres")
    cache = valkey.start(home / "valkey")
    chain = anvil.start(home / "anvil", keep_state=True)
    hooks = receiver.start(home / "receiver", tls.ensure(home / "tls"))

    async def work():
        connection = await asyncpg.connect(database.dsn())
        await connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        await connection.close()

    asyncio.run(work())
    chain.rpc("anvil_mine", "0x3")
    print(json.dumps([service.process.pid for service in (database, cache, chain, hooks)]), flush=True)
    sys.stdin.read()
    """
)


async def test_a_killed_sandbox_leaves_nothing_running_and_loses_nothing(tmp_path: Path) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert owner.stdout is not None
    pids = json.loads(owner.stdout.readline())
    assert [runs(pid) for pid in pids] == [True] * 4

    owner.kill()
    owner.wait()
    assert wait_until(lambda: not any(runs(pid) for pid in pids))

    database = postgres.start(tmp_path / "postgres")
    connection = await asyncpg.connect(database.dsn())
    assert await connection.fetchval("SELECT answer FROM kept") == 42
    await connection.close()
    database.stop()
    postgres.remove(tmp_path / "postgres")

    chain = anvil.start(tmp_path / "anvil", keep_state=True)
    assert chain.rpc("eth_blockNumber") == "0x3"
    chain.stop()


def test_an_ordinary_user_can_run_it_all() -> None:
    if os.geteuid() != 0:
        pytest.skip("all the other tests show it")
    if shutil.which("setpriv") is None:
        pytest.skip("needs setpriv, of util-linux")
    nobody = User(65_534, 65_534)
    home_dir = Path(tempfile.mkdtemp())
    os.chown(home_dir, nobody.uid, nobody.gid)
    try:
        done = subprocess.run(
            [
                *("setpriv", "--reuid", str(nobody.uid), "--regid", str(nobody.gid), "--clear-groups"),
                # The interpreter or the checkout may lie under /root: may read all, and that only.
                *("--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search"),
                *("--bounding-set", "-all,+dac_read_search"),
                *(sys.executable, "-B", "-c", OWNER, str(home_dir)),
            ],
            cwd=ROOT,
            input=b"",
            capture_output=True,
            check=False,
            env={"PATH": os.environ["PATH"], "HOME": str(home_dir)},
        )
        assert done.returncode == 0, done.stderr.decode()
        assert (home_dir / "postgres" / "data").stat().st_uid == nobody.uid
        assert not any(runs(pid) for pid in json.loads(done.stdout))
    finally:
        shutil.rmtree(home_dir)
