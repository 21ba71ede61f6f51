"""Alerts to operators. An alert stays open until somebody has acknowledged it, with a note."""

from piccolo.columns import UUID, BigSerial
from piccolo.constraints import Check
from piccolo.table import Table

from app.core import columns


class Alert(Table, tablename="alerts"):
    """One thing that is wrong. `dedupe_key` names it: while such an alert is open, occurrences are counted in it.

    `told_at` is when it was last sent (alerts/routing.py); null until then.
    """

    id = BigSerial(primary_key=True)
    severity = columns.words(10)
    kind = columns.words(40)
    dedupe_key = columns.words(200)
    message = columns.text()
    details = columns.text()
    occurrences = columns.number()
    raised_at = columns.moment()
    last_at = columns.moment()
    acknowledged_at = columns.moment(null=True)
    acknowledged_by = columns.words(64, null=True)
    note = columns.text(null=True)
    told_at = columns.moment(null=True)

    alerts_severity_known = columns.one_of("severity", "info", "warning", "critical")
    alerts_acknowledged_whole = Check(
        "(acknowledged_at IS NULL) = (acknowledged_by IS NULL) AND (acknowledged_at IS NULL) = (note IS NULL)"
    )


class AlertNotification(Table, tablename="alert_notifications"):
    """An alert on its way to the operator's hook. `body` is what is posted, the same bytes at each attempt.

    `next_attempt_at` is null once it was delivered (`delivered_at`) or given up.
    """

    id = BigSerial(primary_key=True)
    alert = columns.reference(Alert)
    notification_id = UUID(default=None, unique=True)
    body = columns.text()
    attempts = columns.number()
    next_attempt_at = columns.moment(null=True)
    last_error = columns.words(300, null=True)
    delivered_at = columns.moment(null=True)
    created_at = columns.moment()

    alert_attempts_counted = Check("attempts >= 0")
