"""Every statement on `form_uses`."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from app.accounts.tables import FormUse
from app.core import database
from app.core.statement import Command, Param, Statement, insert, select


class StoredUse(msgspec.Struct, frozen=True):
    """The state of a use. `led_to` is the redirect target, None while the form is being carried out."""

    led_to: str | None
    created_at: datetime


class WaitingSecret(msgspec.Struct, frozen=True):
    """A sealed secret that was waiting for its page."""

    id: bytes
    secret_sealed: str
    created_at: datetime


_IS_IT = FormUse.id == Param("id")


async def claim(use_id: bytes, session_id: str, now: datetime) -> bool:
    """Add a use; False where there is one already."""
    return bool(await _CLAIM.run(id=use_id, session_id=session_id, created_at=now))


_CLAIM = Command(
    insert(FormUse, FormUse.id, FormUse.session_id, FormUse.created_at).on_conflict(
        target=FormUse.id, action="DO NOTHING"
    )
)


async def find(use_id: bytes) -> StoredUse | None:
    """A use, if there is one."""
    return await _FIND.first(id=use_id)


_FIND = Statement(select(FormUse, StoredUse).where(_IS_IT), StoredUse)


async def release(use_id: bytes) -> None:
    """Delete a use that is not finished."""
    await _RELEASE.run(id=use_id)


_RELEASE = Command(FormUse.delete().where(_IS_IT, FormUse.led_to.is_null()))


async def finish(use_id: bytes, led_to: str, secret_sealed: str | None) -> None:
    """Record the redirect target of a use, and the secret that its page shows."""
    await _FINISH.run(id=use_id, led_to=led_to, secret_sealed=secret_sealed)


_FINISH = Command(
    FormUse.update({FormUse.led_to: Param("led_to"), FormUse.secret_sealed: Param("secret_sealed")}).where(_IS_IT)
)


async def take_secrets(session_id: str, led_to: str) -> Sequence[WaitingSecret]:
    """Return and delete the secrets that uses of this session stored for this page."""
    # SQL, since the builder knows neither a CTE nor UPDATE … FROM: RETURNING gives the new row, which has no secret.
    rows = await database.fetch_all(
        """
        WITH waiting AS (
            SELECT id, secret_sealed, created_at FROM form_uses
            WHERE session_id = $1 AND led_to = $2 AND secret_sealed IS NOT NULL FOR UPDATE
        )
        UPDATE form_uses SET secret_sealed = NULL FROM waiting WHERE form_uses.id = waiting.id
        RETURNING waiting.id, waiting.secret_sealed, waiting.created_at
        """,
        session_id,
        led_to,
    )
    return [WaitingSecret(*row) for row in rows]


async def purge(*, secrets_until: datetime, uses_until: datetime) -> int:
    """Delete secrets and whole uses up to these times; return how many rows changed."""
    return await _PURGE_SECRETS.run(until=secrets_until) + await _PURGE_USES.run(until=uses_until)


_PURGE_SECRETS = Command(
    FormUse.update({FormUse.secret_sealed: None}).where(
        FormUse.secret_sealed.is_not_null(), FormUse.created_at <= Param("until")
    )
)
_PURGE_USES = Command(FormUse.delete().where(FormUse.created_at <= Param("until")))
