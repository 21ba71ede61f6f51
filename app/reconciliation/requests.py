"""Operators' requests for a run: a row that the `default` worker picks up within about a second."""

from datetime import datetime

from app.accounts.operators import Operator
from app.audit import service as audit
from app.core import database
from app.reconciliation import repository


async def request(by: Operator, *, full: bool, now: datetime) -> int:
    """Request a run. Returns its id. If a request is waiting already, it is used: it will read the newest state.

    `full` re-computes everything instead of only what is new since the last run without findings.
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
