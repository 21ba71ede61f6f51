"""Reconciliation runs and their findings. They are kept for ever."""

from piccolo.columns import BigSerial
from piccolo.table import Table

from app.core import columns


class ReconciliationRun(Table, tablename="reconciliation_runs"):
    """One run. `blocks` (JSON) is height and hash of each network; `figures` (JSON) the figures of each check.

    `requested`: an operator requested it; `started_at` is the time of the request. `progress` is the present step
    while it is `running`. `clean`: every rule was checked and holds. `drift`: a rule does not hold. `incomplete`:
    there is no drift, but a part could not be checked, such as a network whose node did not answer.
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
    """A rule that does not hold, or could not be checked (`is_drift` false). `figures` is JSON."""

    id = BigSerial(primary_key=True)
    run = columns.reference(ReconciliationRun)
    check_name = columns.words(40)
    is_drift = columns.flag()
    subject = columns.words(200)
    message = columns.text()
    figures = columns.text()
