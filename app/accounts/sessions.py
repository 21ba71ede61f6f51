"""Sessions of signed-in people: each has a token of 256 bits, and the database only its hash.

Tokens are created here, never taken from a request. A session gets a new one at sign-in, whenever a code is given, and
at every change of credentials, so a token that somebody planted or saw before does not work afterwards. A session is
read for each request: it has ended as soon as its row is deleted or its account's credentials change
(accounts/credentials.py).
"""

from datetime import datetime, timedelta

from app.accounts import sessions_repository as repository
from app.accounts.sessions_repository import Session
from app.core import ids
from app.core.crypto import sha256

LIFETIME = timedelta(days=30)
"""The lifetime of a session, from the sign-in (contract, section 8)."""

FRESH_CODE = timedelta(minutes=10)
"""How long a code that was given allows sensitive actions (contract, section 8)."""

SEEN_EVERY = timedelta(minutes=1)
"""The precision of `last_seen_at`: a finer one would cost a write for each page."""

MAX_TOKEN_LENGTH = 64
MAX_USER_AGENT_LENGTH = 200


async def open_session(
    account_id: str, *, code_given: bool, address: str, user_agent: str, now: datetime
) -> tuple[str, str]:
    """Sign an account in, in the caller's transaction where there is one; return the session's id and its token.

    `code_given` says that the second factor was checked just now.
    """
    session_id, token = ids.new_id(ids.SESSION), ids.new_secret()
    await repository.add(
        session_id,
        account_id,
        token_hash=token_hash(token),
        code_given_at=now if code_given else None,
        address=address,
        user_agent=user_agent[:MAX_USER_AGENT_LENGTH],
        now=now,
        expires_at=now + LIFETIME,
    )
    return session_id, token


async def find(token: str, now: datetime) -> Session | None:
    """The session of a token, if there is one and it has not ended."""
    if not 0 < len(token) <= MAX_TOKEN_LENGTH:
        return None
    return await repository.by_token(token_hash(token), now)


async def record_use(session: Session, *, address: str, user_agent: str, now: datetime) -> None:
    """Record when and from where a session was used last, at most once a minute."""
    if now - session.last_seen_at < SEEN_EVERY:
        return
    await repository.record_use(session.id, address=address, user_agent=user_agent[:MAX_USER_AGENT_LENGTH], now=now)


async def renew(session: Session, now: datetime) -> str | None:
    """Record that a code was given just now; return the session's new token.

    None if the session ended meanwhile, or another request has renewed it.
    """
    token = ids.new_secret()
    return token if await repository.renew(session, token_hash(token), now) else None


async def move_to_version(session: Session, from_version: int, to_version: int) -> str | None:
    """Move a session from one version of its account's credentials to the next; return its new token.

    None if its version or token has changed meanwhile. In the caller's transaction.
    """
    token = ids.new_secret()
    moved = await repository.move_to_version(session, token_hash(token), from_version, to_version)
    return token if moved else None


async def end_token(token: str) -> None:
    """End the session of a token, if it has one."""
    if 0 < len(token) <= MAX_TOKEN_LENGTH:
        await repository.delete_by_token(token_hash(token))


def token_hash(token: str) -> bytes:
    """The hash that is stored of a token. A token has 256 bits, so no salt and no slow hash is needed."""
    return sha256(token.encode("utf-8", "replace"))
