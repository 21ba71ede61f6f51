"""Statements on `payouts`."""

from app.core import database
from app.core.statement import Command, insert
from app.payouts.tables import Payout


async def add(payout_id: str, description: str | None, metadata: bytes) -> None:
    """Insert what a payout has beyond a withdrawal, in the caller's transaction. `metadata` is JSON."""
    database.in_transaction()
    await _ADD.run(id=payout_id, description=description, metadata=metadata.decode())


_ADD = Command(insert(Payout))
