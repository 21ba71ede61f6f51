"""Requests of operators for a run: a waiting row, which the `default` worker starts within a second or so."""

from datetime import datetime

from app.accounts.operators import Operator
from app.audit import service as audit
from app.core import database
from app.reconciliation import repository


async def request(by: Operator, *, full: bool, now: datetime) -> int:
    """Request a run; its id. Where one waits already, that one's id: it has not begun, so it will read everything.

    `full` re-computes everything instead of what is new since the last whole run.
    """
    async with database.transaction():
        run_id = await repository.add_request(full=full, by=by.actor, now=now)
        await audit.record(
            actor=by.actor,
            action="reconciliation.requested",
            subject=f"run {run_id}",
            merchant_id=None,
            address=by.address,
            details={"full": full},
            now=now,
        )
    return run_id
