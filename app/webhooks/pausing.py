"""Endpoints that are stopped because of how they answer: paused after twenty failures, disabled after a 410.

All here runs in the caller's transaction, which holds the endpoints' queues (`claims.lock_queues`): the change,
its audit entry and the letter to the merchant commit together.
"""

from collections.abc import Sequence
from datetime import datetime

from app.audit import service as audit
from app.core import database
from app.mail import service as mail
from app.mail.letters import Kind, letter
from app.webhooks import schedule

ACTOR = "system"


async def pause_for_failures(endpoints: Sequence[str], *, now: datetime) -> None:
    """Pause those that are enabled. Their deliveries wait, in order, until somebody enables them again."""
    for row in await _stop(endpoints, "paused", "failures", now):
        await audit.record(
            actor=ACTOR,
            action="webhook.paused",
            subject=row["id"],
            merchant_id=row["merchant"],
            address=None,
            details={"reason": "failures", "failures_in_a_row": schedule.PAUSE_AFTER_FAILURES},
            now=now,
        )
        await _tell_merchant(
            row,
            "Your webhook was paused",
            f"{schedule.PAUSE_AFTER_FAILURES} deliveries in a row to this endpoint failed, so we have paused it.\n"
            "No event is lost: they wait, and are delivered in order once you enable the endpoint again.\n"
            "The delivery log shows what your server answered to each attempt.",
            now,
        )


async def disable_gone(endpoints: Sequence[str], *, now: datetime) -> None:
    """Disable those that answered 410 Gone. What waited is dead-lettered: kept, and replayable."""
    for row in await _stop(endpoints, "disabled", "gone", now):
        await bury_waiting(row["id"])
        await audit.record(
            actor=ACTOR,
            action="webhook.disabled",
            subject=row["id"],
            merchant_id=row["merchant"],
            address=None,
            details={"reason": "gone"},
            now=now,
        )
        await _tell_merchant(
            row,
            "Your webhook was disabled: it answered 410 Gone",
            "By answering 410 Gone your server said that it wants no more events: the endpoint is disabled.\n"
            "Events are kept. Enable the endpoint again to receive new ones, and replay what you missed.",
            now,
        )


async def bury_waiting(endpoint: str) -> None:
    """Dead-letter all that waits for an endpoint which takes nothing any more."""
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


async def _tell_merchant(row: database.Row, subject: str, text: str, now: datetime) -> None:
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
