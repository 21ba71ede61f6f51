"""Runs of reconciliation and what they found: records that can be opened years later."""

from piccolo.columns import BigSerial
from piccolo.table import Table

from app.core import columns


class ReconciliationRun(Table, tablename="reconciliation_runs"):
    """One run. `blocks` (JSON) names height and hash for each network; `figures` (JSON) what each check counted.

    `requested`: an operator waits for it; `started_at` is when they asked. `progress` is what it is at while it is
    `running`. `clean`: all was checked and holds. `drift`: something does not. `incomplete`: nothing wrong was
    found, but a part could not be checked, such as a network whose node was away.
    """

    id = BigSerial(primary_key=True)
    cause = columns.words(20)
    full = columns.flag()
    status = columns.words(10)
    started_at = columns.moment()
    finished_at = columns.moment(null=True)
    blocks = columns.text()
    figures = columns.text()
    requested_by = columns.words(64, null=True)
    progress = columns.words(100, null=True)

    reconciliation_runs_status_known = columns.one_of(
        "status", "requested", "running", "clean", "drift", "incomplete", "failed"
    )


class ReconciliationFinding(Table, tablename="reconciliation_findings"):
    """One thing that does not hold, or could not be checked (`is_drift` false). `figures` is JSON."""

    id = BigSerial(primary_key=True)
    run = columns.reference(ReconciliationRun)
    check_name = columns.words(40)
    is_drift = columns.flag()
    subject = columns.words(200)
    message = columns.text()
    figures = columns.text()
