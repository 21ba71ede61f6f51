"""Every statement on `kept_forms`."""

from datetime import datetime

import msgspec

from app.accounts.tables import KeptForm
from app.core.statement import Command, Param, Statement, insert, select


class StoredForm(msgspec.Struct, frozen=True):
    """A form as it is stored."""

    id: bytes
    content_sealed: str
    expires_at: datetime


async def put(form_id: bytes, owner: bytes, content_sealed: str, expires_at: datetime) -> None:
    """Store a form, in place of what the same form had before."""
    await _PUT.run(id=form_id, owner=owner, content_sealed=content_sealed, expires_at=expires_at)


_PUT = Command(
    insert(KeptForm).on_conflict(
        target=KeptForm.id, action="DO UPDATE", values=[KeptForm.content_sealed, KeptForm.expires_at]
    )
)


async def find(form_id: bytes, now: datetime) -> StoredForm | None:
    """A form that has not expired."""
    return await _FIND.first(id=form_id, now=now)


_FIND = Statement(
    select(KeptForm, StoredForm).where(KeptForm.id == Param("id"), KeptForm.expires_at > Param("now")), StoredForm
)


async def take_all(owner: bytes) -> list[StoredForm]:
    """Return and delete every form of an owner."""
    return await _TAKE_ALL.all(owner=owner)


_TAKE_ALL = Statement(
    KeptForm.delete()
    .where(KeptForm.owner == Param("owner"))
    .returning(KeptForm.id, KeptForm.content_sealed, KeptForm.expires_at),
    StoredForm,
)


async def delete(form_id: bytes) -> None:
    """Delete a form, if it is there."""
    await _DELETE.run(id=form_id)


_DELETE = Command(KeptForm.delete().where(KeptForm.id == Param("id")))


async def purge(now: datetime) -> int:
    """Delete the forms that have expired; return how many."""
    return await _PURGE.run(now=now)


_PURGE = Command(KeptForm.delete().where(KeptForm.expires_at <= Param("now")))
