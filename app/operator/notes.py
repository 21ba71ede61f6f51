"""Notes on a case: what the page of a payout, refund, review or alert shows of them, and the form that leaves one."""

from typing import Any

import msgspec

from app.case_notes import service as case_notes
from app.case_notes.service import Kind, Note
from app.core import clock
from app.identity.forms import Form, FormRefused
from app.identity.identity import PageRequest
from app.identity.keeping import NOTE
from app.operator.desk import Desk, gathering, refusals

NOTE_LEFT = "Your note is kept. The other operators see it with your name."


_OWN_NAMES = {"note": "case-note", "code": "case-note-code"}


class CaseNotes(msgspec.Struct, frozen=True):
    """The notes of a case, the form for another one, and where it is sent."""

    notes: list[Note]
    form: Form
    action: str


async def shown(kind: Kind, subject: str, action: str, form: Form | None = None) -> dict[str, Any]:
    """What a page's context has of the notes; `form` is one that was refused."""
    given = Form.empty() if form is None else form
    return {"notes": CaseNotes(await case_notes.of_case(kind, subject), given, action), NOTE: given}


async def leave(desk: Desk, request: PageRequest, kind: Kind, subject: str) -> Form | None:
    """Leave the note that a request sends on a case that was found. Returns the form where it was refused, else None.

    The page has other forms too, so errors are named apart from theirs.
    """
    form = await desk.identity.read_form(request)
    with gathering(form):
        case_notes.stated(form.text("note"))
    try:
        by = await desk.verified_operator(request, form)
        with refusals(form):
            await case_notes.leave(kind, subject, form.text("note"), by, clock.now())
    except FormRefused:
        form.errors = {_OWN_NAMES.get(name, name): words for name, words in form.errors.items()}
        return form
    return None
