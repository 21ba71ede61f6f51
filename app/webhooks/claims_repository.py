"""Which deliveries a worker may send now: fair between endpoints, bounded for each, cheap however many wait.

A claim never looks at waiting deliveries as such. It takes due endpoints from `webhook_queues` (SKIP LOCKED, the
longest due first) and then a few deliveries of each, by index. A paused endpoint is not in that index at all, a
busy one not before a slot falls free, a backed-off one not before its time; so what it costs depends on what
it takes and not on what waits.

The rows of `webhook_queues` are locked first and the deliveries read by a later statement: only so does it
see everything that was committed before the lock, and may move `due_at` up.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.core import database
from app.webhooks.schedule import PAUSE_AFTER_FAILURES

LEASE_S = 30
"""A claimed delivery is this worker's for so long; an attempt takes 13 s at most (core.outbound)."""

MAX_IN_FLIGHT_PER_ENDPOINT = 4
"""Over all workers. Enough to use a fast receiver well, few enough not to flood a slow one."""

ORDERED_GROUP = 20
"""After a resumption a worker takes so many at a time and sends them one after another."""

MAX_ENDPOINTS_PER_CLAIM = 100
"""Bounds one claim's transaction to a few milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedDelivery:
    """All that an attempt needs. `claimed_until` is the lease and also its token: each claim has its own."""

    id: int
    endpoint: str
    event_id: str
    type: str
    body: bytes
    previous_seq: int
    step: int
    event_created_at: datetime
    url: str
    secret_sealed: str
    previous_secret_sealed: str | None
    previous_secret_until: datetime | None
    claimed_until: datetime


@dataclass(frozen=True, slots=True)
class Group:
    """Deliveries of one endpoint. A `serial` group is sent one by one; else each may go at once.

    `failing` says that the endpoint's last attempt failed.
    """

    endpoint: str
    serial: bool
    failing: bool
    deliveries: list[ClaimedDelivery]


@dataclass(frozen=True, slots=True)
class Claim:
    """`endpoints` counts those looked at: as long as it is not 0 another claim may find more."""

    endpoints: int
    groups: list[Group]


async def due(*, now: datetime) -> tuple[bool, bool]:
    """Whether any working, and whether any failing endpoint is due: a cheap look before a claim."""
    row = await database.fetch_one(
        """
        SELECT EXISTS (SELECT FROM webhook_queues WHERE due_at <= $1 AND consecutive_failures = 0) AS working,
            EXISTS (SELECT FROM webhook_queues WHERE due_at <= $1 AND consecutive_failures > 0
                AND consecutive_failures < $2) AS failing
        """,
        now,
        PAUSE_AFTER_FAILURES,
    )
    assert row is not None
    return row["working"], row["failing"]


async def claim(*, slots: int, failing: bool, now: datetime) -> Claim:
    """Take up to `slots` sendings from endpoints that work, or else from those that are `failing`.

    Opens its own transaction; the lease is committed when this returns.
    """
    per_endpoint = min(MAX_IN_FLIGHT_PER_ENDPOINT, slots)
    most = max(1, min(MAX_ENDPOINTS_PER_CLAIM, slots if failing else slots // per_endpoint))
    async with database.transaction():
        if failing:
            queues = await database.fetch_all(_LOCK_FAILING, now, most, PAUSE_AFTER_FAILURES)
        else:
            queues = await database.fetch_all(_LOCK_WORKING, now, most)
        if not queues:
            return Claim(0, [])
        endpoints = [queue["endpoint"] for queue in queues]
        await database.execute(_FREE_EXPIRED, endpoints, now)
        leased_until = now + timedelta(seconds=LEASE_S)
        rows = await database.fetch_all(_TAKE, endpoints, now, leased_until, per_endpoint, ORDERED_GROUP)
        await database.execute(_MOVE_ON, endpoints, now, MAX_IN_FLIGHT_PER_ENDPOINT)
    return Claim(len(queues), _groups(rows))


async def release(deliveries: Sequence[ClaimedDelivery], *, now: datetime) -> None:
    """Give back claims that were not attempted, so that nobody waits for the lease. Opens its own transaction."""
    if not deliveries:
        return
    async with database.transaction():
        await lock_queues({delivery.endpoint for delivery in deliveries})
        await database.execute(
            """
            UPDATE webhook_deliveries d SET claimed_until = NULL
            FROM unnest($1::bigint[], $2::timestamptz[]) AS given_back (id, claimed_until)
            WHERE d.id = given_back.id AND d.claimed_until = given_back.claimed_until AND d.status = 'pending'
            """,
            [delivery.id for delivery in deliveries],
            [delivery.claimed_until for delivery in deliveries],
        )
        await make_due([delivery.endpoint for delivery in deliveries], now=now)


async def lock_queues(endpoints: set[str]) -> dict[str, int]:
    """Lock the endpoints' queues in the caller's transaction; the failures in a row of each.

    Whoever changes an endpoint's status or moves its deliveries does this first, and always in this order.
    """
    rows = await database.fetch_all(
        """
        SELECT endpoint, consecutive_failures FROM webhook_queues
        WHERE endpoint = ANY($1) ORDER BY endpoint FOR UPDATE
        """,
        list(endpoints),
    )
    return {row["endpoint"]: row["consecutive_failures"] for row in rows}


async def make_due(endpoints: Sequence[str], *, now: datetime) -> None:
    """Have the next claim look at endpoints whose queues the caller has locked."""
    await database.execute(
        "UPDATE webhook_queues SET due_at = least(due_at, $2) WHERE endpoint = ANY($1)", list(endpoints), now
    )


_LOCK_WORKING = """
    SELECT endpoint FROM webhook_queues WHERE due_at <= $1 AND consecutive_failures = 0
    ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED
"""

# One that failed too often is left to the job that pauses it (pausing.py).
_LOCK_FAILING = """
    SELECT endpoint FROM webhook_queues
    WHERE due_at <= $1 AND consecutive_failures > 0 AND consecutive_failures < $3
    ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED
"""

# What a worker that died had claimed.
_FREE_EXPIRED = """
    UPDATE webhook_deliveries SET claimed_until = NULL
    WHERE endpoint = ANY($1) AND status = 'pending' AND claimed_until <= $2
"""

# A failing endpoint gets one at a time: it holds one slot while it hangs, and its twentieth failure in a row
# is the last that is sent. One that resumes gets a group when nothing else of it is on its way.
_TAKE = """
    WITH queue AS MATERIALIZED (
        SELECT q.endpoint, q.consecutive_failures > 0 AS failing,
            q.consecutive_failures > 0 OR q.ordered_through_seq > 0 AS serial,
            CASE WHEN q.consecutive_failures > 0 THEN 1
                 WHEN q.ordered_through_seq > 0 THEN $5 ELSE $4 END AS room,
            (SELECT count(*) FROM webhook_deliveries d WHERE d.endpoint = q.endpoint
                AND d.status = 'pending' AND d.claimed_until IS NOT NULL) AS in_flight
        FROM webhook_queues q WHERE q.endpoint = ANY($1)
    ), taken AS (
        SELECT due.id, queue.serial, queue.failing
        FROM queue
        JOIN webhook_endpoints w ON w.id = queue.endpoint AND w.status = 'enabled'
        CROSS JOIN LATERAL (
            SELECT d.id FROM webhook_deliveries d
            WHERE d.endpoint = queue.endpoint AND d.status = 'pending' AND d.claimed_until IS NULL
                AND d.next_attempt_at <= $2
            ORDER BY d.next_attempt_at, d.seq
            LIMIT CASE WHEN queue.serial AND queue.in_flight > 0 THEN 0
                       ELSE greatest(queue.room - queue.in_flight, 0) END
        ) due
    ), claimed AS (
        UPDATE webhook_deliveries d SET claimed_until = $3 FROM taken WHERE d.id = taken.id
        RETURNING d.id, d.event, d.endpoint, d.seq, d.previous_seq, d.step, d.next_attempt_at,
            taken.serial, taken.failing
    )
    SELECT c.*, e.event_id, e.type, e.body, e.created_at AS event_created_at,
        w.url, w.secret_sealed, w.previous_secret_sealed, w.previous_secret_until, $3 AS claimed_until
    FROM claimed c JOIN events e ON e.id = c.event JOIN webhook_endpoints w ON w.id = c.endpoint
    ORDER BY c.endpoint, c.next_attempt_at, c.seq
"""

# Not due before a slot falls free where all are taken (the worker that frees one makes it due again; if it
# dies, the lease ends), else when the next delivery is, but behind those that are due by now: endpoints take
# turns, however much waits for one. Past the last delivery that must go in order, order ends.
_MOVE_ON = """
    UPDATE webhook_queues q
    SET due_at = CASE
            WHEN w.status <> 'enabled' THEN NULL
            WHEN sent.in_flight >= CASE WHEN q.consecutive_failures > 0 OR q.ordered_through_seq > 0
                                        THEN 1 ELSE $3 END THEN sent.lease_ends_at
            WHEN waiting.next_attempt_at IS NULL THEN sent.lease_ends_at
            ELSE least(greatest(waiting.next_attempt_at, $2), sent.lease_ends_at)
        END,
        ordered_through_seq = CASE
            WHEN sent.in_flight = 0 AND (waiting.next_attempt_at IS NULL OR waiting.next_attempt_at > $2) THEN 0
            WHEN sent.first_seq > q.ordered_through_seq THEN 0
            ELSE q.ordered_through_seq
        END
    FROM webhook_endpoints w,
        LATERAL (
            SELECT count(*) AS in_flight, min(d.claimed_until) AS lease_ends_at, min(d.seq) AS first_seq
            FROM webhook_deliveries d
            WHERE d.endpoint = w.id AND d.status = 'pending' AND d.claimed_until IS NOT NULL
        ) sent
        LEFT JOIN LATERAL (
            SELECT d.next_attempt_at FROM webhook_deliveries d
            WHERE d.endpoint = w.id AND d.status = 'pending' AND d.claimed_until IS NULL
            ORDER BY d.next_attempt_at LIMIT 1
        ) waiting ON true
    WHERE q.endpoint = ANY($1) AND w.id = q.endpoint
"""


def _groups(rows: Sequence[database.Row]) -> list[Group]:
    groups: dict[str, Group] = {}
    for row in rows:
        group = groups.setdefault(row["endpoint"], Group(row["endpoint"], row["serial"], row["failing"], []))
        group.deliveries.append(
            ClaimedDelivery(
                id=row["id"],
                endpoint=row["endpoint"],
                event_id=str(row["event_id"]),
                type=row["type"],
                body=row["body"].encode(),
                previous_seq=row["previous_seq"],
                step=row["step"],
                event_created_at=row["event_created_at"],
                url=row["url"],
                secret_sealed=row["secret_sealed"],
                previous_secret_sealed=row["previous_secret_sealed"],
                previous_secret_until=row["previous_secret_until"],
                claimed_until=row["claimed_until"],
            )
        )
    return list(groups.values())
