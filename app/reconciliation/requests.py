"""A run that an operator asks for: a row that waits, which the `default` worker takes up within a second or so."""

from datetime import datetime

from app.accounts.operators import Operator
from app.audit import service as audit
from app.core import database


async def request(by: Operator, *, full: bool, now: datetime) -> int:
    """Ask for a run; its id. Where one is asked for already, that one's: it has not begun, so it will see all.

    `full` re-computes everything instead of what is new since the last whole run.
    """
    async with database.transaction():
        run_id: int | None = await database.fetch_value(
            """
            INSERT INTO reconciliation_runs (cause, "full", status, started_at, blocks, figures, requested_by)
            VALUES ('operator', $1, 'requested', $2, '{}', '{}', $3)
            ON CONFLICT (status) WHERE status = 'requested' DO UPDATE SET "full" =
                reconciliation_runs."full" OR excluded."full"
            RETURNING id
            """,
            full,
            now,
            by.actor,
        )
        assert run_id is not None
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


async def take() -> tuple[int, bool] | None:
    """The run that waits, and whether it is to be full; None if none does."""
    row = await database.fetch_one("""SELECT id, "full" FROM reconciliation_runs WHERE status = 'requested'""")
    return None if row is None else (row["id"], row["full"])
