"""Every statement on `mailed_links`."""

from datetime import datetime

import msgspec
from piccolo.columns.combination import WhereRaw

from app.accounts.tables import MailedLink
from app.core.statement import Command, Param, Statement, insert


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """A link's data. `account_id` is None for a sign-up; only a sign-up has `name` and `password_hash`.

    A link ends when the account's `credentials_version` changes; a sign-up has no account and ignores it, and so does
    what takes rights away (accounts/not_me.py). `created_at` is when it was stored, None before.
    """

    account_id: str | None
    email: str
    credentials_version: int
    name: str | None = None
    password_hash: str | None = None
    next_path: str | None = None
    created_at: datetime | None = None


_COLUMNS = (
    MailedLink.account.as_alias("account_id"),
    MailedLink.email,
    MailedLink.name,
    MailedLink.password_hash,
    MailedLink.next_path,
    MailedLink.credentials_version,
    MailedLink.created_at,
)
OUTLIVES_CHANGES = "not_me"
"""The purpose of links that a change of credentials does not end."""

_ACCOUNTS_VERSION = "(SELECT a.credentials_version FROM accounts a WHERE a.id = {})"
_IS_GOOD = (
    (MailedLink.token_hash == Param("token_hash"))
    & (MailedLink.purpose == Param("purpose"))
    & (MailedLink.expires_at > Param("now"))
    & (
        MailedLink.account.is_null()
        | (MailedLink.purpose == OUTLIVES_CHANGES)
        | WhereRaw(f"{{}} = {_ACCOUNTS_VERSION}", MailedLink.credentials_version, MailedLink.account)
    )
)
"""A link ends when its account's credentials change (accounts/credentials.py)."""


async def add(purpose: str, link: Link, *, token_hash: bytes, now: datetime, expires_at: datetime) -> None:
    """Add a link."""
    await _ADD.run(
        token_hash=token_hash,
        purpose=purpose,
        account=link.account_id,
        email=link.email,
        name=link.name,
        password_hash=link.password_hash,
        next_path=link.next_path,
        created_at=now,
        expires_at=expires_at,
        credentials_version=link.credentials_version,
    )


_ADD = Command(insert(MailedLink))


async def find(purpose: str, token_hash: bytes, now: datetime) -> Link | None:
    """The link of a token, if it still works."""
    return await _FIND.first(purpose=purpose, token_hash=token_hash, now=now)


_FIND = Statement(MailedLink.select(*_COLUMNS).where(_IS_GOOD), Link)


async def use(purpose: str, token_hash: bytes, now: datetime) -> Link | None:
    """Delete the link of a token, if it still works, and return it."""
    return await _USE.first(purpose=purpose, token_hash=token_hash, now=now)


_USE = Statement(MailedLink.delete().where(_IS_GOOD).returning(*_COLUMNS), Link)


async def revoke(purpose: str, account_id: str) -> None:
    """Delete an account's links of this purpose."""
    await _REVOKE.run(purpose=purpose, account=account_id)


_REVOKE = Command(
    MailedLink.delete().where(MailedLink.account == Param("account"), MailedLink.purpose == Param("purpose"))
)


async def purge(now: datetime) -> int:
    """Delete links that expired or ended with a change of credentials; return how many."""
    return await _PURGE.run(now=now)


_PURGE = Command(
    MailedLink.delete().where(
        (MailedLink.expires_at <= Param("now"))
        | (
            (MailedLink.purpose != OUTLIVES_CHANGES)
            & WhereRaw(f"{{}} <> {_ACCOUNTS_VERSION}", MailedLink.credentials_version, MailedLink.account)
        )
    )
)
