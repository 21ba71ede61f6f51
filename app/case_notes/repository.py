"""Every statement on `case_notes`."""

from datetime import datetime

import msgspec

from app.case_notes.tables import CaseNote
from app.core.statement import Command, Param, Statement, insert


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """A note with its writer's name."""

    id: int
    account_id: str
    name: str
    words: str
    written_at: datetime


async def add(*, kind: str, subject: str, account: str, words: str, written_at: datetime) -> None:
    """Add a note."""
    await _ADD.run(kind=kind, subject=subject, account=account, words=words, written_at=written_at)


_ADD = Command(insert(CaseNote))


async def of_case(kind: str, subject: str) -> list[Note]:
    """The notes on a case, the oldest first."""
    return await _OF_CASE.all(kind=kind, subject=subject)


_OF_CASE = Statement(
    CaseNote.select(
        CaseNote.id,
        CaseNote.account.id.as_alias("account_id"),
        CaseNote.account.name.as_alias("name"),
        CaseNote.words,
        CaseNote.written_at,
    )
    .where(CaseNote.kind == Param("kind"), CaseNote.subject == Param("subject"))
    .order_by(CaseNote.id),
    Note,
)
