"""Long work that somebody asked for, and the file that it makes."""

from piccolo.columns import BigSerial
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from app.core import columns
from app.merchants.tables import Merchant


class BackgroundJob(Table, tablename="background_jobs"):
    """One piece of work. `request` says what to do, `place` where to go on, `outcome` what came of it: each is JSON.

    `done` counts of `total` units of the kind, which is null until it is known. `claimed_until` is a worker's lease;
    after it another may go on from `place`. The job whose `turn_at` is the earliest is next. `tries` counts claims
    without a step since.
    """

    id = columns.public_id()
    merchant = columns.reference(Merchant)
    mode = columns.words(4)
    kind = columns.words(30)
    request = columns.text()
    requested_by = columns.words(64)
    state = columns.words(10)
    done = columns.big_number()
    total = columns.big_number(null=True)
    parts = columns.number()
    place = columns.text(null=True)
    outcome = columns.text(null=True)
    tries = columns.number()
    claimed_until = columns.moment(null=True)
    turn_at = columns.moment()
    created_at = columns.moment()
    ended_at = columns.moment(null=True)

    background_jobs_mode_known = columns.one_of("mode", "live", "test")
    background_jobs_state_known = columns.one_of("state", "waiting", "running", "done", "failed", "cancelled")
    background_jobs_counted = Check("done >= 0 AND parts >= 0 AND tries >= 0 AND total >= 0")
    background_jobs_ended_whole = Check("(ended_at IS NULL) = (state IN ('waiting', 'running'))")


class BackgroundJobPart(Table, tablename="background_job_parts"):
    """One part of a job's file, compressed by zlib; the parts in order are the file."""

    id = BigSerial(primary_key=True)
    job = columns.reference(BackgroundJob)
    number = columns.number()
    body = columns.digest()

    background_job_parts_once = Unique(["job", "number"])
