"""A writer to Redis can't make our workers run foreign code."""

import os
import pickle
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import pytest
from arq import create_pool
from arq.connections import ArqRedis, RedisSettings

from app.accounts import sessions
from app.core import clock, database, redis
from app.core.settings import Settings
from tests import commands
from tests.identity.browsing import an_account

QUEUE = "arq:default"
PATIENCE_S = 60


class Exploit:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self._path),)


@contextmanager
def worker(environment: dict[str, str], log_path: Path) -> Iterator[ForkServerProcess]:
    """A running `swap-pay worker default`."""
    process = commands.start("worker", "default", env={"PATH": os.environ["PATH"], **environment}, log=log_path)
    try:
        yield process
    finally:
        commands.stop(process, 30)


async def until_taken(pool: ArqRedis, *job_ids: str) -> None:
    give_up_s = time.monotonic() + PATIENCE_S
    while any([await pool.zscore(QUEUE, job_id) for job_id in job_ids]):
        assert time.monotonic() < give_up_s, "the worker takes no jobs"
        time.sleep(0.1)


@pytest.mark.usefixtures("db", "valkey")
async def test_a_planted_pickle_is_not_loaded_and_stops_no_worker(
    settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    planted = tmp_path / "opened"
    exploit = pickle.dumps(Exploit(planted))
    pickle.loads(exploit)
    assert planted.is_dir()  # the exploit works when it is unpickled
    planted.rmdir()
    account = await an_account(settings)
    a_month_ago = clock.now() - timedelta(days=31)
    await sessions.open_session(account.id, code_given=False, address="192.0.2.1", user_agent="", now=a_month_ago)
    log_path = tmp_path / "worker.log"
    now_ms = int(time.time() * 1000)

    ours = redis.arq_pool(QUEUE)
    with worker(environment, log_path) as running:
        # In the format of arq's own pools, and bare; then one in our format.
        theirs = await create_pool(RedisSettings.from_dsn(settings.redis_url))
        pickled = await theirs.enqueue_job("purge_sessions", Exploit(planted), _queue_name=QUEUE)
        assert pickled is not None
        await theirs.psetex("arq:job:bare", 60_000, exploit)
        await theirs.zadd(QUEUE, {"bare": now_ms})
        await until_taken(theirs, pickled.job_id, "bare")
        assert not planted.exists()
        assert await database.fetch_value("SELECT count(*) FROM sessions") == 1, "the pickled job has run"
        assert running.exitcode is None, log_path.read_text()

        job = await ours.enqueue_job("purge_sessions", _queue_name=QUEUE)
        assert job is not None
        await until_taken(ours, job.job_id)
        assert await database.fetch_value("SELECT count(*) FROM sessions") == 0
        assert running.exitcode is None
        assert not planted.exists()
    assert "deserializ" in log_path.read_text(), "the refused job is not in the log"
    await theirs.aclose()
    await ours.aclose()
