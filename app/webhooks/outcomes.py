"""What came of attempts, many in one transaction: the log, the deliveries' next step, the endpoints' counts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from app.core import clock, database, ids
from app.core.outbound import Outcome
from app.webhooks import claims, pausing, schedule

MAX_DETAIL_CHARS = 300
MAX_EXCERPT_BYTES = 4_096  # contract, section 6
SECRET_UNREADABLE = "secret_unreadable"  # noqa: S105 - an error class
INTERNAL = "internal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt that has ended. Either `status` or `error` is set. `detail` may be shown to the merchant."""

    delivery: claims.ClaimedDelivery
    started_at: datetime
    duration_ms: int
    status: int | None
    error: str | None
    detail: str
    response_excerpt: bytes = b""
    retry_after_s: int | None = None

    @property
    def delivered(self) -> bool:
        """Whether the receiver took it."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def result(self) -> str:
        """`delivered`, `http_503` or an error class; few values, fit for a metric's label."""
        return "delivered" if self.delivered else self.error or f"http_{self.status}"


def attempt_from(delivery: claims.ClaimedDelivery, started_at: datetime, outcome: Outcome) -> Attempt:
    """The attempt that `outcome` tells of, without what is for operators alone."""
    return Attempt(
        delivery=delivery,
        started_at=started_at,
        duration_ms=outcome.duration_ms,
        status=outcome.status,
        error=None if outcome.error is None else str(outcome.error),
        detail=outcome.detail.replace("\0", "")[:MAX_DETAIL_CHARS],
        response_excerpt=outcome.response_excerpt[:MAX_EXCERPT_BYTES],
        retry_after_s=outcome.retry_after_s,
    )


async def record(attempts: Sequence[Attempt]) -> None:
    """Write down attempts, each of another delivery, in the order in which they ended. Opens its own transaction.

    A worker whose lease was over by then still tells of its attempt, but moves the delivery only if it
    arrived: otherwise whoever holds it now decides.
    """
    now = clock.now()
    verdicts = [
        schedule.after_attempt(
            step=attempt.delivery.step + 1,
            status=attempt.status,
            retry_after_s=attempt.retry_after_s,
            jitter=ids.random_jitter(),
            now=now,
        )
        for attempt in attempts
    ]
    async with database.transaction():
        counts = await claims.lock_queues({attempt.delivery.endpoint for attempt in attempts})
        for attempt in attempts:
            endpoint = attempt.delivery.endpoint
            counts[endpoint] = schedule.failures_in_a_row(counts[endpoint], attempt.delivered)
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
        await database.execute(_MOVE_QUEUES, list(counts), list(counts.values()), now, schedule.PAUSE_AFTER_FAILURES)
        gone = {attempt.delivery.endpoint for attempt in attempts if attempt.status == schedule.GONE}
        await pausing.disable_gone(sorted(gone), now=now)
    if any(failures >= schedule.PAUSE_AFTER_FAILURES for failures in counts.values()):
        await pausing.request()


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

# The new count, and due again where something waits: a slot has fallen free. One that failed too often is due for the
# job that pauses it, which finds it by the same index.
_MOVE_QUEUES = """
    UPDATE webhook_queues q
    SET consecutive_failures = told.failures,
        due_at = CASE WHEN told.failures >= $4 THEN least(q.due_at, $3)
                      WHEN waiting.next_attempt_at IS NULL THEN q.due_at
                      ELSE least(q.due_at, greatest(waiting.next_attempt_at, $3)) END
    FROM unnest($1::text[], $2::int[]) AS told (endpoint, failures)
    LEFT JOIN LATERAL (
        SELECT d.next_attempt_at FROM webhook_deliveries d
        WHERE d.endpoint = told.endpoint AND d.status = 'pending' AND d.claimed_until IS NULL
        ORDER BY d.next_attempt_at LIMIT 1
    ) waiting ON true
    WHERE q.endpoint = told.endpoint
        AND (q.consecutive_failures <> told.failures
            OR (waiting.next_attempt_at IS NOT NULL
                AND greatest(waiting.next_attempt_at, $3) < coalesce(q.due_at, 'infinity')))
"""
