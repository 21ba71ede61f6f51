"""Who is signed in: sessions of our own, each a token of 256 bits that only the browser holds.

The token is always drawn here, never taken from a request, and drawn anew at sign-in, whenever a code is given, and
at every change of credentials: an id that somebody planted or saw before is worth nothing after. A session is looked
up for each request, so it ends with the next one after its row is deleted or its account's credentials change
(accounts/credentials.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.core import database, ids
from app.core.crypto import sha256

LIFETIME = timedelta(days=30)
"""From the sign-in on (contract, section 8)."""

FRESH_CODE = timedelta(minutes=10)
"""How long a code that was given is good for sensitive deeds (contract, section 8)."""

SEEN_EVERY = timedelta(minutes=1)
"""How exactly `last_seen_at` is kept: more would be a write for each page."""

MAX_TOKEN_LENGTH = 64
MAX_USER_AGENT_LENGTH = 200

_COLUMNS = """
    s.id, s.account, a.email, a.name, a.is_operator, a.totp_secret_sealed IS NOT NULL AS has_totp, s.code_given_at,
    s.created_at, s.last_seen_at, s.address, s.user_agent, s.token_hash
"""

_FROM = "FROM sessions s JOIN accounts a ON a.id = s.account AND a.credentials_version = s.credentials_version"
"""Every look-up goes through this: a session that was opened under other credentials is none."""


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody's session, with what every page needs to know of the person."""

    id: str
    account_id: str
    email: str
    name: str
    is_operator: bool
    has_totp: bool
    code_given_at: datetime | None
    created_at: datetime
    last_seen_at: datetime
    address: str
    user_agent: str
    token_hash: bytes


async def open_session(
    account_id: str, *, code_given: bool, address: str, user_agent: str, now: datetime
) -> tuple[str, str]:
    """Sign an account in, in the caller's transaction where there is one; the session's id and its token.

    `code_given` says that the second factor was proved just now.
    """
    session_id, token = ids.new_id(ids.SESSION), ids.new_secret()
    await database.execute(
        """
        INSERT INTO sessions
            (id, token_hash, account, code_given_at, address, user_agent, created_at, last_seen_at, expires_at,
                credentials_version)
        SELECT $1, $2, a.id, $4, $5, $6, $7, $7, $8, a.credentials_version FROM accounts a WHERE a.id = $3
        """,
        session_id,
        token_hash(token),
        account_id,
        now if code_given else None,
        address,
        user_agent[:MAX_USER_AGENT_LENGTH],
        now,
        now + LIFETIME,
    )
    return session_id, token


async def find(token: str, now: datetime) -> Session | None:
    """The session of a token, if it is one of ours and has not ended."""
    if not 0 < len(token) <= MAX_TOKEN_LENGTH:
        return None
    row = await database.fetch_one(
        f"SELECT {_COLUMNS} {_FROM} WHERE s.token_hash = $1 AND s.expires_at > $2",
        token_hash(token),
        now,
    )
    return None if row is None else Session(*row)


async def seen(session: Session, *, address: str, user_agent: str, now: datetime) -> None:
    """Note when and from where a session was used last, at most once a minute."""
    if now - session.last_seen_at < SEEN_EVERY:
        return
    await database.execute(
        "UPDATE sessions SET last_seen_at = $2, address = $3, user_agent = $4 WHERE id = $1 AND last_seen_at < $2",
        session.id,
        now,
        address,
        user_agent[:MAX_USER_AGENT_LENGTH],
    )


async def renew(session: Session, now: datetime) -> str | None:
    """A code was given just now: the session goes on under a new token, which is returned.

    None if the session ended meanwhile, or another request has renewed it.
    """
    token = ids.new_secret()
    renewed = await database.execute(
        "UPDATE sessions SET token_hash = $3, code_given_at = $4 WHERE id = $1 AND token_hash = $2",
        session.id,
        session.token_hash,
        token_hash(token),
        now,
    )
    return token if renewed else None


async def carry_over(session: Session, from_version: int, to_version: int) -> str | None:
    """Take a session from one version of its account's credentials to the next, under a new token; the token.

    None if it isn't a session of `from_version` under its token any more. In the caller's transaction.
    """
    token = ids.new_secret()
    carried = await database.execute(
        """
        UPDATE sessions SET token_hash = $3, credentials_version = $5
        WHERE id = $1 AND token_hash = $2 AND credentials_version = $4
        """,
        session.id,
        session.token_hash,
        token_hash(token),
        from_version,
        to_version,
    )
    return token if carried else None


async def forget_codes(account_id: str) -> None:
    """Codes that were given count no more: they proved a second step that was replaced or turned off.

    In the caller's transaction.
    """
    await database.execute("UPDATE sessions SET code_given_at = NULL WHERE account = $1", account_id)


async def count(account_id: str, credentials_version: int) -> int:
    """How many sessions were opened under one version of an account's credentials."""
    number: int = await database.fetch_value(
        "SELECT count(*) FROM sessions WHERE account = $1 AND credentials_version = $2",
        account_id,
        credentials_version,
    )
    return number


async def of_account(account_id: str, now: datetime) -> Sequence[Session]:
    """Where an account is signed in, the one used last first."""
    rows = await database.fetch_all(
        f"""
        SELECT {_COLUMNS} {_FROM}
        WHERE s.account = $1 AND s.expires_at > $2 ORDER BY s.last_seen_at DESC, s.id
        """,
        account_id,
        now,
    )
    return [Session(*row) for row in rows]


async def end(account_id: str, session_id: str) -> bool:
    """End one session of an account; False if it has none of this id."""
    return await database.execute("DELETE FROM sessions WHERE id = $1 AND account = $2", session_id, account_id) == 1


async def end_token(token: str) -> None:
    """End the session of a token, if it has one."""
    if 0 < len(token) <= MAX_TOKEN_LENGTH:
        await database.execute("DELETE FROM sessions WHERE token_hash = $1", token_hash(token))


async def purge(now: datetime) -> int:
    """Delete sessions and half sign-ins that have run out, or ended with a change of credentials; how many."""
    deleted = 0
    for table in ("sessions", "half_sign_ins"):
        deleted += await database.execute(
            f"""
            DELETE FROM {table} t USING accounts a
            WHERE a.id = t.account AND (t.expires_at <= $1 OR t.credentials_version <> a.credentials_version)
            """,
            now,
        )
    return deleted


def token_hash(token: str) -> bytes:
    """What is kept of a token. It has 256 bits, so no salt and no slow hash is needed."""
    return sha256(token.encode("utf-8", "replace"))
