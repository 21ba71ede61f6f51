"""Every statement on `alerts` and `alert_notifications`."""

import uuid
from datetime import datetime, timedelta

import msgspec
from piccolo.columns.combination import WhereRaw
from piccolo.query import OrderByRaw
from piccolo.query.functions import Count

from app.alerts.tables import Alert, AlertNotification
from app.core import database
from app.core.statement import Command, Param, Statement, insert, is_one, select


class OpenAlert(msgspec.Struct, frozen=True):
    """An alert that nobody has acknowledged. `details` is JSON."""

    id: int
    severity: str
    kind: str
    message: str
    details: str
    occurrences: int
    raised_at: datetime
    last_at: datetime


class OpenCount(msgspec.Struct, frozen=True):
    """How many alerts of a kind are open."""

    severity: str
    kind: str
    open: int


class DueNotification(msgspec.Struct, frozen=True):
    """A notification that the caller has claimed. `attempts` counts the one that it is about to make."""

    id: int
    notification_id: uuid.UUID
    body: str
    attempts: int


_IS_OPEN = Alert.acknowledged_at.is_null()


async def count_or_add(*, severity: str, kind: str, dedupe_key: str, message: str, details: str, now: datetime) -> None:
    """Write an alert, or count one more occurrence of the open one with this key. `details` is JSON."""
    # SQL, since the builder knows no ON CONFLICT of a partial index.
    await database.execute(
        """
        INSERT INTO alerts (severity, kind, dedupe_key, message, details, occurrences, raised_at, last_at)
        VALUES ($1, $2, $3, $4, $5, 1, $6, $6)
        ON CONFLICT (dedupe_key) WHERE acknowledged_at IS NULL
        DO UPDATE SET occurrences = alerts.occurrences + 1, last_at = excluded.last_at
        """,
        severity,
        kind,
        dedupe_key,
        message,
        details,
        now,
    )


async def acknowledge(alert_id: int, *, by: str, note: str, now: datetime) -> bool:
    """Close an alert; False where there is no such open one."""
    return bool(await _ACKNOWLEDGE.run(id=alert_id, by=by, note=note, now=now))


_ACKNOWLEDGE = Command(
    Alert.update(
        {
            Alert.acknowledged_at: Param("now"),
            Alert.acknowledged_by: Param("by"),
            Alert.note: Param("note"),
        }
    ).where(Alert.id == Param("id"), _IS_OPEN)
)


async def open_alerts(limit: int = 100) -> list[OpenAlert]:
    """The open alerts, critical ones first, each severity newest first."""
    return await _OPEN.all(limit=limit)


_OPEN = Statement(
    select(Alert, OpenAlert)
    .where(_IS_OPEN)
    .order_by(OrderByRaw("array_position(ARRAY['critical', 'warning', 'info'], severity::text)"))
    .order_by(Alert.raised_at, ascending=False),
    OpenAlert,
    limited=True,
)


async def open_counts() -> list[OpenCount]:
    """How many are open, of each severity and kind."""
    return await _OPEN_COUNTS.all()


_OPEN_COUNTS = Statement(
    Alert.select(Alert.severity, Alert.kind, Count(alias="open"))
    .where(_IS_OPEN)
    .group_by(Alert.severity, Alert.kind)
    .order_by(Alert.severity, Alert.kind),
    OpenCount,
)


async def lock_unsent(again_after: timedelta, limit: int) -> list[OpenAlert]:
    """Open alerts that were never sent, and critical ones that happened again `again_after` after they were sent.

    Locked for the caller's transaction; those that another has locked are left out.
    """
    return await _LOCK_UNSENT.all(again_after=again_after, limit=limit)


_LOCK_UNSENT = Statement(
    select(Alert, OpenAlert)
    .where(
        _IS_OPEN,
        Alert.told_at.is_null()
        | (
            (Alert.severity == "critical")
            & WhereRaw("{} > {} + {}::interval", Alert.last_at, Alert.told_at, Param("again_after"))
        ),
    )
    .order_by(Alert.id)
    .lock_rows("UPDATE", skip_locked=True),
    OpenAlert,
    limited=True,
)


async def mark_sent(alert_id: int, now: datetime) -> None:
    """Record that an alert was sent to all its recipients."""
    await _MARK_SENT.run(id=alert_id, now=now)


_MARK_SENT = Command(Alert.update({Alert.told_at: Param("now")}).where(Alert.id == Param("id")))


async def add_notification(alert_id: int, notification_id: uuid.UUID, body: str, now: datetime) -> None:
    """Write a notification for the operator's hook, due at once. `body` is what is posted."""
    await _ADD_NOTIFICATION.run(
        alert=alert_id, notification_id=notification_id, body=body, attempts=0, next_attempt_at=now, created_at=now
    )


_ADD_NOTIFICATION = Command(
    insert(
        AlertNotification,
        AlertNotification.alert,
        AlertNotification.notification_id,
        AlertNotification.body,
        AlertNotification.attempts,
        AlertNotification.next_attempt_at,
        AlertNotification.created_at,
    )
)


async def claim_notification(now: datetime, lease: timedelta) -> DueNotification | None:
    """Take the notification that has been due longest, for `lease`; None where none is due."""
    return await _CLAIM.first(now=now, leased_until=now + lease)


_CLAIM = Statement(
    AlertNotification.update(
        {
            AlertNotification.attempts: AlertNotification.attempts + 1,
            AlertNotification.next_attempt_at: Param("leased_until"),
        }
    )
    .where(
        is_one(
            AlertNotification.id,
            AlertNotification.select(AlertNotification.id)
            .where(AlertNotification.next_attempt_at <= Param("now"))
            .order_by(AlertNotification.next_attempt_at)
            .limit(1)
            .lock_rows("UPDATE", skip_locked=True),
        )
    )
    .returning(
        AlertNotification.id, AlertNotification.notification_id, AlertNotification.body, AlertNotification.attempts
    ),
    DueNotification,
)


async def record_delivered(notification_id: int, now: datetime) -> None:
    """Record that the hook has accepted a notification."""
    await _RECORD_DELIVERED.run(id=notification_id, now=now)


_RECORD_DELIVERED = Command(
    AlertNotification.update(
        {
            AlertNotification.delivered_at: Param("now"),
            AlertNotification.next_attempt_at: None,
            AlertNotification.last_error: None,
        }
    ).where(AlertNotification.id == Param("id"))
)


async def record_failed(notification_id: int, error: str, again_at: datetime | None) -> None:
    """Record a failed attempt; `again_at` is None where it was the last."""
    await _RECORD_FAILED.run(id=notification_id, error=error, again_at=again_at)


_RECORD_FAILED = Command(
    AlertNotification.update(
        {AlertNotification.next_attempt_at: Param("again_at"), AlertNotification.last_error: Param("error")}
    ).where(AlertNotification.id == Param("id"))
)
