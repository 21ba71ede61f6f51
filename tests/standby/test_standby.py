"""Reading from a hot standby, at the level of statements: when it is asked, and what happens where it fails."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from pathlib import Path

import asyncpg
import msgspec
import pytest

from app.cli.doctor import examine
from app.core import clock, database, standby, waiting, wal_repository
from app.core.reading import WroteWhileReading
from app.core.settings import load
from app.core.standby import Standby
from app.core.wal_repository import Place
from app.monitoring import gauges
from app.sandbox import postgres as sandbox
from app.sandbox.postgres import Postgres
from tests.standby.replication import on, reads, standby_of, until, until_shown

WHERE = "SELECT CASE WHEN pg_is_in_recovery() THEN 'standby' ELSE 'primary' END"
ENDLESS_THERE = "SELECT CASE WHEN pg_is_in_recovery() THEN pg_sleep(600)::text ELSE 'primary' END FROM things"
"""Ends at once on the primary, and never on a standby."""

INSERTS = "SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint"
PAUSE, RESUME = "SELECT pg_wal_replay_pause()", "SELECT pg_wal_replay_resume()"


async def asked(sql: str = WHERE, seen_until: datetime | None = None) -> object:
    """What a unit of work reads that may ask the standby."""
    with standby.may_be_read("reader", seen_until):
        return await database.fetch_value(sql)


def watch(*urls: str, max_lag_s: float = 60) -> Sequence[Standby]:
    for url in urls:
        standby.open_standbys(url, pool_size=4, max_lag_s=max_lag_s, primary=database.place)
    return standby.standbys()


@pytest.fixture
async def things(db: str) -> AsyncIterator[None]:
    """A table with one row, and this process's pool; what it knows of standbys is forgotten afterwards."""
    await database.execute("CREATE TABLE things (number int)")
    await database.execute("INSERT INTO things VALUES (1)")
    yield
    await standby.close_standbys()


@pytest.fixture
async def one(things: None, read_url: str) -> Standby:
    """The standby, as this process knows it."""
    watch(read_url)
    return await until_shown()


async def in_vain(replica: Postgres) -> asyncio.Task[object]:
    """A read that will not end on the standby, once it has begun there."""
    reading = asyncio.create_task(asked(ENDLESS_THERE))
    begun = "SELECT count(*) > 0 FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep(600)::%'"
    await until(lambda: on(replica, f"{begun} AND pid <> pg_backend_pid()"))
    return reading


async def test_only_what_is_allowed_to_reads_there_and_nothing_is_written_by_it(one: Standby) -> None:
    assert await database.fetch_value(WHERE) == "primary"
    with standby.may_be_read("reader", None):
        many = await asyncio.gather(*(database.fetch_value(WHERE) for _ in range(12)))
        assert many == ["standby"] * 12, "three times as many as it has connections"
        with pytest.raises(WroteWhileReading):
            async with database.transaction():
                pass
        assert await waiting.run_beside(_in_a_transaction_of_its_own()) == "primary", "as what others wait for too"
        # A change outside of a transaction is done by the primary, and so is all that is read after it.
        before = reads("primary_again")
        assert await database.fetch_value("INSERT INTO things VALUES (2) RETURNING number") == 2
        assert reads("primary_again") == before + 1
        assert await database.fetch_value("SELECT sum(number) FROM things") == 3
        assert await database.fetch_value(WHERE) == "primary"
    assert await database.fetch_value(WHERE) == "primary"
    await until_shown()
    assert await asked("SELECT sum(number) FROM things") == 3
    with pytest.raises(Exception, match="division by zero"):
        await asked("SELECT 1 / 0")
    assert await asked() == "standby"


async def _in_a_transaction_of_its_own() -> object:
    async with database.transaction():
        return await database.fetch_value(WHERE)


async def test_a_reader_who_has_seen_more_and_a_standby_that_is_behind_read_from_the_primary(
    one: Standby, replica: Postgres, read_url: str
) -> None:
    await on(replica, PAUSE)
    try:
        await database.execute("INSERT INTO things VALUES (2)")
        written_at = clock.now()
        assert await asked("SELECT count(*) FROM things") == 1, "others may see what was"
        unseen = reads("primary_unseen")
        assert await asked("SELECT count(*) FROM things", seen_until=written_at) == 2
        assert reads("primary_unseen") == unseen + 1
        await standby.close_standbys()
        (strict,) = watch(read_url, max_lag_s=1)
        await until(lambda: strict.reason is None)
        await until(lambda: strict.lag_s > 1)
        unusable = reads("primary_unusable")
        assert await asked("SELECT count(*) FROM things") == 2
        assert reads("primary_unusable") == unusable + 1
    finally:
        await on(replica, RESUME)
    await until(lambda: strict.is_usable and strict.can_show(written_at))
    assert await asked("SELECT count(*) FROM things", seen_until=written_at) == 2


async def test_a_process_needs_no_rights_of_an_administrator_to_know_where_both_are(
    one: Standby, postgres: Postgres, read_url: str, replica: Postgres
) -> None:
    places = []
    for port in (postgres.port, replica.port):
        connection = await asyncpg.connect(read_url.replace(f":{replica.port}/", f":{port}/"))
        places.append(await wal_repository.place(connection.fetchrow))
        await connection.close()
    primary, here = places
    assert (primary.is_standby, here.is_standby) == (False, True)
    assert (primary.system, primary.timeline) == (here.system, here.timeline)


async def test_a_standby_can_be_where_an_idle_primary_is_that_has_begun_a_new_segment_of_its_log(
    one: Standby, postgres: Postgres, replica: Postgres
) -> None:
    """`archive_timeout` begins one: then the next record's place lies behind the head of a page without records."""
    primary, there = await asyncpg.connect(postgres.dsn()), await asyncpg.connect(replica.dsn())

    async def is_reached() -> bool:
        await primary.execute("SELECT pg_switch_wal()")
        insert, position = await primary.fetchval(INSERTS), (await wal_repository.place(primary.fetchrow)).position
        is_between = insert != position and insert == await primary.fetchval(INSERTS)
        return is_between and (await wal_repository.place(there.fetchrow)).position == position

    await until(is_reached)
    await primary.close()
    await there.close()
    await until_shown()
    assert await asked() == "standby"


async def test_what_the_standby_must_give_up_for_a_change_is_read_on_the_primary(
    one: Standby, replica: Postgres
) -> None:
    reading = await in_vain(replica)
    await database.execute("ALTER TABLE things ADD COLUMN colour text")
    async with asyncio.timeout(60):
        assert await reading == "primary"
    await until_shown()
    assert await asked() == "standby", "it was not at fault"


async def test_a_killed_standby_is_left_in_the_middle_of_reads_and_asked_again_when_it_is_back(
    one: Standby, replica: Postgres
) -> None:
    reading = await in_vain(replica)
    idle = [asyncio.create_task(asked()) for _ in range(3)]
    await asyncio.gather(*idle)
    replica.kill()
    async with asyncio.timeout(60):
        assert await reading == "primary"
        assert await asked() == "primary", "at once, with connections in the pool that are dead"
        await until(lambda: one.reason == "away")
    replica.restart()
    await until_shown()
    assert await asked() == "standby"


async def test_a_standby_that_hangs_is_left_in_the_middle_of_reads(
    one: Standby, replica: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standby, "LOOK_LIMIT_S", 1.0)
    waiting.limit_each_wait(600)  # it is not the statement that gives up
    reading = await in_vain(replica)
    with replica.process.paused():
        async with asyncio.timeout(60):
            assert await reading == "primary"
            assert await asked() == "primary"
    monkeypatch.setattr(standby, "LOOK_LIMIT_S", 30.0)
    await until_shown()
    assert await asked() == "standby"


async def test_a_promoted_standby_is_noticed_and_a_host_that_is_the_primary_is_left_out(
    things: None, database_url: str, postgres: Postgres, folder: Path, read_url: str, replica: Postgres
) -> None:
    other = standby_of(postgres, folder / "promoted")
    try:
        hosts = f"127.0.0.1:{postgres.port},127.0.0.1:{other.port}"
        known = {each.name: each for each in watch(database_url.replace(f"127.0.0.1:{postgres.port}", hosts))}
        primary, promoted = known[f"127.0.0.1:{postgres.port}"], known[f"127.0.0.1:{other.port}"]
        await until(lambda: promoted.is_usable and primary.reason == "a primary")
        assert await asked() == "standby"
        assert await on(other, "SELECT pg_promote()")
        await database.execute("INSERT INTO things VALUES (2)")
        await until(lambda: promoted.reason == "a primary")
        assert await asked("SELECT count(*) FROM things") == 2
        watch(read_url)
        await until(lambda: standby.standbys()[-1].is_usable)
        assert await asked() == "standby", "one of them is enough"
    finally:
        await standby.close_standbys()
        other.stop()
        sandbox.remove(folder / "promoted")


@pytest.mark.parametrize(
    ("difference", "reason"), [({"system": 7}, "of another cluster"), ({"timeline": 2}, "of another history")]
)
async def test_a_standby_that_does_not_follow_this_primary_is_not_asked(
    things: None, read_url: str, difference: dict[str, int], reason: str
) -> None:
    """A primary that was promoted without this standby may lack what the standby has replayed."""

    async def primary() -> Place:
        return msgspec.structs.replace(await database.place(), **difference)

    standby.open_standbys(read_url, pool_size=4, max_lag_s=60, primary=primary)
    (stranger,) = standby.standbys()
    await until(lambda: stranger.reason == reason)
    assert await asked() == "primary"


async def test_without_a_standby_nothing_is_counted_and_everything_is_read_on_the_primary(things: None) -> None:
    before = [reads(one) for one in ("standby", "primary_unusable", "primary_unseen", "primary_again")]
    assert await asked() == "primary"
    assert [reads(one) for one in ("standby", "primary_unusable", "primary_unseen", "primary_again")] == before


async def test_the_doctor_and_the_metrics_say_how_the_standby_is(
    one: Standby, replica: Postgres, environment: dict[str, str], read_url: str, database_url: str, valkey: str
) -> None:
    usable, lag = [family for family in await gauges.gauges(clock.now()) if family.name.startswith("swap_pay_standby")]
    assert [(sample.labels, sample.value) for sample in usable.samples] == [({"server": one.name}, 1)]
    assert [sample.labels for sample in lag.samples] == [{"server": one.name}]
    assert 0 < lag.samples[0].value < 60
    await standby.close_standbys()
    await database.close_pool()

    async def said(url: str) -> list[tuple[str, str]]:
        found = await examine(load(environment | {"DATABASE_READ_URL": url, "DATABASE_READ_MAX_LAG_S": "1"}))
        return [(each.severity, each.message) for each in found if each.topic == "standby"]

    assert await said("") == []
    follows = ("ok", f"{one.name} follows this database")
    assert await said(read_url) == [follows]
    superuser = f"postgres at {one.name} is a superuser: reading needs no more than the role of DATABASE_URL"
    assert await said(replica.dsn(database_url.rpartition("/")[2])) == [follows, ("warning", superuser)]
    (found,) = await said(database_url)
    assert found[0] == "advice"
    assert "takes the writes" in found[1]
    await on(replica, PAUSE)
    try:
        await _changed(database_url)
        assert ("warning", f"{one.name} is more than 1 s behind: it is not asked") in await said(read_url)
    finally:
        await on(replica, RESUME)
    (found,) = await said("postgresql://swap_pay@127.0.0.1:9/swap_pay")
    assert found[0] == "warning"
    assert "127.0.0.1:9 can't be examined" in found[1]


async def _changed(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute("INSERT INTO things VALUES (7)")
    await connection.close()
