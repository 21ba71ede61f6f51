"""What the use cases of accounts have in common: the person, a letter to them, a line in the audit log."""

from dataclasses import dataclass
from datetime import datetime

from app.audit import service as audit
from app.core import database, names
from app.core.errors import invalid
from app.mail import service as mail
from app.mail.letters import Letter

MAX_NAME_LENGTH = 100


@dataclass(frozen=True, slots=True)
class Person:
    """An account as its own use cases see it."""

    id: str
    email: str
    name: str
    password_hash: str
    is_operator: bool
    has_totp: bool
    credentials_version: int

    @property
    def actor(self) -> str:
        """Who did it, for the audit log."""
        return f"account:{self.id}"


_COLUMNS = """
    id, email, name, password_hash, is_operator, totp_secret_sealed IS NOT NULL AS has_totp, credentials_version
"""


async def by_email(email: str) -> Person | None:
    """The person who signs in with this address, given in lower case."""
    row = await database.fetch_one(f"SELECT {_COLUMNS} FROM accounts WHERE email = $1", email)
    return None if row is None else Person(*row)


async def by_id(account_id: str) -> Person:
    """The person of an account that is known to be there."""
    row = await database.fetch_one(f"SELECT {_COLUMNS} FROM accounts WHERE id = $1", account_id)
    assert row is not None, account_id
    return Person(*row)


async def locked(account_id: str) -> Person:
    """The same, and nobody changes the account until the caller's transaction ends."""
    database.in_transaction()
    row = await database.fetch_one(f"SELECT {_COLUMNS} FROM accounts WHERE id = $1 FOR UPDATE", account_id)
    assert row is not None, account_id
    return Person(*row)


async def write(recipient: str, letter: Letter, now: datetime) -> None:
    """Send a letter to an address as it is kept, when the caller's transaction commits."""
    await mail.enqueue_to_kept(recipient, letter, now)


async def note(person: Person, action: str, address: str, now: datetime, **details: object) -> None:
    """A deed of a person on their own account, in the audit log."""
    await audit.record(
        actor=person.actor,
        action=action,
        subject=person.id,
        merchant_id=None,
        address=address,
        details=details,
        now=now,
    )


async def rename(account_id: str, name: str, *, address: str, now: datetime) -> None:
    """Change somebody's name. Raises INVALID_INPUT. Not inside a transaction."""
    name = checked_name(name)
    async with database.transaction():
        person = await locked(account_id)
        await database.execute("UPDATE accounts SET name = $2 WHERE id = $1", account_id, name)
        await note(person, "name.changed", address, now)


def checked_name(name: str) -> str:
    """A name as it is kept. Raises INVALID_INPUT."""
    name = " ".join(name.split())
    if not 1 <= len(name) <= MAX_NAME_LENGTH:
        raise invalid("name", f"must have 1 to {MAX_NAME_LENGTH} characters")
    if not name.isprintable():
        raise invalid("name", "holds characters that can't be shown")
    names.refuse_address("name", name)
    return name
