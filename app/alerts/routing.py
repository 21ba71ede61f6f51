"""Sends alerts: each open one goes by mail and to the operator's hook, both through an outbox, and is marked as sent.

The log line and the figure on `/metrics` come with the row itself (service.py, monitoring/gauges.py). A critical
alert that is still true a day later is sent again. The caller passes the signature in: nothing here knows
webhooks.
"""

import json
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from app.alerts import repository
from app.alerts.repository import DueNotification, OpenAlert
from app.core import clock, database, ids
from app.core.email_address import EmailAddress
from app.core.logging import get_logger
from app.core.outbound import Outcome
from app.mail import service as mail
from app.mail.letters import Kind, Letter, letter

log = get_logger(__name__)

REMIND_AFTER = timedelta(hours=24)
"""A critical alert that happens again this long after it was sent is sent again."""

ROUTE_AT_ONCE = 50

LEASE = timedelta(seconds=60)
"""How long no other process repeats a post that is under way; one takes 13 s at most (core.outbound)."""

RETRY_DELAYS_S = (10, 30, 120, 600, 1_800, 3_600, 10_800, 21_600, 43_200, 86_400)
"""After each failed post; after the last it is given up and logged. Mail and metrics don't depend on it."""

MAX_ERROR_CHARS = 300
MAX_SUBJECT_CHARS = 120


class Poster(Protocol):
    """The client that posts: `core.outbound.OutboundClient`."""

    async def post(self, target_url: str, *, headers: Mapping[str, str], body: bytes) -> Outcome:
        """Send one request. Returns its outcome; faults are not raised."""


class Signature(Protocol):
    """Signs a post to the hook as our webhooks are signed: the headers for these bytes at this moment."""

    def __call__(self, *, event_id: str, body: bytes, now: datetime) -> Mapping[str, str]:
        """Headers, fresh for each attempt."""


class AlertRoutes(msgspec.Struct, frozen=True, kw_only=True):
    """Where alerts are sent. Without recipients and hook they are only in the log and the metrics."""

    mail_to: Sequence[EmailAddress]
    hook_url: str | None
    poster: Poster
    sign: Signature
    public_url: str

    async def send(self, now: datetime) -> None:
        """Route new alerts, and post what is due. Safe to run twice at once. Not to be called in a transaction."""
        await self.route_new(now)
        if self.hook_url is not None:
            await self.post_waiting()

    async def route_new(self, now: datetime) -> int:
        """Write alerts that were not sent yet to the outboxes. Returns how many. Opens a transaction."""
        async with database.transaction():
            alerts = await repository.lock_unsent(REMIND_AFTER, ROUTE_AT_ONCE)
            for alert in alerts:
                await self._route(alert, now)
        return len(alerts)

    async def post_waiting(self) -> int:
        """Post notifications that are due. Returns how many were tried. Not to be called in a transaction."""
        assert self.hook_url is not None
        tried = 0
        while tried < ROUTE_AT_ONCE and (due := await repository.claim_notification(clock.now(), LEASE)) is not None:
            tried += 1
            body = due.body.encode()
            headers = self.sign(event_id=str(due.notification_id), body=body, now=clock.now())
            outcome = await self.poster.post(self.hook_url, headers=headers, body=body)
            await _record(due, outcome)
        return tried

    async def _route(self, alert: OpenAlert, now: datetime) -> None:
        for recipient in self.mail_to:
            await mail.enqueue(recipient, self._letter(alert), now)
        if self.hook_url is not None:
            notification_id = ids.new_event_id()
            body = _post_body(alert, notification_id)
            await repository.add_notification(alert.id, notification_id, body, now)
        await repository.mark_sent(alert.id, now)

    def _letter(self, alert: OpenAlert) -> Letter:
        details = json.dumps(json.loads(alert.details), ensure_ascii=False, indent=2, sort_keys=True)
        times = f", seen {alert.occurrences} times" if alert.occurrences > 1 else ""
        return letter(
            Kind.ALERT,
            f"[{alert.severity.upper()}] {alert.kind}: {' '.join(alert.message.split())}"[:MAX_SUBJECT_CHARS],
            "{message}\n\nSeverity: {severity}\nKind: {kind}\nAlert: {id}\nRaised: {raised}{times}\n"
            "Gateway: {gateway}\n\n"
            "{details}\n\nIt stays open until an operator acknowledges it with a note.\n",
            ours={
                **{name: getattr(alert, name) for name in ("message", "severity", "kind", "id")},
                "raised": alert.raised_at,
                "times": times,
                "gateway": self.public_url,
                "details": details,
            },
        )


def _post_body(alert: OpenAlert, notification_id: uuid.UUID) -> str:
    return json.dumps(
        {
            "event_id": str(notification_id),
            "type": "alert.raised",
            "alert": {
                "id": alert.id,
                "severity": alert.severity,
                "kind": alert.kind,
                "message": alert.message,
                "details": json.loads(alert.details),
                "occurrences": alert.occurrences,
                "raised_at": clock.rfc3339(alert.raised_at),
                "last_at": clock.rfc3339(alert.last_at),
            },
        },
        ensure_ascii=False,
        separators=(",", ":"),
    )


async def _record(due: DueNotification, outcome: Outcome) -> None:
    now = clock.now()
    if outcome.delivered:
        await repository.record_delivered(due.id, now)
        return
    given_up = due.attempts > len(RETRY_DELAYS_S)
    log.log(
        40 if given_up else 30,
        "alert_hook_given_up" if given_up else "alert_hook_failed",
        notification=due.id,
        attempt=due.attempts,
        error=outcome.detail,
        note=outcome.operator_note,
    )
    again_at = None if given_up else now + timedelta(seconds=RETRY_DELAYS_S[due.attempts - 1])
    await repository.record_failed(due.id, outcome.detail[:MAX_ERROR_CHARS], again_at)
