"""Every statement on `sessions` and `half_sign_ins`.

Both store the version of their account's credentials with which they were created. Each look-up compares it with the
account's: sessions of other credentials have ended (accounts/credentials.py).
"""

from datetime import datetime

import msgspec
from piccolo.columns.combination import WhereRaw
from piccolo.querystring import QueryString

from app.accounts.tables import HalfSignIn
from app.accounts.tables import Session as SessionTable
from app.core import database
from app.core.statement import Command, Param, Statement, insert


class Session(msgspec.Struct, frozen=True):
    """A session, with the person's data that every page needs."""

    id: str
    account_id: str
    email: str
    name: str
    is_operator: bool
    has_totp: bool
    passkey_ids: list[bytes]
    """The ids of the account's passkeys, by which browsers know them."""
    code_given_at: datetime | None
    created_at: datetime
    last_seen_at: datetime
    address: str
    user_agent: str
    token_hash: bytes
    time_zone: str | None
    """The name of the account's time zone; None until it has one."""

    @property
    def has_passkey(self) -> bool:
        """Whether the account has a passkey."""
        return bool(self.passkey_ids)

    @property
    def has_second_step(self) -> bool:
        """Whether signing in takes more than the password."""
        return self.has_totp or self.has_passkey


_COLUMNS = (
    SessionTable.id,
    SessionTable.account.as_alias("account_id"),
    SessionTable.account.email.as_alias("email"),
    SessionTable.account.name.as_alias("name"),
    SessionTable.account.is_operator.as_alias("is_operator"),
    QueryString("{} IS NOT NULL", SessionTable.account.totp_secret_sealed, alias="has_totp"),
    QueryString(
        "ARRAY(SELECT p.credential_id FROM passkeys p WHERE p.account = {} ORDER BY p.id)",
        SessionTable.account,
        alias="passkey_ids",
    ),
    SessionTable.code_given_at,
    SessionTable.created_at,
    SessionTable.last_seen_at,
    SessionTable.address,
    SessionTable.user_agent,
    SessionTable.token_hash,
    SessionTable.account.time_zone.as_alias("time_zone"),
)
_IS_CURRENT = WhereRaw("{} = {}", SessionTable.account.credentials_version, SessionTable.credentials_version)
_IS_OUTDATED = WhereRaw("{} <> {}", SessionTable.account.credentials_version, SessionTable.credentials_version)
_IS_LIVE = SessionTable.expires_at > Param("now")


async def add(
    session_id: str,
    account_id: str,
    *,
    token_hash: bytes,
    code_given_at: datetime | None,
    address: str,
    user_agent: str,
    now: datetime,
    expires_at: datetime,
) -> None:
    """Add a session with the account's current credentials."""
    # SQL, since the builder knows no INSERT … SELECT: the version must be the account's at this moment.
    await database.execute(
        """
        INSERT INTO sessions
            (id, token_hash, account, code_given_at, address, user_agent, created_at, last_seen_at, expires_at,
                credentials_version)
        SELECT $1, $2, a.id, $4, $5, $6, $7, $7, $8, a.credentials_version FROM accounts a WHERE a.id = $3
        """,
        session_id,
        token_hash,
        account_id,
        code_given_at,
        address,
        user_agent,
        now,
        expires_at,
    )


async def by_token(token_hash: bytes, now: datetime) -> Session | None:
    """The session of a token, if it has not ended."""
    return await _BY_TOKEN.first(token_hash=token_hash, now=now)


_BY_TOKEN = Statement(
    SessionTable.select(*_COLUMNS).where(SessionTable.token_hash == Param("token_hash"), _IS_LIVE, _IS_CURRENT), Session
)


async def of_account(account_id: str, now: datetime) -> list[Session]:
    """The sessions of an account that have not ended, the one used last first."""
    return await _OF_ACCOUNT.all(account=account_id, now=now)


_OF_ACCOUNT = Statement(
    SessionTable.select(*_COLUMNS)
    .where(SessionTable.account == Param("account"), _IS_LIVE, _IS_CURRENT)
    .order_by(SessionTable.last_seen_at, ascending=False)
    .order_by(SessionTable.id),
    Session,
)


async def count(account_id: str, credentials_version: int) -> int:
    """How many sessions were opened under one version of an account's credentials."""
    return await _COUNT.one(account=account_id, version=credentials_version)


_COUNT = Statement(
    SessionTable.count().where(
        SessionTable.account == Param("account"), SessionTable.credentials_version == Param("version")
    ),
    int,
)


async def record_use(session_id: str, *, address: str, user_agent: str, now: datetime) -> None:
    """Record when and from where a session was used, unless a later use is recorded."""
    await _RECORD_USE.run(id=session_id, address=address, user_agent=user_agent, now=now)


_RECORD_USE = Command(
    SessionTable.update(
        {
            SessionTable.last_seen_at: Param("now"),
            SessionTable.address: Param("address"),
            SessionTable.user_agent: Param("user_agent"),
        }
    ).where(SessionTable.id == Param("id"), SessionTable.last_seen_at < Param("now"))
)


async def renew(session: Session, token_hash: bytes, code_given_at: datetime) -> bool:
    """Set a session's token and the time of its code; False where its token has changed or it has ended."""
    return bool(
        await _RENEW.run(
            id=session.id, old_token_hash=session.token_hash, token_hash=token_hash, code_given_at=code_given_at
        )
    )


_HAS_ITS_TOKEN = (SessionTable.id == Param("id")) & (SessionTable.token_hash == Param("old_token_hash"))
_RENEW = Command(
    SessionTable.update(
        {SessionTable.token_hash: Param("token_hash"), SessionTable.code_given_at: Param("code_given_at")}
    ).where(_HAS_ITS_TOKEN)
)


async def move_to_version(session: Session, token_hash: bytes, from_version: int, to_version: int) -> bool:
    """Set a session's token and version; False where its token or version has changed or it has ended."""
    return bool(
        await _MOVE.run(
            id=session.id,
            old_token_hash=session.token_hash,
            token_hash=token_hash,
            from_version=from_version,
            to_version=to_version,
        )
    )


_MOVE = Command(
    SessionTable.update(
        {SessionTable.token_hash: Param("token_hash"), SessionTable.credentials_version: Param("to_version")}
    ).where(_HAS_ITS_TOKEN, SessionTable.credentials_version == Param("from_version"))
)


async def clear_code_times(account_id: str) -> None:
    """Forget in all sessions of the account that a code was given."""
    await _CLEAR_CODE_TIMES.run(account=account_id)


_CLEAR_CODE_TIMES = Command(
    SessionTable.update({SessionTable.code_given_at: None}).where(SessionTable.account == Param("account"))
)


async def delete(account_id: str, session_id: str) -> bool:
    """Delete a session of an account; False if it has no such session."""
    return bool(await _DELETE.run(id=session_id, account=account_id))


_DELETE = Command(SessionTable.delete().where(SessionTable.id == Param("id"), SessionTable.account == Param("account")))


async def delete_by_token(token_hash: bytes) -> None:
    """Delete the session of a token, if there is one."""
    await _DELETE_BY_TOKEN.run(token_hash=token_hash)


_DELETE_BY_TOKEN = Command(SessionTable.delete().where(SessionTable.token_hash == Param("token_hash")))


async def purge(now: datetime) -> int:
    """Delete sessions and half sign-ins that expired or have other credentials; return how many."""
    return await _PURGE_SESSIONS.run(now=now) + await _PURGE_HALF_SIGN_INS.run(now=now)


_PURGE_SESSIONS = Command(
    SessionTable.delete().where(
        SessionTable.id.is_in(
            SessionTable.select(SessionTable.id).where((SessionTable.expires_at <= Param("now")) | _IS_OUTDATED)
        )
    )
)
_PURGE_HALF_SIGN_INS = Command(
    HalfSignIn.delete().where(
        HalfSignIn.token_hash.is_in(
            HalfSignIn.select(HalfSignIn.token_hash).where(
                (HalfSignIn.expires_at <= Param("now"))
                | WhereRaw("{} <> {}", HalfSignIn.account.credentials_version, HalfSignIn.credentials_version)
            )
        )
    )
)


async def add_half_sign_in(
    account_id: str, *, token_hash: bytes, credentials_version: int, now: datetime, expires_at: datetime
) -> None:
    """Add a sign-in whose password was right and whose code is still missing."""
    await _ADD_HALF.run(
        token_hash=token_hash,
        account=account_id,
        created_at=now,
        expires_at=expires_at,
        credentials_version=credentials_version,
    )


_ADD_HALF = Command(insert(HalfSignIn))


async def half_sign_in(token_hash: bytes, now: datetime) -> str | None:
    """The account of a half sign-in that has not ended."""
    return await _HALF.first(token_hash=token_hash, now=now)


_HALF = Statement(
    HalfSignIn.select(HalfSignIn.account).where(
        HalfSignIn.token_hash == Param("token_hash"),
        HalfSignIn.expires_at > Param("now"),
        WhereRaw("{} = {}", HalfSignIn.account.credentials_version, HalfSignIn.credentials_version),
    ),
    str,
)


async def use_half_sign_in(token_hash: bytes, credentials_version: int) -> bool:
    """Delete a half sign-in; False where there is none with this version of the account's credentials."""
    return bool(await _USE_HALF.run(token_hash=token_hash, version=credentials_version))


_USE_HALF = Command(
    HalfSignIn.delete().where(
        HalfSignIn.token_hash == Param("token_hash"), HalfSignIn.credentials_version == Param("version")
    )
)
