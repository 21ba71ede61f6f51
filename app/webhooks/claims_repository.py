"""Claims: the deliveries that a worker may send now. Endpoints get fair turns; each has a limit.

A claim does not read all waiting deliveries. It selects due endpoints from `webhook_queues` (SKIP LOCKED, the longest
due first) and then a few deliveries of each, by index. An endpoint is not due while it is paused, while all its slots
are in use or before its next retry. So the cost of a claim does not depend on the number of waiting deliveries.

A claim locks the rows of `webhook_queues` first and reads the deliveries by a later statement. So it sees
everything that was committed before the lock, and may set `due_at` later.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from app.core import database
from app.webhooks.schedule import PAUSE_AFTER_FAILURES

LEASE_S = 30
"""Seconds for which a delivery is claimed; an attempt lasts 13 s at most (core.outbound)."""

MAX_IN_FLIGHT_PER_ENDPOINT = 4
"""The limit for all workers together: enough for a fast receiver, and not too many for a slow one."""

ORDERED_GROUP = 20
"""After an endpoint was enabled again, a worker claims so many deliveries and sends them one after another."""

MAX_ENDPOINTS_PER_CLAIM = 100
"""Limits the transaction of a claim to a few milliseconds."""


class ClaimedDelivery(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery with all data of an attempt. `claimed_until` is the end of the claim, and identifies the claim."""

    id: int
    endpoint: str
    merchant_id: str
    mode: str
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


class Group(msgspec.Struct, frozen=True):
    """Deliveries of one endpoint. Those of a `serial` group are sent one by one, others at the same time.

    `failing`: the endpoint's last attempt failed.
    """

    endpoint: str
    serial: bool
    failing: bool
    deliveries: list[ClaimedDelivery]


class Claim(msgspec.Struct, frozen=True):
    """The deliveries of a claim. `endpoints` is the number of due endpoints: where it is not 0, the next claim may find
    more."""

    endpoints: int
    groups: list[Group]


async def due(*, now: datetime) -> tuple[bool, bool]:
    """Whether any working, and whether any failing endpoint is due. Cheap, so that it runs before each claim."""
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
    """Claim deliveries for up to `slots` slots, of endpoints that work or of those that are `failing`.

    Opens its own transaction; the lease is committed when this returns.
    """
    per_endpoint = min(MAX_IN_FLIGHT_PER_ENDPOINT, slots)
    most = max(1, min(MAX_ENDPOINTS_PER_CLAIM, slots if failing else slots // per_endpoint))
    async with database.transaction(may_be_lost=True):
        if failing:
            queues = await database.fetch_all(_LOCK_FAILING, now, most, PAUSE_AFTER_FAILURES)
        else:
            queues = await database.fetch_all(_LOCK_WORKING, now, most)
        if not queues:
            return Claim(0, [])
        endpoints = [queue["endpoint"] for queue in queues]
        await database.execute(_FREE_EXPIRED, endpoints, now)
        leased_until = now + timedelta(seconds=LEASE_S)
        rows = await database.fetch_all(_CLAIM, endpoints, now, leased_until, per_endpoint, ORDERED_GROUP)
        await database.execute(_SET_NEXT_DUE, endpoints, now, MAX_IN_FLIGHT_PER_ENDPOINT)
    return Claim(len(queues), _groups(rows))


async def release(deliveries: Sequence[ClaimedDelivery], *, now: datetime) -> None:
    """Release claims without an attempt, so that others need not wait for the lease. Opens its own transaction."""
    if not deliveries:
        return
    async with database.transaction(may_be_lost=True):
        await lock_queues({delivery.endpoint for delivery in deliveries})
        await database.execute(
            """
            UPDATE webhook_deliveries d SET claimed_until = NULL
            FROM unnest($1::bigint[], $2::timestamptz[]) AS released (id, claimed_until)
            WHERE d.id = released.id AND d.claimed_until = released.claimed_until AND d.status = 'pending'
            """,
            [delivery.id for delivery in deliveries],
            [delivery.claimed_until for delivery in deliveries],
        )
        await make_due([delivery.endpoint for delivery in deliveries], now=now)


async def lock_queues(endpoints: set[str]) -> dict[str, int]:
    """Lock the endpoints' queues in the caller's transaction; return the failures in a row of each.

    Each change of an endpoint's status or of its deliveries needs this lock first. The order of the locks is fixed.
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
    """Make endpoints due for the next claim. Needs a transaction that has locked their queues."""
    await database.execute(
        "UPDATE webhook_queues SET due_at = least(due_at, $2) WHERE endpoint = ANY($1)", list(endpoints), now
    )


_LOCK_WORKING = """
    SELECT endpoint FROM webhook_queues WHERE due_at <= $1 AND consecutive_failures = 0
    ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED
"""

# An endpoint that failed too often is not claimed: a job pauses it (pausing.py).
_LOCK_FAILING = """
    SELECT endpoint FROM webhook_queues
    WHERE due_at <= $1 AND consecutive_failures > 0 AND consecutive_failures < $3
    ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED
"""

# Claims of a worker that was killed.
_FREE_EXPIRED = """
    UPDATE webhook_deliveries SET claimed_until = NULL
    WHERE endpoint = ANY($1) AND status = 'pending' AND claimed_until <= $2
"""

# A failing endpoint gets one delivery at a time: a slow one uses one slot only, and nothing is sent after its twentieth
# failure in a row. An endpoint that was enabled again gets its next group when the last one is sent.
_CLAIM = """
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
    SELECT c.*, e.merchant_id, e.mode, e.event_id, e.type, e.body, e.created_at AS event_created_at,
        w.url, w.secret_sealed, w.previous_secret_sealed, w.previous_secret_until, $3 AS claimed_until
    FROM claimed c JOIN events e ON e.id = c.event JOIN webhook_endpoints w ON w.id = c.endpoint
    ORDER BY c.endpoint, c.next_attempt_at, c.seq
"""

# Where all slots are in use, the endpoint is due when the lease ends; a worker that frees a slot sooner makes it due.
# Else it is due with its next delivery, but not before now, behind the others that are due: endpoints take turns,
# however many deliveries one has. After the last delivery of the ordered ones, deliveries may run in parallel again.
_SET_NEXT_DUE = """
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
                merchant_id=row["merchant_id"],
                mode=row["mode"],
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
