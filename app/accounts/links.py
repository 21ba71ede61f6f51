"""Links in letters: 256 bits that work once, for a while. Reading a link uses nothing up, pressing its button does:
mail scanners open every link they see."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from app.accounts.sessions import MAX_TOKEN_LENGTH, token_hash
from app.core import database, ids

Purpose = Literal["sign_up", "password_reset", "email_change"]

LIFETIME: dict[Purpose, timedelta] = {
    "sign_up": timedelta(hours=24),
    "password_reset": timedelta(hours=1),
    "email_change": timedelta(hours=24),
}

_COLUMNS = "account AS account_id, email, name, password_hash, next_path"
_WHERE = "WHERE token_hash = $1 AND purpose = $2 AND expires_at > $3"


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What a link will do. `account_id` is None for a sign-up, which alone has `name` and `password_hash`."""

    account_id: str | None
    email: str
    name: str | None = None
    password_hash: str | None = None
    next_path: str | None = None


async def make(purpose: Purpose, link: Link, now: datetime) -> str:
    """Write a link down, in the caller's transaction where there is one; its token."""
    token = ids.new_secret()
    await database.execute(
        """
        INSERT INTO mailed_links
            (token_hash, purpose, account, email, name, password_hash, next_path, created_at, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
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
    )
    return token


async def look(purpose: Purpose, token: str, now: datetime) -> Link | None:
    """The link of a token, left as it is; None if it was used, has run out or never was."""
    return await _link(f"SELECT {_COLUMNS} FROM mailed_links {_WHERE}", purpose, token, now)


async def use(purpose: Purpose, token: str, now: datetime) -> Link | None:
    """The link of a token, used up with this, in the caller's transaction; None as in `look`."""
    return await _link(f"DELETE FROM mailed_links {_WHERE} RETURNING {_COLUMNS}", purpose, token, now)


async def forget(purpose: Purpose, account_id: str) -> None:
    """What was mailed to an account for this purpose works no more."""
    await database.execute("DELETE FROM mailed_links WHERE account = $1 AND purpose = $2", account_id, purpose)


async def purge(now: datetime) -> int:
    """Delete links that have run out; how many."""
    return await database.execute("DELETE FROM mailed_links WHERE expires_at <= $1", now)


async def _link(statement: str, purpose: Purpose, token: str, now: datetime) -> Link | None:
    if not 0 < len(token) <= MAX_TOKEN_LENGTH:
        return None
    row = await database.fetch_one(statement, token_hash(token), purpose, now)
    return None if row is None else Link(**row)
