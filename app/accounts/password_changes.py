"""A new password: by a mailed link, or by who knows the old one. Every other session ends with it; two-step
verification stays, and is asked for at the next sign-in as ever."""

from datetime import datetime, timedelta

from app.accounts import links, passwords, people, sessions
from app.accounts.letters import Letters
from app.accounts.links import Link
from app.accounts.people import Person
from app.accounts.sign_up import may_write_to
from app.accounts.throttle import Limit, Throttle
from app.audit import service as audit
from app.core import database

PER_ADDRESS = Limit("reset:address", 30, timedelta(hours=1))
"""Resets asked for from one network address."""


class PasswordChanges:
    """Changing passwords, for one deployment."""

    def __init__(self, throttle: Throttle, letters: Letters) -> None:
        self._throttle = throttle
        self._letters = letters

    async def ask_reset(self, *, email: str, address: str, site: str, now: datetime) -> None:
        """Send a link to the address if it has an account. Who asks can't tell. Raises RATE_LIMITED.

        Not inside a transaction.
        """
        email = email.strip().lower()
        await self._throttle.take([(PER_ADDRESS, site)], now)
        allowed = await may_write_to(self._throttle, email, now)
        async with database.transaction():
            person = await people.by_email(email) if allowed else None
            await audit.record(
                actor="stranger",
                action="password.reset_asked",
                subject=person.id if person else "unknown",
                merchant_id=None,
                address=address,
                details={},
                now=now,
            )
            if person is not None:
                token = await links.make("password_reset", _reset_of(person), now)
                await people.write(person.email, self._letters.reset_password(person.name, token), now)

    async def can_reset(self, token: str, now: datetime) -> bool:
        """Whether this link still works."""
        return await links.look("password_reset", token, now) is not None

    async def reset(self, token: str, password: str, *, address: str, now: datetime) -> bool:
        """Set the password that a link allows; False if the link works no more. Nobody is signed in by it.

        Raises INVALID_INPUT for a password that nobody should take. Not inside a transaction.
        """
        link = await links.look("password_reset", token, now)
        if link is None or link.account_id is None:
            return False
        passwords.check(password, email=link.email)
        password_hash = await passwords.hash_aside(password)
        async with database.transaction():
            person = await people.locked(link.account_id)
            if await links.use("password_reset", token, now) is None or person.email != link.email:
                return False
            await self._set(person, password_hash, None, "password.reset", address, now)
        return True

    async def change(self, person: Person, new_password: str, *, session_id: str, address: str, now: datetime) -> None:
        """Set another password, the old one having been checked; the session `session_id` goes on.

        Raises INVALID_INPUT. Not inside a transaction.
        """
        passwords.check(new_password, email=person.email, field="new_password")
        password_hash = await passwords.hash_aside(new_password)
        async with database.transaction():
            await people.locked(person.id)
            await self._set(person, password_hash, session_id, "password.changed", address, now)

    async def _set(
        self, person: Person, password_hash: str, session_id: str | None, action: str, address: str, now: datetime
    ) -> None:
        await database.execute("UPDATE accounts SET password_hash = $2 WHERE id = $1", person.id, password_hash)
        await links.forget("password_reset", person.id)
        ended = await sessions.end_all(person.id, but=session_id)
        await people.note(person, action, address, now, sessions_ended=ended)
        await people.write(person.email, self._letters.password_changed(person.name), now)


def _reset_of(person: Person) -> Link:
    return Link(account_id=person.id, email=person.email)
