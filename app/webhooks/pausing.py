"""Stop endpoints because of their answers: paused after twenty failures, disabled after a 410.

An endpoint that has failed too often is not claimed any more; a job pauses it. The job is requested after the commit
that recorded the failure, and also runs every second. The change, its audit entry and the mail to the merchant commit
together.
"""

from collections.abc import Sequence
from datetime import datetime

from app.audit import service as audit
from app.core import database, redis
from app.mail import service as mail
from app.mail.letters import Kind, letter
from app.merchants import notices_repository
from app.merchants.notices import HEADS
from app.webhooks import repository, schedule
from app.webhooks.repository import StoppedEndpoint

ACTOR = "system"

JOB_QUEUE, JOB = "arq:default", "pause_failing_webhooks"
"""The job that calls `pause_failing` (workers/default.py)."""

PAUSED_AT_ONCE = 100
"""Endpoints in one transaction, each with its audit entry and mails; the next run pauses more."""


async def request() -> None:
    """Request the job that pauses failing endpoints. Call it after the commit of the failures."""
    await redis.enqueue(JOB_QUEUE, JOB)


async def pause_failing(now: datetime) -> int:
    """Pause enabled endpoints that failed too often in a row; return how many. Opens its own transaction.

    Their deliveries wait, in order, until somebody enables them again. Safe to run twice and at the same time.
    """
    async with database.transaction():
        failing = await repository.take_failing(now, PAUSED_AT_ONCE)
        paused = await repository.stop_enabled(failing, "paused", "failures", now)
        for endpoint in paused:
            await _record_pause(endpoint, now)
    return len(paused)


async def _record_pause(endpoint: StoppedEndpoint, now: datetime) -> None:
    await audit.record(
        actor=ACTOR,
        action="webhook.paused",
        subject=endpoint.id,
        merchant_id=endpoint.merchant,
        address=None,
        details={"reason": "failures", "failures_in_a_row": schedule.PAUSE_AFTER_FAILURES},
        now=now,
    )
    answer = await repository.note_last_answer(endpoint.id)
    last = f" The last answer: {answer_in_words(answer)}." if answer else ""
    await _write_to_merchant(
        endpoint,
        "Your webhook was paused",
        f"{schedule.PAUSE_AFTER_FAILURES} deliveries in a row to this endpoint failed, so we have paused it.{last}\n"
        "No event is lost: they wait, and are delivered in order once you enable the endpoint again.\n"
        "The delivery log shows what your server answered to each attempt.",
        now,
    )


async def disable_gone(endpoints: Sequence[str], *, now: datetime) -> None:
    """Disable endpoints that answered 410 Gone. Waiting deliveries become dead: they can be replayed.

    Needs the transaction that records the answer, with the queues locked.
    """
    for endpoint in await repository.stop_enabled(endpoints, "disabled", "gone", now):
        await repository.abandon_pending(endpoint.id)
        await audit.record(
            actor=ACTOR,
            action="webhook.disabled",
            subject=endpoint.id,
            merchant_id=endpoint.merchant,
            address=None,
            details={"reason": "gone"},
            now=now,
        )
        await _write_to_merchant(
            endpoint,
            "Your webhook was disabled: it answered 410 Gone",
            "By answering 410 Gone your server said that it wants no more events: the endpoint is disabled.\n"
            "Events are kept. Enable the endpoint again to receive new ones, and send again what you missed.",
            now,
        )


async def _write_to_merchant(endpoint: StoppedEndpoint, subject: str, text: str, now: datetime) -> None:
    stopped = letter(
        Kind.MERCHANT,
        subject,
        "{text}\n\nEndpoint: {id} ({mode})\nURL: {url}\nTime: {now}\n",
        ours={"text": text, "id": endpoint.id, "mode": endpoint.mode},
        url=endpoint.url,
    )
    for recipient in await notices_repository.recipients(endpoint.merchant, "webhooks", HEADS):
        await mail.enqueue_to_kept(recipient, stopped, now)


def answer_in_words(answer: str) -> str:
    """An answer, or why there was none, for a sentence: `HTTP 500`, `connect timeout`."""
    return answer if answer.startswith("HTTP") else answer.replace("_", " ")
