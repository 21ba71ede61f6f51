"""A hundred thousand deliveries that wait do not slow the next one."""

import json
from typing import Any

import pytest

from app.core import clock, database
from app.core.settings import DataKeys
from app.webhooks import claims_repository
from tests.webhooks.receiving import Receiver, dispatching
from tests.webhooks.test_delivery import enabled_endpoint, happen

WAITING = 100_000


@pytest.fixture
async def backlog(merchant_id: str, keys: DataKeys, receiver: Receiver) -> None:
    """Waiting: half for a paused endpoint, a quarter backed off, the rest spread over many that are backed off."""
    now = clock.now()
    endpoints = [
        (await enabled_endpoint(receiver, merchant_id, keys, f"/waiting-{number}", ("invoice.expired",))).id
        for number in range(200)
    ]
    await database.execute(
        """
        INSERT INTO events (event_id, merchant_id, mode, type, subject_id, data, created_at, seq, body)
        SELECT gen_random_uuid(), $1, 'live', 'invoice.expired', 'INV-0', '{}', $2, n, '{}'
        FROM generate_series(1, $3::int) n
        """,
        merchant_id,
        now,
        WAITING,
    )
    await database.execute(
        """
        INSERT INTO webhook_deliveries
            (event, endpoint, merchant_id, seq, previous_seq, status, attempts, step, next_attempt_at, created_at)
        SELECT e.id, ($3::text[])[CASE e.seq % 4 WHEN 0 THEN 1 WHEN 1 THEN 1 WHEN 2 THEN 2 ELSE 3 + e.seq % 198 END],
            $1, e.seq, 0, 'pending', 1, 1,
            CASE WHEN e.seq % 4 > 1 THEN $2::timestamptz + interval '1 hour' ELSE $2 END, $2
        FROM events e
        """,
        merchant_id,
        now,
        endpoints,
    )
    await database.execute("UPDATE webhook_endpoints SET status = 'paused' WHERE id = $1", endpoints[0])
    await database.execute("UPDATE webhook_queues SET due_at = $1", now)
    await database.execute("ANALYZE")


async def test_the_next_event_is_not_slowed_and_a_claim_reads_few_rows(
    valkey: str, merchant_id: str, keys: DataKeys, receiver: Receiver, backlog: None
) -> None:
    for _ in range(200 // (64 // claims_repository.MAX_IN_FLIGHT_PER_ENDPOINT) + 1):
        assert (await claims_repository.claim(slots=64, failing=False, now=clock.now())).groups == []
    assert await claims_repository.due(now=clock.now()) == (False, False), "each endpoint is read once"
    endpoint = await enabled_endpoint(receiver, merchant_id, keys, "/claimed", ("invoice.expired",))
    event_id = await database.fetch_value("SELECT min(id) FROM events")
    await database.execute(
        """
        INSERT INTO webhook_deliveries
            (event, endpoint, merchant_id, seq, previous_seq, status, attempts, step, next_attempt_at, created_at)
        VALUES ($1, $2, $3, 1, 0, 'pending', 0, 0, $4, $4)
        """,
        event_id,
        endpoint.id,
        merchant_id,
        clock.now(),
    )
    lease = clock.now()
    plans = [
        ("lock", claims_repository._LOCK_WORKING, (clock.now(), 64)),
        ("free", claims_repository._FREE_EXPIRED, ([endpoint.id], clock.now())),
        ("take", claims_repository._CLAIM, ([endpoint.id], clock.now(), lease, 4, 20)),
        ("move on", claims_repository._SET_NEXT_DUE, ([endpoint.id], clock.now(), 4)),
    ]
    for name, sql, args in plans:
        plan = await database.fetch_value(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}", *args)
        read = _rows_read(json.loads(plan)[0]["Plan"])
        assert read < 2_000, f"{name} read {read} rows: {plan}"

    await enabled_endpoint(receiver, merchant_id, keys, "/next", ("invoice.paid",))
    latencies_s = []
    async with dispatching(receiver, keys):
        for number in range(1, 31):
            started_s = clock.monotonic_s()
            await happen(merchant_id)
            await receiver.until_received(number, "/next")
            latencies_s.append(clock.monotonic_s() - started_s)
    print(f"median {sorted(latencies_s)[15] * 1000:.1f} ms, worst {max(latencies_s) * 1000:.1f} ms")
    assert sorted(latencies_s)[15] < 0.3


def _rows_read(node: dict[str, Any]) -> int:
    own = int(node["Actual Rows"] * node["Actual Loops"]) + int(node.get("Rows Removed by Filter", 0))
    return own + sum(_rows_read(child) for child in node.get("Plans", ()))
