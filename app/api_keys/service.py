"""API keys of a merchant: issue, update, rotate, revoke.

Each change is one statement, in the caller's transaction if there is one (the cabinet adds its audit row there).
The next request with the key sees the change, because each request reads the row. The account that is shown a secret
is recorded as a holder of the key in the same statement: a payout that the key requests counts as that person's.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import asyncpg

from app.api_keys import allowlist as allowlists
from app.api_keys import repository, secrets
from app.api_keys import scopes as key_scopes
from app.api_keys.repository import Key, KeySettings
from app.api_keys.secrets import Mode
from app.core import ids
from app.core.errors import ApiError, Code, Problems, invalid
from app.core.settings import Peppers

DEFAULT_RATE_LIMIT_PER_MINUTE = 60
"""Contract, section 2."""

MAX_RATE_LIMIT_PER_MINUTE = 1_000_000
MAX_NAME_LENGTH = 100

MAX_GRACE_HOURS = 72
"""How long the old secret may be valid after a rotation (contract, section 2)."""


async def issue(
    peppers: Peppers,
    *,
    merchant_id: str,
    mode: Mode,
    name: str,
    scopes: Sequence[str],
    allowlist: Sequence[str],
    seen_by: str | None,
    now: datetime,
    rate_limit_per_minute: int = DEFAULT_RATE_LIMIT_PER_MINUTE,
    expires_at: datetime | None = None,
) -> tuple[Key, str]:
    """Issue a key. Returns it and its full string, which is not stored. Raises INVALID_INPUT naming the field.

    `seen_by` is the account that sees the string, None if no account does.
    """
    settings = checked_settings(name, scopes, allowlist, rate_limit_per_minute, expires_at, now)
    secret = secrets.new_secret()
    stored = secrets.seal(peppers, secret)
    while True:
        key_id = ids.random_crockford(secrets.KEY_ID_LENGTH)
        try:
            key = await repository.add(key_id, merchant_id, mode, settings, stored, seen_by=seen_by, now=now)
        except asyncpg.ForeignKeyViolationError:
            raise invalid("merchant_id", "is no merchant's") from None
        if key is not None:
            return key, secrets.compose(mode, key_id, secret)


async def update(
    *,
    key_id: str,
    merchant_id: str,
    name: str,
    scopes: Sequence[str],
    allowlist: Sequence[str],
    rate_limit_per_minute: int,
    expires_at: datetime | None,
    now: datetime,
) -> Key:
    """Replace the key's settings. Raises INVALID_INPUT naming the field, NOT_FOUND."""
    settings = checked_settings(name, scopes, allowlist, rate_limit_per_minute, expires_at, now)
    return _found(await repository.update(key_id, merchant_id, settings))


async def rotate(
    peppers: Peppers, *, key_id: str, merchant_id: str, grace_hours: int, seen_by: str | None, now: datetime
) -> tuple[Key, str]:
    """Replace the secret; the old one is valid for `grace_hours` (0 to 72). Returns the key and its new full string.

    The secret before the old one ends now, even within its grace. A lock stays: a rotation must not give an attacker
    new guesses. `seen_by` is the account that sees the new one. Raises NOT_FOUND, and INVALID_INPUT for
    another grace or a revoked key.
    """
    if not 0 <= grace_hours <= MAX_GRACE_HOURS:
        raise invalid("grace_hours", f"must be from 0 to {MAX_GRACE_HOURS}")
    secret = secrets.new_secret()
    stored = secrets.seal(peppers, secret)
    previous_until = now + timedelta(hours=grace_hours) if grace_hours else None
    key = await repository.rotate(key_id, merchant_id, stored, previous_until=previous_until, seen_by=seen_by, now=now)
    if key is None:
        await get_key(key_id, merchant_id)
        raise invalid("key", "is revoked; issue a new one")
    return key, secrets.compose(key.mode, key.id, secret)


async def revoke(*, key_id: str, merchant_id: str, now: datetime) -> Key:
    """Revoke the key. It can't be restored. Revoking it again changes nothing. Raises NOT_FOUND."""
    return _found(await repository.revoke(key_id, merchant_id, now))


async def get_key(key_id: str, merchant_id: str) -> Key:
    """One of the merchant's keys. Raises NOT_FOUND, for another merchant's too."""
    return _found(await repository.find(key_id, merchant_id))


def key_not_found() -> ApiError:
    """The answer for a key that doesn't exist, or is another merchant's."""
    return ApiError(Code.NOT_FOUND, "there is no such API key")


def _found(key: Key | None) -> Key:
    if key is None:
        raise key_not_found()
    return key


def checked_settings(
    name: str,
    scopes: Sequence[str],
    allowlist: Sequence[str],
    rate_limit_per_minute: int,
    expires_at: datetime | None,
    now: datetime,
) -> KeySettings:
    """A key's settings as they are stored. Raises INVALID_INPUT, with all that is wrong."""
    name, problems = name.strip(), Problems()
    with problems.gathered():
        if not name or len(name) > MAX_NAME_LENGTH or not name.isprintable():
            raise invalid("name", f"must have 1 to {MAX_NAME_LENGTH} printable characters")
    with problems.gathered():
        if not 1 <= rate_limit_per_minute <= MAX_RATE_LIMIT_PER_MINUTE:
            raise invalid("rate_limit_per_minute", f"must be from 1 to {MAX_RATE_LIMIT_PER_MINUTE}")
    with problems.gathered():
        if expires_at is not None and expires_at <= now:
            raise invalid("expires_at", "must be in the future")
    with problems.gathered():
        checked_scopes = key_scopes.checked(scopes)
    with problems.gathered():
        checked_allowlist = allowlists.checked(allowlist)
    problems.refuse()
    return KeySettings(name, checked_scopes, checked_allowlist, rate_limit_per_minute, expires_at)
