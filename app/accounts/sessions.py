"""Who is signed in: sessions of our own, each a token of 256 bits that only the browser holds.

The token is always drawn here, never taken from a request, and drawn anew at sign-in and whenever a code is given:
an id that somebody planted or saw before is worth nothing after. What ends a session deletes its row, so it ends
with the very next request.
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
    s.created_at, s.last_seen_at, s.address, s.user_agent
"""


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
            (id, token_hash, account, code_given_at, address, user_agent, created_at, last_seen_at, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8)
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
        f"""
        SELECT {_COLUMNS} FROM sessions s JOIN accounts a ON a.id = s.account
        WHERE s.token_hash = $1 AND s.expires_at > $2
        """,
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


async def renew(session_id: str, token: str, now: datetime) -> str | None:
    """A code was given just now: the session goes on under a new token, which is returned.

    None if the session ended meanwhile, or another request has renewed it.
    """
    new_token = ids.new_secret()
    renewed = await database.execute(
        "UPDATE sessions SET token_hash = $3, code_given_at = $4 WHERE id = $1 AND token_hash = $2",
        session_id,
        token_hash(token),
        token_hash(new_token),
        now,
    )
    return new_token if renewed else None


async def of_account(account_id: str, now: datetime) -> Sequence[Session]:
    """Where an account is signed in, the one used last first."""
    rows = await database.fetch_all(
        f"""
        SELECT {_COLUMNS} FROM sessions s JOIN accounts a ON a.id = s.account
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


async def end_all(account_id: str, *, but: str | None = None) -> int:
    """End every session of an account, and every sign-in that waits for its code; how many sessions.

    The session `but` goes on. In the caller's transaction where there is one.
    """
    await database.execute("DELETE FROM half_sign_ins WHERE account = $1", account_id)
    return await database.execute("DELETE FROM sessions WHERE account = $1 AND id IS DISTINCT FROM $2", account_id, but)


async def purge(now: datetime) -> int:
    """Delete what has run out: sessions and half sign-ins; how many."""
    ended = await database.execute("DELETE FROM sessions WHERE expires_at <= $1", now)
    return ended + await database.execute("DELETE FROM half_sign_ins WHERE expires_at <= $1", now)


def token_hash(token: str) -> bytes:
    """What is kept of a token. It has 256 bits, so no salt and no slow hash is needed."""
    return sha256(token.encode("utf-8", "replace"))
