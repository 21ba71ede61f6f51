"""Links in letters: 256 bits that work once, for a while. Reading a link uses nothing up, pressing its button does:
mail scanners open every link they see."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from app.accounts import people
from app.accounts.people import Person
from app.accounts.sessions import MAX_TOKEN_LENGTH, token_hash
from app.core import database, ids

Purpose = Literal["sign_up", "password_reset", "email_change"]

LIFETIME: dict[Purpose, timedelta] = {
    "sign_up": timedelta(hours=24),
    "password_reset": timedelta(hours=1),
    "email_change": timedelta(hours=24),
}

_COLUMNS = "account AS account_id, email, name, password_hash, next_path, credentials_version"
_WHERE = """
    WHERE token_hash = $1 AND purpose = $2 AND expires_at > $3 AND (account IS NULL
        OR credentials_version = (SELECT a.credentials_version FROM accounts a WHERE a.id = account))
"""
"""A link of an account that changed its credentials since is none (accounts/credentials.py)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What a link will do. `account_id` is None for a sign-up, which alone has `name` and `password_hash`.

    It ends with the account's `credentials_version`; a sign-up has no account, and so 0 means nothing.
    """

    account_id: str | None
    email: str
    credentials_version: int
    name: str | None = None
    password_hash: str | None = None
    next_path: str | None = None


def of(person: Person, email: str) -> Link:
    """A link about `email` that ends when the person's credentials change."""
    return Link(account_id=person.id, email=email, credentials_version=person.credentials_version)


async def make(purpose: Purpose, link: Link, now: datetime) -> str:
    """Write a link down, in the caller's transaction where there is one; its token."""
    token = ids.new_secret()
    await database.execute(
        """
        INSERT INTO mailed_links
            (token_hash, purpose, account, email, name, password_hash, next_path, created_at, expires_at,
                credentials_version)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
        """,
        token_hash(token),
        purpose,
        link.account_id,
        link.email,
        link.name,
        link.password_hash,
        link.next_path,
        now,
        now + LIFETIME[purpose],
        link.credentials_version,
    )
    return token


async def look(purpose: Purpose, token: str, now: datetime) -> Link | None:
    """The link of a token, left as it is; None if it was used, has run out, or its account's credentials changed."""
    return await _link(f"SELECT {_COLUMNS} FROM mailed_links {_WHERE}", purpose, token, now)


async def use(purpose: Purpose, token: str, now: datetime) -> Link | None:
    """The link of a token, used up with this, in the caller's transaction; None as in `look`.

    Locks the link's account, so that of two changes of credentials at once the later one finds its link ended.
    """
    database.in_transaction()
    link = await look(purpose, token, now)
    if link is None:
        return None
    if link.account_id is not None:
        await people.locked(link.account_id)
    return await _link(f"DELETE FROM mailed_links {_WHERE} RETURNING {_COLUMNS}", purpose, token, now)


async def forget(purpose: Purpose, account_id: str) -> None:
    """What an account was mailed for this purpose works no more."""
    await database.execute("DELETE FROM mailed_links WHERE account = $1 AND purpose = $2", account_id, purpose)


async def purge(now: datetime) -> int:
    """Delete links that have run out, or ended with a change of credentials; how many."""
    return await database.execute(
        """
        DELETE FROM mailed_links WHERE expires_at <= $1
            OR credentials_version <> (SELECT a.credentials_version FROM accounts a WHERE a.id = account)
        """,
        now,
    )


async def _link(statement: str, purpose: Purpose, token: str, now: datetime) -> Link | None:
    if not 0 < len(token) <= MAX_TOKEN_LENGTH:
        return None
    row = await database.fetch_one(statement, token_hash(token), purpose, now)
    return None if row is None else Link(**row)
