"""Sign up: an account is created only when the reader of the mailbox confirms it with the chosen password.

The page of the link asks for the password again. Otherwise a stranger could sign up with somebody's address and a
password of their own, and the owner who opened the link would create an account that the stranger can sign in to.
"""

from datetime import datetime, timedelta

import asyncpg

from app.accounts import known_browsers, links, passwords, people, repository
from app.accounts.known_browsers import Place
from app.accounts.letters import Letters
from app.accounts.links_repository import Link
from app.accounts.service import checked_email
from app.accounts.throttle import Limit, Throttle
from app.core import database, ids, zones
from app.core.errors import ApiError, Code, Problems, invalid
from app.mail import service as mail
from app.mail.letters import Kind

PER_ADDRESS = Limit("sign_up:address", 30, timedelta(hours=1))
"""Sign-ups from one network address."""

CONFIRMATIONS = Limit("sign_up:confirm", 10, timedelta(minutes=15))
"""Wrong passwords for one link."""


class SignUp:
    """Signs people up. One per process."""

    def __init__(self, throttle: Throttle, letters: Letters) -> None:
        self._throttle = throttle
        self._letters = letters

    async def proof_of(self, password: str, *, site: str, now: datetime) -> str | None:
        """What may be kept of a password while its form has other errors: the hash, which `request` takes in its place.
        None where the password is no good, or too many attempts were made. Not inside a transaction."""
        try:
            passwords.check(password)
            await self._throttle.take([(PER_ADDRESS, site)], now)
        except ApiError:
            return None
        return await passwords.hash_in_thread(password)

    async def request(
        self,
        *,
        email: str,
        name: str,
        password: str,
        proof: str | None = None,
        next_path: str | None,
        site: str,
        now: datetime,
    ) -> None:
        """Send a letter to the address: a link that creates the account, or a notice that it has one already.

        Both take the same time. `proof` stands for a password that was given before. Raises INVALID_INPUT for a bad
        address, name or password, RATE_LIMITED. Not inside a transaction.
        """
        email, name = checked(email, name, password, proof)
        await self._throttle.take([(PER_ADDRESS, site)], now)
        if proof is None or password:
            password_hash = await passwords.hash_in_thread(password)
        else:
            password_hash = proof
            for guess in (email, email.partition("@")[0]):  # the rule of passwords.check for another address
                if await passwords.is_right_in_thread(guess, password_hash):
                    raise invalid("password", passwords.TOO_COMMON)
        async with database.transaction():
            if not await mail.may_write(Kind.UNASKED, email, now):
                return  # the answer is the same
            link = Link(
                account_id=None,
                email=email,
                name=name,
                password_hash=password_hash,
                next_path=next_path,
                credentials_version=0,
            )
            token = await links.create("sign_up", link, now)
            known = await repository.by_email(email)
            if known is None:
                letter = self._letters.confirm_sign_up(token)
            else:
                letter = self._letters.already_signed_up(known.name)
            await people.send(email, letter, now)

    async def create_invited(
        self, *, email: str, name: str, password: str, site: str, place: Place, now: datetime, time_zone: str = ""
    ) -> None:
        """Create the account of somebody who has opened the link of an invitation: that confirms the address.

        `place` is known from then on: the sign-in that follows is no new one.

        Raises INVALID_INPUT for a bad name or password, or if the address has an account; RATE_LIMITED. Not inside a
        transaction.
        """
        email, name = checked(email, name, password)
        await self._throttle.take([(PER_ADDRESS, site)], now)
        password_hash = await passwords.hash_in_thread(password)
        async with database.transaction():
            await _create(email, name, password_hash, place, now, time_zone)

    async def confirm(
        self, token: str, password: str, *, place: Place, now: datetime, time_zone: str = ""
    ) -> Link | None:
        """Create the account of a link; None if the link has ended. `place` is known from then on.

        `time_zone` is what the browser said; where it is no zone that we know, the account has none yet.
        Raises INVALID_INPUT for another password than was chosen, RATE_LIMITED. Not inside a transaction.
        """
        link = await links.find("sign_up", token, now)
        if link is None or link.password_hash is None or link.name is None:
            return None
        await self._throttle.take([(CONFIRMATIONS, token)], now)
        if not await passwords.is_right_in_thread(password, link.password_hash):
            raise invalid("password", "is not the one that you chose when you signed up")
        async with database.transaction():
            if await links.use("sign_up", token, now) is None:
                return None
            await _create(link.email, link.name, link.password_hash, place, now, time_zone)
        return link


async def _create(email: str, name: str, password_hash: str, place: Place, now: datetime, time_zone: str) -> None:
    """Add an account, in the caller's transaction. Raises INVALID_INPUT if the address has one."""
    account_id = ids.new_id(ids.ACCOUNT)
    try:
        await repository.add(
            account_id=account_id,
            email=email,
            name=name,
            password_hash=password_hash,
            is_operator=False,
            totp_secret_sealed=None,
            now=now,
            time_zone=time_zone if zones.is_known(time_zone) else None,
        )
    except asyncpg.UniqueViolationError:
        raise ApiError(Code.INVALID_INPUT, "This address has an account already. Sign in with it.") from None
    await known_browsers.remember(account_id, place, now)
    await people.record(await repository.by_id(account_id), "account.created", place.address, now)


def checked(email: str, name: str, password: str, proof: str | None = None) -> tuple[str, str]:
    """The address and the name as they are stored. An empty password is right where there is a proof of an earlier one.
    Raises INVALID_INPUT, with all that is wrong."""
    problems = Problems()
    with problems.gathered():
        name = people.checked_name(name)
    with problems.gathered():
        email = checked_email(email)
    with problems.gathered():
        if password or proof is None:
            passwords.check(password, email=email)
    problems.refuse()
    return email, name
