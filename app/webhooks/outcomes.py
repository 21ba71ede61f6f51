"""Record attempts, many in one transaction: the log, the deliveries' next step, the endpoints' failures in a row."""

from collections.abc import Sequence
from datetime import datetime

from app.core import clock, database, ids
from app.core.outbound import Outcome
from app.live import notices, topics
from app.webhooks import claims_repository, outcomes_repository, pausing, schedule
from app.webhooks.outcomes_repository import Attempt

MAX_DETAIL_CHARS = 300
MAX_EXCERPT_BYTES = 4_096  # contract, section 6
SECRET_UNREADABLE = "secret_unreadable"  # noqa: S105 - an error class
INTERNAL = "internal"


def attempt_from(delivery: claims_repository.ClaimedDelivery, started_at: datetime, outcome: Outcome) -> Attempt:
    """The attempt with this outcome, without the note that only operators may see."""
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
    """Record attempts, each of another delivery, in the order in which they ended. Opens its own transaction.

    An attempt whose lease has ended is logged, but changes the delivery only if it succeeded: else the worker with
    the current claim decides.
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
    gone = {attempt.delivery.endpoint for attempt in attempts if attempt.status == schedule.GONE}
    # Lost, they are made again. But a 410 disables its endpoint, which is in the audit log.
    async with database.transaction(may_be_lost=not gone):
        counts = await claims_repository.lock_queues({attempt.delivery.endpoint for attempt in attempts})
        for attempt in attempts:
            endpoint = attempt.delivery.endpoint
            counts[endpoint] = schedule.failures_in_a_row(counts[endpoint], attempt.delivered)
        await outcomes_repository.record(attempts, verdicts, now)
        await outcomes_repository.move_queues(counts, now)
        await pausing.disable_gone(sorted(gone), now=now)
        for merchant_id, mode in {(attempt.delivery.merchant_id, attempt.delivery.mode) for attempt in attempts}:
            await notices.changed(*topics.of_merchant(merchant_id, mode, "deliveries"))
    if any(failures >= schedule.PAUSE_AFTER_FAILURES for failures in counts.values()):
        await pausing.request()
