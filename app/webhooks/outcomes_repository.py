"""Statements that record attempts: any number of them in two round trips."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from app.core import database
from app.webhooks.claims_repository import ClaimedDelivery
from app.webhooks.schedule import PAUSE_AFTER_FAILURES, Verdict


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt that has ended. Either `status` or `error` is set. `detail` may be shown to the merchant."""

    delivery: ClaimedDelivery
    started_at: datetime
    duration_ms: int
    status: int | None
    error: str | None
    detail: str
    response_excerpt: bytes = b""
    retry_after_s: int | None = None

    @property
    def delivered(self) -> bool:
        """Whether the receiver accepted it."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def result(self) -> str:
        """`delivered`, `http_503` or an error class; few values, fit for a metric's label."""
        return "delivered" if self.delivered else self.error or f"http_{self.status}"


async def record(attempts: Sequence[Attempt], verdicts: Sequence[Verdict], now: datetime) -> None:
    """Log attempts, each of another delivery, and set the state of each delivery by its verdict.

    Needs a transaction that has locked the endpoints' queues. A delivery that has a new claim by now is changed only by
    `delivered`.
    """
    await database.execute(
        _RECORD,
        [attempt.delivery.id for attempt in attempts],
        [attempt.delivery.claimed_until for attempt in attempts],
        [attempt.delivery.step + 1 for attempt in attempts],
        [verdict.status for verdict in verdicts],
        [verdict.next_attempt_at for verdict in verdicts],
        [attempt.started_at for attempt in attempts],
        [attempt.duration_ms for attempt in attempts],
        [attempt.status for attempt in attempts],
        [attempt.error for attempt in attempts],
        [attempt.detail for attempt in attempts],
        [attempt.response_excerpt for attempt in attempts],
        now,
    )


# SQL: rows from arrays, UPDATE … FROM and an insert of the rows that the update returns.
# `ours`: the delivery still waits under the lease that this attempt was made with.
_RECORD = """
    WITH outcome AS (
        SELECT * FROM unnest($1::bigint[], $2::timestamptz[], $3::int[], $4::text[], $5::timestamptz[],
            $6::timestamptz[], $7::int[], $8::int[], $9::text[], $10::text[], $11::bytea[])
        AS o (delivery, claimed_until, step, verdict, next_attempt_at, started_at, duration_ms,
            response_status, error, detail, response_excerpt)
    ), judged AS (
        SELECT o.*, d.status = 'pending' AND d.claimed_until = o.claimed_until AS ours
        FROM outcome o JOIN webhook_deliveries d ON d.id = o.delivery
    ), moved AS (
        UPDATE webhook_deliveries d SET
            attempts = d.attempts + 1,
            status = CASE WHEN j.ours OR j.verdict = 'delivered' THEN j.verdict ELSE d.status END,
            step = CASE WHEN j.ours THEN j.step ELSE d.step END,
            next_attempt_at = CASE WHEN j.ours THEN coalesce(j.next_attempt_at, d.next_attempt_at)
                                   ELSE d.next_attempt_at END,
            claimed_until = CASE WHEN j.ours OR j.verdict = 'delivered' THEN NULL ELSE d.claimed_until END,
            delivered_at = CASE WHEN j.verdict = 'delivered' THEN $12 ELSE d.delivered_at END
        FROM judged j WHERE d.id = j.delivery
        RETURNING d.id, d.attempts AS number, j.*
    )
    INSERT INTO webhook_attempts (delivery, number, started_at, duration_ms, response_status, error, detail,
        response_excerpt, next_attempt_at)
    SELECT id, number, started_at, duration_ms, response_status, error, detail, response_excerpt,
        CASE WHEN ours THEN next_attempt_at END
    FROM moved
"""


async def move_queues(failures: Mapping[str, int], now: datetime) -> None:
    """Set each endpoint's failures in a row, and when it is due. Needs a transaction that has locked the queues."""
    await database.execute(_MOVE_QUEUES, list(failures), list(failures.values()), now, PAUSE_AFTER_FAILURES)


# SQL: UPDATE … FROM with LATERAL.
# Set the new count, and make the endpoint due where a delivery waits: a slot is free again. An endpoint that failed too
# often is due for the job that pauses it, which finds it by the same index.
_MOVE_QUEUES = """
    UPDATE webhook_queues q
    SET consecutive_failures = recorded.failures,
        due_at = CASE WHEN recorded.failures >= $4 THEN least(q.due_at, $3)
                      WHEN waiting.next_attempt_at IS NULL THEN q.due_at
                      ELSE least(q.due_at, greatest(waiting.next_attempt_at, $3)) END
    FROM unnest($1::text[], $2::int[]) AS recorded (endpoint, failures)
    LEFT JOIN LATERAL (
        SELECT d.next_attempt_at FROM webhook_deliveries d
        WHERE d.endpoint = recorded.endpoint AND d.status = 'pending' AND d.claimed_until IS NULL
        ORDER BY d.next_attempt_at LIMIT 1
    ) waiting ON true
    WHERE q.endpoint = recorded.endpoint
        AND (q.consecutive_failures <> recorded.failures
            OR (waiting.next_attempt_at IS NOT NULL
                AND greatest(waiting.next_attempt_at, $3) < coalesce(q.due_at, 'infinity')))
"""
