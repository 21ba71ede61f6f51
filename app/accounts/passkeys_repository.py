"""Every statement on `passkeys` and `answered_challenges`."""

from datetime import datetime

import msgspec
from piccolo.columns.combination import WhereRaw

from app.accounts.tables import AnsweredChallenge, Passkey
from app.core import database
from app.core.statement import Command, Param, Statement, insert, select


class StoredPasskey(msgspec.Struct, frozen=True, kw_only=True):
    """A passkey of an account."""

    id: int
    account: str
    credential_id: bytes
    public_key: bytes
    sign_count: int
    is_synced: bool
    name: str
    created_at: datetime
    last_used_at: datetime | None


async def add(
    *,
    account: str,
    credential_id: bytes,
    public_key: bytes,
    sign_count: int,
    is_synced: bool,
    name: str,
    created_at: datetime,
) -> None:
    """Add a passkey. Raises asyncpg.UniqueViolationError for a credential that somebody has, and for a name that the
    account has used."""
    await _ADD.run(
        account=account,
        credential_id=credential_id,
        public_key=public_key,
        sign_count=sign_count,
        is_synced=is_synced,
        name=name,
        created_at=created_at,
        last_used_at=None,
    )


_ADD = Command(insert(Passkey))


async def of_account(account_id: str) -> list[StoredPasskey]:
    """An account's passkeys, oldest first."""
    return await _OF_ACCOUNT.all(account=account_id)


_OF_ACCOUNT = Statement(
    select(Passkey, StoredPasskey).where(Passkey.account == Param("account")).order_by(Passkey.id), StoredPasskey
)


class OperatorsPasskey(msgspec.Struct, frozen=True):
    """A passkey of an operator, and its owner's name."""

    owner: str
    name: str
    public_key: bytes


async def of_operators() -> list[OperatorsPasskey]:
    """The passkeys of all operators."""
    return await _OF_OPERATORS.all()


_OF_OPERATORS = Statement(
    Passkey.select(Passkey.account.name.as_alias("owner"), Passkey.name, Passkey.public_key)
    .where(WhereRaw("{}", Passkey.account.is_operator))
    .order_by(Passkey.id),
    OperatorsPasskey,
)


async def lock(credential_id: bytes) -> StoredPasskey | None:
    """The passkey with this id, locked in the caller's transaction."""
    database.in_transaction()
    return await _LOCK.first(credential_id=credential_id)


_LOCK = Statement(
    select(Passkey, StoredPasskey).where(Passkey.credential_id == Param("credential_id")).lock_rows("UPDATE"),
    StoredPasskey,
)


async def record_use(passkey_id: int, sign_count: int, now: datetime) -> None:
    """Store a passkey's new count and the time of its use."""
    await _RECORD_USE.run(id=passkey_id, sign_count=sign_count, now=now)


_RECORD_USE = Command(
    Passkey.update({Passkey.sign_count: Param("sign_count"), Passkey.last_used_at: Param("now")}).where(
        Passkey.id == Param("id")
    )
)


async def rename(account_id: str, passkey_id: int, name: str) -> bool:
    """Rename an account's passkey; False if it has none with this id. Raises asyncpg.UniqueViolationError."""
    return bool(await _RENAME.run(account=account_id, id=passkey_id, name=name))


_RENAME = Command(
    Passkey.update({Passkey.name: Param("name")}).where(Passkey.account == Param("account"), Passkey.id == Param("id"))
)


async def remove(account_id: str, passkey_id: int) -> str | None:
    """Delete an account's passkey and return its name; None if it has none with this id."""
    return await _REMOVE.first(account=account_id, id=passkey_id)


_REMOVE = Statement(
    Passkey.delete().where(Passkey.account == Param("account"), Passkey.id == Param("id")).returning(Passkey.name), str
)


async def add_answered(challenge_hash: bytes, expires_at: datetime) -> bool:
    """Store that a challenge was answered; False if it was before."""
    # SQL: the builder has no ON CONFLICT DO NOTHING that returns whether a row was written.
    return bool(
        await database.execute(
            "INSERT INTO answered_challenges (challenge_hash, expires_at) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            challenge_hash,
            expires_at,
        )
    )


async def purge_answered(now: datetime) -> int:
    """Delete answered challenges that have expired, and return how many."""
    return await _PURGE.run(now=now)


_PURGE = Command(AnsweredChallenge.delete().where(AnsweredChallenge.expires_at <= Param("now")))
