"""Change a password: by a mailed link, or with the old one. All other sessions and all links end. Two-step verification
stays."""

from datetime import datetime, timedelta

from app.accounts import credentials, links, passwords, people, repository, second_steps
from app.accounts.letters import Letters
from app.accounts.repository import Person
from app.accounts.second_steps import SecondSteps
from app.accounts.sessions_repository import Session
from app.accounts.throttle import Limit, Throttle
from app.audit import service as audit
from app.core import database
from app.core.email_address import as_kept
from app.mail import service as mail
from app.mail.letters import Kind

PER_ADDRESS = Limit("reset:address", 30, timedelta(hours=1))
"""Resets requested from one network address."""


class PasswordChanges:
    """Resets and changes passwords. One per process."""

    def __init__(self, throttle: Throttle, letters: Letters) -> None:
        self._throttle = throttle
        self._letters = letters

    async def request_reset(self, *, email: str, address: str, site: str, now: datetime) -> None:
        """Send a link to the address if it has an account; the answer does not show whether. Raises RATE_LIMITED.

        Not inside a transaction.
        """
        email = as_kept(email)
        await self._throttle.take([(PER_ADDRESS, site)], now)
        async with database.transaction():
            person = await repository.by_email(email)
            await audit.record(
                actor="stranger",
                action="password.reset_asked",
                subject=person.id if person else "unknown",
                merchant_id=None,
                address=address,
                details={},
                now=now,
            )
            # Beyond the allowance no letter is sent, and a new link would be of no use.
            if await mail.may_write(Kind.RESET, email, now) and person is not None:
                token = await links.create("password_reset", links.of(person, person.email), now)
                await people.send(person.email, self._letters.reset_password(person.name, token), now)

    async def second_steps(self, token: str, now: datetime) -> SecondSteps | None:
        """What signs in to the account of a link besides the password, and stays; None if the link has ended."""
        link = await links.find("password_reset", token, now)
        if link is None or link.account_id is None:
            return None
        return await second_steps.of_account(link.account_id)

    async def reset(self, token: str, password: str, *, address: str, now: datetime) -> bool:
        """Set a password by a link; False if the link has ended. It signs nobody in.

        Raises INVALID_INPUT for a password that is too common or of a wrong length. Not inside a transaction.
        """
        link = await links.find("password_reset", token, now)
        if link is None or link.account_id is None:
            return False
        passwords.check(password, email=link.email)
        password_hash = await passwords.hash_in_thread(password)
        async with database.transaction():
            if await links.use("password_reset", token, now) is None:
                return False
            person = await repository.lock(link.account_id)
            await self._set(person, password_hash, None, "password.reset", address, now)
        return True

    async def change(
        self, person: Person, new_password: str, *, session: Session, address: str, now: datetime
    ) -> str | None:
        """Set a password after the old one was checked; return the new token of the session, which continues.

        Raises INVALID_INPUT, credentials.Outdated. Not inside a transaction.
        """
        passwords.check(new_password, email=person.email, field="new_password")
        password_hash = await passwords.hash_in_thread(new_password)
        async with database.transaction():
            return await self._set(person, password_hash, session, "password.changed", address, now)

    async def _set(
        self, person: Person, password_hash: str, keep: Session | None, action: str, address: str, now: datetime
    ) -> str | None:
        ended = await credentials.invalidate(person, keep=keep)
        await repository.set_password(person.id, password_hash)
        await people.record(person, action, address, now, sessions_ended=ended.sessions_ended)
        await people.send(person.email, self._letters.password_changed(person.name), now)
        return ended.token
