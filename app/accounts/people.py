"""Shared by the services of accounts: send a letter to a person, record an audit entry, check a name."""

from datetime import datetime

from app.accounts import repository
from app.accounts.repository import Person
from app.audit import service as audit
from app.core import database, names, zones
from app.core.errors import invalid
from app.mail import service as mail
from app.mail.letters import Letter

MAX_NAME_LENGTH = 100


async def send(recipient: str, letter: Letter, now: datetime) -> None:
    """Send a letter to an address as it is stored, when the caller's transaction commits."""
    await mail.enqueue_to_kept(recipient, letter, now)


async def record(person: Person, action: str, address: str, now: datetime, **details: object) -> None:
    """Record in the audit log what a person did to their own account."""
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
        person = await repository.lock(account_id)
        await repository.set_name(account_id, name)
        await record(person, "name.changed", address, now)


async def choose_time_zone(account_id: str, name: str, *, address: str, now: datetime) -> None:
    """Change the time zone in which somebody reads times. Raises INVALID_INPUT. Not inside a transaction."""
    if not zones.is_known(name):
        raise invalid("time_zone", "is not a time zone that we know")
    async with database.transaction():
        person = await repository.lock(account_id)
        await repository.set_time_zone(account_id, name)
        await record(person, "time_zone.changed", address, now, time_zone=name)


def checked_name(name: str) -> str:
    """A name as it is stored. Raises INVALID_INPUT."""
    name = " ".join(name.split())
    if not 1 <= len(name) <= MAX_NAME_LENGTH:
        raise invalid("name", f"must have 1 to {MAX_NAME_LENGTH} characters")
    if not name.isprintable():
        raise invalid("name", "holds characters that can't be shown")
    names.refuse_address("name", name)
    return name
