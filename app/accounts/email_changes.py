"""Change an account's email address: requested while signed in, confirmed by a link to the new address.

The old address gets a letter at once. The link ends when any of the account's credentials change: an owner who is
warned by that letter and resets the password revokes it.
"""

from datetime import datetime, timedelta

import asyncpg
import msgspec

from app.accounts import credentials, links, links_repository, people, repository
from app.accounts.letters import Letters
from app.accounts.repository import Person
from app.accounts.service import checked_email
from app.accounts.sessions_repository import Session
from app.accounts.throttle import Limit, Throttle
from app.core import database
from app.core.errors import ApiError, Code, invalid
from app.mail import service as mail
from app.mail.letters import Kind

PER_ACCOUNT = Limit("email_change:account", 5, timedelta(hours=1))


class EmailChanged(msgspec.Struct, frozen=True):
    """The new address, and the new token of the session that continues; None where none does."""

    email: str
    token: str | None


class EmailChanges:
    """Requests and confirms changes of addresses. One per process."""

    def __init__(self, throttle: Throttle, letters: Letters) -> None:
        self._throttle = throttle
        self._letters = letters

    async def request(self, person: Person, new_email: str, *, address: str, now: datetime) -> None:
        """Send a link to the new address and a notice to the old one. The answer does not show whether the new one has
        an account.

        Raises INVALID_INPUT, RATE_LIMITED. Not inside a transaction.
        """
        new_email = checked_new(person.email, new_email)
        await self._throttle.take([(PER_ACCOUNT, person.id)], now)
        async with database.transaction():
            allowed = await mail.may_write(Kind.UNASKED, new_email, now)
            await links_repository.revoke("email_change", person.id)
            token = await links.create("email_change", links.of(person, new_email), now)
            await people.record(person, "email.change_asked", address, now)
            await people.send(person.email, self._letters.email_change_requested(person.name, new_email), now)
            if not allowed:
                return
            known = await repository.by_email(new_email)
            if known is None:
                letter = self._letters.confirm_new_email(token)
            else:
                letter = self._letters.already_signed_up(known.name)
            await people.send(new_email, letter, now)

    async def confirm(self, token: str, *, session: Session | None, address: str, now: datetime) -> EmailChanged | None:
        """Change the address by a link; None if the link has ended. `session` is the browser's.

        That session continues if it is one of this account; all others end. Raises INVALID_INPUT if the address has an
        account meanwhile, credentials.Outdated. Not inside a transaction.
        """
        async with database.transaction():
            link = await links.use("email_change", token, now)
            if link is None or link.account_id is None:
                return None
            person = await repository.lock(link.account_id)
            own = session if session is not None and session.account_id == person.id else None
            ended = await credentials.invalidate(person, keep=own)
            try:
                await repository.set_email(person.id, link.email)
            except asyncpg.UniqueViolationError:
                raise ApiError(Code.INVALID_INPUT, "this address has an account already") from None
            await people.record(person, "email.changed", address, now, sessions_ended=ended.sessions_ended)
            await people.send(person.email, self._letters.email_changed(person.name, link.email), now)
        return EmailChanged(link.email, ended.token)


def checked_new(email: str, new_email: str) -> str:
    """The new address of the account that has `email`, as it is stored. Raises INVALID_INPUT."""
    new_email = checked_email(new_email)
    if new_email == email:
        raise invalid("email", "is your address already")
    return new_email
