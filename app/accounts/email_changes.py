"""Another e-mail address: asked for by who is signed in, confirmed by who reads the new mailbox, told to the old."""

from datetime import datetime, timedelta

import asyncpg

from app.accounts import links, people
from app.accounts.letters import Letters
from app.accounts.links import Link
from app.accounts.people import Person
from app.accounts.service import checked_email
from app.accounts.sign_up import may_write_to
from app.accounts.throttle import Limit, Throttle
from app.core import database
from app.core.errors import ApiError, Code, invalid

PER_ACCOUNT = Limit("email_change:account", 5, timedelta(hours=1))


class EmailChanges:
    """Changing addresses, for one deployment."""

    def __init__(self, throttle: Throttle, letters: Letters) -> None:
        self._throttle = throttle
        self._letters = letters

    async def ask(self, person: Person, new_email: str, *, address: str, now: datetime) -> None:
        """Send a link to the new address and word to the old one. Who asks isn't told whether the address is taken.

        Raises INVALID_INPUT, RATE_LIMITED. Not inside a transaction.
        """
        new_email = checked_email(new_email)
        if new_email == person.email:
            raise invalid("email", "is your address already")
        await self._throttle.take([(PER_ACCOUNT, person.id)], now)
        allowed = await may_write_to(self._throttle, new_email, now)
        async with database.transaction():
            await links.forget("email_change", person.id)
            link = Link(account_id=person.id, email=new_email)
            token = await links.make("email_change", link, now)
            await people.note(person, "email.change_asked", address, now)
            await people.write(person.email, self._letters.email_change_asked(person.name, new_email), now)
            if not allowed:
                return
            if await people.by_email(new_email) is None:
                letter = self._letters.confirm_new_email(person.name, token)
            else:
                letter = self._letters.already_signed_up(person.name)
            await people.write(new_email, letter, now)

    async def confirm(self, token: str, *, address: str, now: datetime) -> str | None:
        """Change the address as a link says; the new one, None if the link works no more.

        Raises INVALID_INPUT if the address was taken meanwhile. Not inside a transaction.
        """
        async with database.transaction():
            link = await links.use("email_change", token, now)
            if link is None or link.account_id is None:
                return None
            person = await people.locked(link.account_id)
            try:
                await database.execute("UPDATE accounts SET email = $2 WHERE id = $1", person.id, link.email)
            except asyncpg.UniqueViolationError:
                raise ApiError(Code.INVALID_INPUT, "this address has an account already") from None
            # A link to the old mailbox must not open what moved away from it.
            await links.forget("password_reset", person.id)
            await people.note(person, "email.changed", address, now)
            await people.write(person.email, self._letters.email_changed(person.name, link.email), now)
        return link.email
