"""Uses of forms: a form that is submitted twice is carried out once.

The first submission claims the form's one-use key before anything is done. A second one waits for it, and then gets
the same redirect. When a form is refused its claim is released, so that it can be corrected and submitted again. The
claim of a process that dies stays for good: nobody knows whether the form was carried out, and a person must check.
So each form is carried out at most once.

What the answer must show once, such as a new API key, is sealed in the same row until the page shows it.
"""

import asyncio
from datetime import datetime, timedelta

import msgspec

from app.accounts import form_uses_repository as repository
from app.accounts.sessions import LIFETIME
from app.core import clock
from app.core.crypto import Undecryptable, decrypt, encrypt, sha256
from app.core.errors import ApiError, Code
from app.core.settings import DataKeys

KEPT = LIFETIME
"""How long a use is stored: when it is older, the session whose page held the form has expired."""

SECRET_WAITS = timedelta(minutes=5)
"""How long a secret is stored for its page: browsers follow the redirect at once, or never."""

SECOND_WAITS_S = 8.0
"""How long a second submission waits for the first; with its own work it stays below a proxy's time-out."""

POLL_S = 0.05

LOST_AFTER = timedelta(minutes=1)
"""No request takes this long: a claim that is older belongs to a process that died."""


class FormUse(msgspec.Struct, frozen=True):
    """The use of one form, identified by account, URL path and one-use key."""

    id: bytes

    @classmethod
    def of(cls, *, account_id: str, address: str, key: str) -> "FormUse":
        """The use of a form. The same three values give the same use, in any session of the account."""
        return cls(sha256("\0".join((account_id, address, key)).encode()))

    @property
    def purpose(self) -> str:
        """The purpose with which its secret is encrypted."""
        return f"form-use:{self.id.hex()}"


async def begin(use: FormUse, session_id: str) -> str | None:
    """Claim the form. Return None if the caller must carry it out, else the first submission's redirect target.

    Waits up to SECOND_WAITS_S for a first submission that is not finished. Raises IDEMPOTENCY_IN_PROGRESS where it
    takes longer, or was never finished. Not inside a transaction.
    """
    for _ in range(int(SECOND_WAITS_S / POLL_S)):
        if await repository.claim(use.id, session_id, clock.now()):
            return None
        first = await repository.find(use.id)
        if first is None:
            continue  # refused meanwhile: the next claim may succeed
        if first.led_to is not None:
            return first.led_to
        if clock.now() - first.created_at > LOST_AFTER:
            raise _not_finished("and it is not known whether it was carried out")
        await asyncio.sleep(POLL_S)
    raise _not_finished("and is still being carried out")


async def release(use: FormUse) -> None:
    """Release the claim of a form that was refused, so that it can be sent again with its key."""
    await repository.release(use.id)


async def finish(use: FormUse, led_to: str, secret: str | None, keys: DataKeys) -> None:
    """Record that the form was carried out. `secret` is text for the page at `led_to`, to be shown once."""
    sealed = None if secret is None else encrypt(keys, secret, purpose=use.purpose)
    await repository.finish(use.id, led_to, sealed)


async def take_secret(session_id: str, led_to: str, keys: DataKeys, now: datetime) -> str | None:
    """Return and delete the secret that a form of this session stored for this page; None if it was shown before.

    None too where it is older than SECRET_WAITS, or its data key is no longer configured.
    """
    waiting = await repository.take_secrets(session_id, led_to)
    newest = max(waiting, key=lambda one: one.created_at, default=None)
    if newest is None or now - newest.created_at > SECRET_WAITS:
        return None
    try:
        return decrypt(keys, newest.secret_sealed, purpose=FormUse(newest.id).purpose)
    except Undecryptable:
        return None


async def purge(now: datetime) -> int:
    """Delete uses whose form has expired, and secrets that no page will show; return how many rows changed."""
    return await repository.purge(secrets_until=now - SECRET_WAITS, uses_until=now - KEPT)


def _not_finished(how: str) -> ApiError:
    words = f"this form was sent before, {how}. Check whether it was carried out before you open the form again"
    return ApiError(Code.IDEMPOTENCY_IN_PROGRESS, words, retry_after_s=1)
