"""Attempts are in a partition for each month: none is lost or refused, old months go whole, and nobody waits for it."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from app.core import clock, database
from app.core.migrations import migrate
from app.core.settings import DataKeys
from app.monitoring import gauges
from app.reconciliation.checks import events as events_check
from app.reconciliation.snapshot import snapshot
from app.sandbox.postgres import Postgres
from app.webhooks import attempts_by_month, outcomes_repository, partitions_repository, retention, service
from app.webhooks.claims_repository import ClaimedDelivery
from app.webhooks.outcomes_repository import Attempt
from app.webhooks.schedule import Verdict
from tests.services import database_as_of
from tests.webhooks.receiving import Receiver
from tests.webhooks.test_delivery import enabled_endpoint

BEFORE = "2026-11-29T20:60:00:000000"
"""The last migration before attempts were kept by month."""

MARCH = datetime(2026, 3, 10, 12, tzinfo=UTC)


@pytest.fixture
async def old_url(postgres: Postgres) -> AsyncIterator[str]:
    """A database as the version before has left it."""
    async with database_as_of(postgres, BEFORE) as url:
        yield url


async def test_the_table_becomes_a_partition_unread_while_the_version_before_goes_on(old_url: str) -> None:
    old = await asyncpg.connect(old_url)
    try:
        await old.execute(
            """
            INSERT INTO merchants (id, name, status, service_fee_bps, fee_payer, created_at)
            VALUES ('MCH-1', 'M', 'approved', 80, 'merchant', now());
            INSERT INTO webhook_endpoints (id, merchant, mode, url, description, event_types, implicit, status,
                secret_sealed, status_since, created_at)
            VALUES ('WH-1', 'MCH-1', 'test', 'https://shop.example', '', '{}', false, 'enabled', '', now(), now());
            INSERT INTO events (event_id, merchant_id, mode, type, subject_id, data, created_at, seq, body)
            SELECT gen_random_uuid(), 'MCH-1', 'test', 'invoice.paid', 'INV-1', '{}', now(), n, '{}'
            FROM generate_series(1, 200) n
            """
        )
        deliver = await old.prepare(
            """
            INSERT INTO webhook_deliveries
                (event, endpoint, merchant_id, seq, previous_seq, status, attempts, step, next_attempt_at, created_at)
            SELECT id, 'WH-1', 'MCH-1', seq, 0, 'pending', 0, 0, now(), now() FROM events WHERE seq BETWEEN $1 AND $2
            RETURNING id
            """
        )
        attempt = await old.prepare(
            """
            INSERT INTO webhook_attempts (delivery, number, started_at, duration_ms, detail, response_excerpt)
            VALUES ($1, $2, now(), 5, '', '')
            """
        )
        before = [row["id"] for row in await deliver.fetch(1, 100)]
        for delivery in before:
            await attempt.fetch(delivery, 1)

        said: list[str] = []
        await _say_what_attaching_reads(old, old_url, said)
        assert sum("is implied by existing constraints" in line for line in said) >= 1, said
        assert not [line for line in said if "verifying table" in line and "webhook_attempts_first" in line], said
        validated = [line for line in said if "validating foreign key" in line and "attempts" in line]
        assert len(validated) == 1 + attempts_by_month.MONTHS_AHEAD, "those of the empty months alone"

        after = [row["id"] for row in await deliver.fetch(101, 200)]
        for delivery in (*before, *after):
            await attempt.fetch(delivery, 2)
        with pytest.raises(asyncpg.UniqueViolationError):
            await attempt.fetch(before[0], 1)
        with pytest.raises(asyncpg.ForeignKeyViolationError):
            await attempt.fetch(after[-1] + 1_000, 1)
        found = await old.fetch("SELECT tableoid::regclass::text AS name, count(*) FROM webhook_attempts GROUP BY 1")
        month = await old.fetchval("SELECT to_char(now() AT TIME ZONE 'UTC', '\"webhook_attempts_\"YYYY_MM')")
        assert {row["name"]: row["count"] for row in found} == {"webhook_attempts_first": 200, month: 100}
    finally:
        await old.close()


async def _say_what_attaching_reads(old: asyncpg.Connection, url: str, said: list[str]) -> None:
    """Migrate, and collect what Postgres says of tables that it reads or doesn't."""
    name = await old.fetchval("SELECT current_database()")
    await old.execute(f"ALTER DATABASE {name} SET client_min_messages = debug1")
    connect: Any = asyncpg.connect

    async def listening(*args: Any, **options: Any) -> Any:
        connection = await connect(*args, **options)
        connection.add_log_listener(lambda _, message: said.append(message.message))
        return connection

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncpg, "connect", listening)
        await migrate(url)


async def deliveries(merchant_id: str, endpoint: str, at: datetime, count: int, *, status: str = "delivered") -> None:
    """Events of this merchant, with a delivery to the endpoint each, made at a moment, and one attempt then."""
    await database.execute(
        """
        WITH head AS (
            INSERT INTO event_heads (merchant_id, mode, last_seq) VALUES ($1, 'test', $4)
            ON CONFLICT (merchant_id, mode) DO UPDATE SET last_seq = event_heads.last_seq + $4 RETURNING last_seq
        ), happened AS (
            INSERT INTO events (event_id, merchant_id, mode, type, subject_id, data, created_at, seq, body)
            SELECT gen_random_uuid(), $1, 'test', 'invoice.paid', 'INV-1', '{}', $3, last_seq - $4 + n, '{}'
            FROM head, generate_series(1, $4::int) n RETURNING id, seq
        ), delivered AS (
            INSERT INTO webhook_deliveries (id, event, endpoint, merchant_id, seq, previous_seq, status, attempts, step,
                next_attempt_at, created_at)
            SELECT timed_id_from($3) + seq, id, $2, $1, seq, 0, $5, 1, 1, $3, $3 FROM happened
        )
        SELECT FROM head
        """,
        merchant_id, endpoint, at, count, status,
    )  # fmt: skip
    await database.execute(
        """
        INSERT INTO webhook_attempts (delivery, number, started_at, duration_ms, detail, response_excerpt)
        SELECT id, 1, $1, 5, '', 'ok' FROM webhook_deliveries WHERE created_at = $1
        """,
        at,
    )


async def where_attempts_are() -> dict[str, int]:
    rows = await database.fetch_all(
        "SELECT tableoid::regclass::text AS name, count(*) FROM webhook_attempts GROUP BY 1"
    )
    return {row["name"].removeprefix("webhook_attempts_"): row["count"] for row in rows}


async def months() -> list[str]:
    rows = await database.fetch_all("SELECT name FROM webhook_attempt_partitions() ORDER BY name")
    return [row["name"].removeprefix("webhook_attempts_") for row in rows]


@pytest.fixture
async def march(db: str) -> None:
    """A database whose first partitions were made in March 2026."""
    for month in await months():
        if month not in ("rest", "first"):
            await database.execute(f"DROP TABLE webhook_attempts_{month}")
    assert await attempts_by_month.keep(MARCH) == 3


async def test_months_are_made_ahead_and_old_ones_go_whole_with_an_entry_in_the_audit_log(
    march: None, merchant_id: str, keys: DataKeys, receiver: Receiver
) -> None:
    endpoint = (await enabled_endpoint(receiver, merchant_id, keys)).id
    assert await months() == ["2026_03", "2026_04", "2026_05", "first", "rest"]
    assert await attempts_by_month.keep(MARCH) == 0
    await deliveries(merchant_id, endpoint, MARCH, 3)
    await deliveries(merchant_id, endpoint, MARCH + timedelta(days=1), 2, status="pending")
    await deliveries(merchant_id, endpoint, datetime(2026, 4, 1, tzinfo=UTC), 4)
    await deliveries(merchant_id, endpoint, datetime(2026, 3, 31, 23, 59, 59, tzinfo=UTC), 1)
    assert await where_attempts_are() == {"2026_03": 6, "2026_04": 4}

    # March is 56 days old at the end of the 26th of May. Before that nothing but the empty table goes.
    assert await attempts_by_month.drop_old(datetime(2026, 5, 26, 23, 59, tzinfo=UTC), 56) == 1
    assert await where_attempts_are() == {"2026_03": 6, "2026_04": 4}
    # Nor while a delivery of March has a newer attempt.
    await database.execute(
        "INSERT INTO webhook_attempts (delivery, number, started_at, duration_ms, detail, response_excerpt)"
        " SELECT min(id), 2, $1, 5, '', '' FROM webhook_deliveries",
        datetime(2026, 4, 15, tzinfo=UTC),
    )
    assert await attempts_by_month.drop_old(datetime(2026, 5, 27, tzinfo=UTC), 56) == 0
    later = datetime(2026, 6, 10, 0, 1, tzinfo=UTC)
    assert await attempts_by_month.drop_old(later, 56) == 1
    assert await where_attempts_are() == {"2026_04": 4}
    gone = await database.fetch_all(
        "SELECT actor, subject, details FROM audit_entries WHERE action = 'attempts.dropped' ORDER BY id"
    )
    assert [(row["actor"], row["subject"]) for row in gone] == [
        ("system", "webhook_attempts_first"),
        ("system", "webhook_attempts_2026_03"),
    ]
    assert json.loads(gone[1]["details"])["bytes"] > 8_192

    # The deliveries are there, with their counts; one that is tried again finds room.
    shown = await service.list_deliveries(merchant_id, "test", endpoint, status=None, limit=99)
    assert len(shown) == 10
    assert [one.attempt_count for one in shown] == [1] * 10
    assert sorted(len(one.attempts) for one in shown) == [0] * 6 + [1] * 4
    (waiting, *_) = await database.fetch_all("SELECT * FROM webhook_deliveries WHERE status = 'pending' ORDER BY id")
    async with database.transaction():
        verdict = Verdict("delivered", None)
        await outcomes_repository.record([_attempt(waiting, later)], [verdict], later)
    assert await where_attempts_are() == {"2026_04": 4, "rest": 1}

    # A year on, nothing that is newer than a day is dropped, whatever is asked for.
    await attempts_by_month.keep(clock.now())
    async with database.transaction():
        assert await partitions_repository.drop_oldest(clock.now()) is None


def _attempt(delivery: Any, at: datetime) -> Attempt:
    values: dict[str, Any] = {
        **{name: delivery[name] for name in ("id", "endpoint", "merchant_id", "previous_seq", "step")},
        **dict.fromkeys(("mode", "event_id", "type", "url", "secret_sealed"), ""),
        **{"body": b"", "event_created_at": at, "claimed_until": at},
        **dict.fromkeys(("previous_secret_sealed", "previous_secret_until")),
    }
    claimed = ClaimedDelivery(**values)
    return Attempt(delivery=claimed, started_at=at, duration_ms=1, status=200, error=None, detail="")


async def test_attempts_of_a_month_without_a_partition_are_kept_and_the_months_after_it_are_made(
    march: None, merchant_id: str, keys: DataKeys, receiver: Receiver
) -> None:
    endpoint = (await enabled_endpoint(receiver, merchant_id, keys)).id
    june = datetime(2026, 6, 3, tzinfo=UTC)
    assert await partitions_repository.months_ahead(MARCH) == 2
    assert await partitions_repository.months_ahead(june) == -1
    assert not await partitions_repository.rest_has_attempts()
    await deliveries(merchant_id, endpoint, june, 5)
    assert await where_attempts_are() == {"rest": 5}
    assert await partitions_repository.rest_has_attempts()

    # The rest is read where it is small; where it is large, a constraint that is validated before stands for that.
    assert await attempts_by_month.keep(june) == 2
    assert await months() == ["2026_03", "2026_04", "2026_05", "2026_07", "2026_08", "first", "rest"]
    steps = []
    while step := await database.fetch_value("SELECT keep_webhook_attempts($1, 3, 0)", june):
        steps.append(step.split(":")[0])
    assert steps == ["constraint added", "constraint validated", "made"]
    assert (await months())[5] == "2026_09"
    left = await database.fetch_value(
        "SELECT count(*) FROM pg_constraint WHERE conrelid = 'webhook_attempts_rest'::regclass AND contype = 'c'"
    )
    assert left == 0
    await deliveries(merchant_id, endpoint, datetime(2026, 9, 1, tzinfo=UTC), 2)
    assert await where_attempts_are() == {"rest": 5, "2026_09": 2}

    shown = {family.name: family for family in await gauges.gauges(june)}
    assert shown["swap_pay_partitions_ahead"].samples[0].value == -1
    assert shown["swap_pay_partitions_rest"].samples[0].value == 1
    sizes = {sample.labels["table"]: sample.value for sample in shown["swap_pay_table_bytes"].samples}
    assert sizes["webhook_attempts"] > 100_000
    assert min(sizes.values()) > 0


async def test_a_table_in_use_is_waited_for_and_no_reader_waits_behind_it(
    march: None, db: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts_by_month, "PAUSE_S", 0.05)
    monkeypatch.setattr(attempts_by_month, "TRIES", 2)
    report = await asyncpg.connect(db)
    june = datetime(2026, 6, 3, tzinfo=UTC)
    try:
        async with report.transaction():
            await report.execute("LOCK TABLE webhook_deliveries IN ROW EXCLUSIVE MODE")
            with pytest.raises(asyncpg.LockNotAvailableError):
                await attempts_by_month.keep(june)
            with pytest.raises(asyncpg.LockNotAvailableError):
                await attempts_by_month.drop_old(june, 56)
        assert await attempts_by_month.keep(june) == 3
        assert await attempts_by_month.drop_old(june, 56) == 2
    finally:
        await report.close()


async def test_an_old_event_that_waits_stays_and_leaves_no_gap(
    db: str, merchant_id: str, keys: DataKeys, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    endpoint = (await enabled_endpoint(receiver, merchant_id, keys)).id
    now = clock.now()
    for days, status in ((99, "delivered"), (98, "pending"), (97, "delivered"), (96, "dead"), (95, "delivered")):
        await deliveries(merchant_id, endpoint, now - timedelta(days=days), 1, status=status)
    await deliveries(merchant_id, endpoint, now - timedelta(days=10), 3)
    assert await retention.purge_events(now, 90) == 4
    assert await retention.purge_events(now, 90) == 0

    async def found() -> list[str]:
        async with snapshot():
            return [one.message for one in (await events_check.check(now)).findings if "gaps" in one.message]

    rows = await database.fetch_all("SELECT seq FROM events ORDER BY seq")
    assert [row["seq"] for row in rows] == [2, 6, 7, 8]
    assert await found() == []
    # One that is missing above what was deleted for its age is a gap.
    await database.execute(
        "DELETE FROM webhook_attempts WHERE delivery IN (SELECT id FROM webhook_deliveries WHERE seq = 7)"
    )
    await database.execute("DELETE FROM webhook_deliveries WHERE seq = 7")
    await database.execute("DELETE FROM events WHERE seq = 7")
    assert await found() == ["the numbers have gaps"]
