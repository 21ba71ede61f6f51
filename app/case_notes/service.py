"""Notes that an operator leaves on a case for the others, such as at the end of a shift.

Other operators read them with name and time. Nobody changes or deletes one, and merchants never see them.
"""

from datetime import datetime
from typing import Literal

from app.accounts.operators import Operator
from app.audit import service as audit
from app.case_notes import repository
from app.case_notes.repository import Note
from app.core import database
from app.core.errors import invalid

__all__ = ["MAX_LENGTH", "Kind", "Note", "leave", "of_case", "stated"]

Kind = Literal["payout", "refund", "review", "alert"]

MAX_LENGTH = 2_000
"""Characters of one note."""

of_case = repository.of_case


async def leave(kind: Kind, subject: str, words: str, by: Operator, now: datetime) -> None:
    """Add a note to a case, which the caller has found, and record it. Raises INVALID_INPUT for an empty or too long
    note."""
    words = stated(words)
    async with database.transaction():
        await repository.add(kind=kind, subject=subject, account=by.account_id, words=words, written_at=now)
        await audit.record(
            actor=by.actor,
            action="note.left",
            subject=f"alert {subject}" if kind == "alert" else subject,
            merchant_id=None,  # a merchant's own log does not have it
            address=by.address,
            details={"note": words},
            now=now,
        )


def stated(words: str) -> str:
    """A note as it is stored. Raises INVALID_INPUT for one that is empty or too long."""
    words = words.strip()
    if not words:
        raise invalid("note", "Write what the others should know.")
    if len(words) > MAX_LENGTH:
        raise invalid("note", f"Write at most {MAX_LENGTH} characters.")
    return words
