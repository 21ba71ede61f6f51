"""Statements on `signer_approvers`: what the signer's own file says, for the desk and the doctor."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from app.core import database
from app.core.statement import Command, Statement, insert, select
from app.signer.approvers import Approver
from app.withdrawals.tables import SignerApprover


class ReportedApprover(msgspec.Struct, frozen=True):
    """A passkey of the signer's file."""

    name: str
    fingerprint: str
    read_at: datetime


async def report(approvers: Sequence[Approver], now: datetime) -> None:
    """Store the approvers of the signer's file, none where it has no file. Not inside a transaction."""
    async with database.transaction():
        await _FORGET.run()
        for each in approvers:
            await _ADD.run(name=each.name, fingerprint=each.fingerprint, read_at=now)


_FORGET = Command(SignerApprover.delete(force=True))
_ADD = Command(insert(SignerApprover))


async def reported() -> list[ReportedApprover]:
    """What the signer has reported at its last start; empty where its payments need no passkey."""
    return await _REPORTED.all()


_REPORTED = Statement(select(SignerApprover, ReportedApprover).order_by(SignerApprover.id), ReportedApprover)
