"""Endpoints that are stopped because of how they answer: paused after twenty failures, disabled after a 410.

An endpoint that has failed too often is not claimed any more; a job pauses it. It is asked for after the commit that
recorded the failure, and runs every second besides. The change, its audit entry and the letter to the merchant commit
together.
"""

from collections.abc import Sequence
from datetime import datetime

from app.audit import service as audit
from app.core import database, redis
from app.mail import service as mail
from app.mail.letters import Kind, letter
from app.webhooks import schedule

ACTOR = "system"

JOB_QUEUE, JOB = "arq:default", "pause_failing_webhooks"
"""The job that calls `pause_failing` (workers/default.py)."""

PAUSED_AT_ONCE = 100
"""Endpoints in one transaction, each with its audit entry and letters; the next run takes more."""


async def request() -> None:
    """Have a worker pause what has failed too often. Call it after the commit of the failures."""
    await redis.enqueue(JOB_QUEUE, JOB)


async def pause_failing(now: datetime) -> int:
    """Pause enabled endpoints that failed too often in a row; how many. Opens its own transaction.

    Their deliveries wait, in order, until somebody enables them again. Safe to run twice and at the same time.
    """
    async with database.transaction():
        failing = await database.fetch_all(_TAKE_FAILING, now, schedule.PAUSE_AFTER_FAILURES, PAUSED_AT_ONCE)
        paused = await _stop([row["endpoint"] for row in failing], "paused", "failures", now)
        for row in paused:
            await _record_pause(row, now)
    return len(paused)


# Those that are not enabled are taken too: a late outcome or a new event had made them due.
_TAKE_FAILING = """
    UPDATE webhook_queues SET due_at = NULL
    WHERE endpoint IN (
        SELECT endpoint FROM webhook_queues
        WHERE due_at <= $1 AND consecutive_failures > 0 AND consecutive_failures >= $2
        ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED
    )
    RETURNING endpoint
"""


async def _record_pause(row: database.Row, now: datetime) -> None:
    await audit.record(
        actor=ACTOR,
        action="webhook.paused",
        subject=row["id"],
        merchant_id=row["merchant"],
        address=None,
        details={"reason": "failures", "failures_in_a_row": schedule.PAUSE_AFTER_FAILURES},
        now=now,
    )
    await _write_to_merchant(
        row,
        "Your webhook was paused",
        f"{schedule.PAUSE_AFTER_FAILURES} deliveries in a row to this endpoint failed, so we have paused it.\n"
        "No event is lost: they wait, and are delivered in order once you enable the endpoint again.\n"
        "The delivery log shows what your server answered to each attempt.",
        now,
    )


async def disable_gone(endpoints: Sequence[str], *, now: datetime) -> None:
    """Disable those that answered 410 Gone. What waited is dead-lettered: kept, and replayable.

    Needs the transaction that records the answer, since only that answer says it, with the queues locked.
    """
    for row in await _stop(endpoints, "disabled", "gone", now):
        await abandon_pending(row["id"])
        await audit.record(
            actor=ACTOR,
            action="webhook.disabled",
            subject=row["id"],
            merchant_id=row["merchant"],
            address=None,
            details={"reason": "gone"},
            now=now,
        )
        await _write_to_merchant(
            row,
            "Your webhook was disabled: it answered 410 Gone",
            "By answering 410 Gone your server said that it wants no more events: the endpoint is disabled.\n"
            "Events are kept. Enable the endpoint again to receive new ones, and replay what you missed.",
            now,
        )


async def abandon_pending(endpoint: str) -> None:
    """Dead-letter all deliveries that wait for an endpoint which is stopped for good. Needs its queue locked."""
    await database.execute(
        """
        UPDATE webhook_deliveries SET status = 'dead', claimed_until = NULL
        WHERE endpoint = $1 AND status = 'pending'
        """,
        endpoint,
    )


async def _stop(endpoints: Sequence[str], status: str, reason: str, now: datetime) -> Sequence[database.Row]:
    if not endpoints:
        return []
    return await database.fetch_all(
        """
        UPDATE webhook_endpoints SET status = $2, status_reason = $3, status_since = $4
        WHERE id = ANY($1) AND status = 'enabled' RETURNING id, merchant, mode, url
        """,
        list(endpoints),
        status,
        reason,
        now,
    )


async def _write_to_merchant(row: database.Row, subject: str, text: str, now: datetime) -> None:
    recipients = await database.fetch_all(
        """
        SELECT a.email FROM memberships m JOIN accounts a ON a.id = m.account
        WHERE m.merchant = $1 AND m.role IN ('owner', 'admin') ORDER BY a.email
        """,
        row["merchant"],
    )
    stopped = letter(
        Kind.MERCHANT,
        subject,
        "{text}\n\nEndpoint: {id} ({mode})\nURL: {url}\n",
        ours={"text": text, "id": row["id"], "mode": row["mode"]},
        url=row["url"],
    )
    for recipient in recipients:
        await mail.enqueue_to_kept(recipient["email"], stopped, now)
