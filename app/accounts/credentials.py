"""End sessions and links when an account's credentials change.

Each account has a `credentials_version`. Sessions, half sign-ins, mailed links and sealed offers store the version
with which they were created, and are valid only while the account still has it. A new password, email address,
authenticator or set of recovery codes, a reset, and "sign out all others" raise the version in their own transaction.
So nothing must be found and deleted one by one, and nothing that is created at the same moment with the old version
works. `sessions_repository.purge` and `links_repository.purge` delete the rows later.
"""

from datetime import datetime

import msgspec

from app.accounts import people, repository, sessions, sessions_repository
from app.accounts.repository import Person
from app.accounts.sessions_repository import Session
from app.core import database


class Outdated(Exception):
    """The credentials changed, or the session ended, after this request was authenticated."""


class Invalidation(msgspec.Struct, frozen=True):
    """How many sessions ended, and the new token of the session that continues; None where none does."""

    sessions_ended: int
    token: str | None


async def invalidate(person: Person, *, keep: Session | None) -> Invalidation:
    """End all sessions and links of the credentials that `person` was read with, except the session `keep`.

    The session `keep` gets a new token: a copy of its old cookie no longer works. In the caller's transaction, which
    changes the credentials. Raises Outdated if the credentials have changed or the session has ended meanwhile.
    """
    database.in_transaction()
    version = await repository.raise_credentials_version(person.id, person.credentials_version)
    if version is None:
        raise Outdated
    opened = await sessions_repository.count(person.id, person.credentials_version)
    if keep is None:
        return Invalidation(opened, None)
    token = await sessions.move_to_version(keep, person.credentials_version, version)
    if token is None:
        raise Outdated
    return Invalidation(opened - 1, token)


async def sign_out(account_id: str, session_id: str, *, action: str, address: str, now: datetime) -> bool:
    """End one session of an account, recorded as `action` in the audit log; False if it has no such session.

    Not inside a transaction.
    """
    async with database.transaction():
        if not await sessions_repository.delete(account_id, session_id):
            return False
        person = await repository.by_id(account_id)
        await people.record(person, action, address, now, session=session_id)
        return True


async def sign_out_others(person: Person, session: Session, *, address: str, now: datetime) -> str | None:
    """End all other sessions and all mailed links; return this session's new token. Raises Outdated.

    Not inside a transaction.
    """
    async with database.transaction():
        ended = await invalidate(person, keep=session)
        await people.record(person, "sessions.others_ended", address, now, sessions_ended=ended.sessions_ended)
        return ended.token
