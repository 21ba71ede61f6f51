"""Links in letters: tokens of 256 bits that work once, for a limited time. Opening a link doesn't use it, the button on
its page does: mail scanners open every link."""

from datetime import datetime, timedelta
from typing import Literal

from app.accounts import links_repository, repository
from app.accounts.links_repository import Link
from app.accounts.repository import Person
from app.accounts.sessions import MAX_TOKEN_LENGTH, token_hash
from app.core import database, ids

Purpose = Literal["sign_up", "password_reset", "email_change", "not_me"]

LIFETIME: dict[Purpose, timedelta] = {
    "sign_up": timedelta(hours=24),
    "password_reset": timedelta(hours=1),
    "email_change": timedelta(hours=24),
    "not_me": timedelta(days=7),
}


def of(person: Person, email: str) -> Link:
    """A link about `email` that ends when the person's credentials change."""
    return Link(account_id=person.id, email=email, credentials_version=person.credentials_version)


async def create(purpose: Purpose, link: Link, now: datetime) -> str:
    """Create a link, in the caller's transaction where there is one, and return its token."""
    token = ids.new_secret()
    await links_repository.add(purpose, link, token_hash=token_hash(token), now=now, expires_at=now + LIFETIME[purpose])
    return token


async def find(purpose: Purpose, token: str, now: datetime) -> Link | None:
    """The link of a token; None if it was used, has expired, or its account's credentials changed.

    A change of credentials does not end a link of the purpose `not_me` (accounts/not_me.py).
    """
    if not 0 < len(token) <= MAX_TOKEN_LENGTH:
        return None
    return await links_repository.find(purpose, token_hash(token), now)


async def use(purpose: Purpose, token: str, now: datetime) -> Link | None:
    """Use up a link in the caller's transaction; None as in `find`.

    Locks the link's account, so that of two changes of credentials at once the later one finds its link ended.
    """
    database.in_transaction()
    link = await find(purpose, token, now)
    if link is None:
        return None
    if link.account_id is not None:
        await repository.lock(link.account_id)
    return await links_repository.use(purpose, token_hash(token), now)
