"""What a merchant does with its keys: issue, change, rotate, revoke.

Each is one statement, in the caller's transaction if there is one (the cabinet writes its audit row along).
The next request with the key sees the change, because each request reads the row. Whoever is shown a secret is
written down as a holder of the key, in the same statement: what the key asks for counts as asked for by them.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import asyncpg

from app.api_keys import allowlist as allowlists
from app.api_keys import scopes as key_scopes
from app.api_keys import secrets
from app.api_keys.queries import COLUMNS, Key, get_key, key_not_found, key_of
from app.api_keys.secrets import Mode
from app.core import database, ids
from app.core.errors import invalid
from app.core.settings import Peppers

DEFAULT_RATE_LIMIT_PER_MINUTE = 60
"""Contract, section 2."""

MAX_RATE_LIMIT_PER_MINUTE = 1_000_000
MAX_NAME_LENGTH = 100

MAX_GRACE_HOURS = 72
"""How long the old secret may hold after a rotation (contract, section 2)."""


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
    """A new key, and its whole string, which can't be had again. Raises INVALID_INPUT naming the field.

    `seen_by` is the account that is shown it, None where it is shown to no account.
    """
    settings = _checked_settings(name, scopes, allowlist, rate_limit_per_minute, expires_at, now)
    secret = secrets.new_secret()
    stored = secrets.seal(peppers, secret)
    while True:
        key_id = ids.random_crockford(secrets.KEY_ID_LENGTH)
        try:
            row = await database.fetch_one(
                f"""
                WITH key AS (
                    INSERT INTO api_keys (id, merchant, mode, name, scopes, allowlist, rate_limit_per_minute,
                        expires_at, secret_hash, pepper_version, failed_attempts, attempt_series, created_at)
                    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, 0, $11)
                    ON CONFLICT (id) DO NOTHING
                    RETURNING *
                ), {_holder("$12", "$11")}
                SELECT {COLUMNS} FROM key
                """,
                key_id,
                merchant_id,
                mode,
                *settings,
                stored.value,
                stored.pepper_version,
                now,
                seen_by,
            )
        except asyncpg.ForeignKeyViolationError:
            raise invalid("merchant_id", "is no merchant's") from None
        if row is not None:
            return key_of(row), secrets.compose(mode, key_id, secret)


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
    settings = _checked_settings(name, scopes, allowlist, rate_limit_per_minute, expires_at, now)
    row = await database.fetch_one(
        f"""
        UPDATE api_keys SET name = $3, scopes = $4, allowlist = $5, rate_limit_per_minute = $6, expires_at = $7
        WHERE id = $1 AND merchant = $2
        RETURNING {COLUMNS}
        """,
        key_id,
        merchant_id,
        *settings,
    )
    if row is None:
        raise key_not_found()
    return key_of(row)


async def rotate(
    peppers: Peppers, *, key_id: str, merchant_id: str, grace_hours: int, seen_by: str | None, now: datetime
) -> tuple[Key, str]:
    """A new secret at once; the old one holds for `grace_hours` (0 to 72). The key, and its new whole string.

    The one before the old one ends now, even within its grace. A lock stays: an attacker's guesses are not undone
    by the holder's change. `seen_by` is the account that is shown the new one. Raises NOT_FOUND, and INVALID_INPUT for
    another grace or a revoked key.
    """
    if not 0 <= grace_hours <= MAX_GRACE_HOURS:
        raise invalid("grace_hours", f"must be from 0 to {MAX_GRACE_HOURS}")
    secret = secrets.new_secret()
    stored = secrets.seal(peppers, secret)
    row = await database.fetch_one(
        f"""
        WITH key AS (
            UPDATE api_keys SET
                previous_secret_hash = CASE WHEN $5::timestamptz IS NOT NULL THEN secret_hash END,
                previous_pepper_version = CASE WHEN $5::timestamptz IS NOT NULL THEN pepper_version END,
                previous_valid_until = $5,
                secret_hash = $3, pepper_version = $4
            WHERE id = $1 AND merchant = $2 AND revoked_at IS NULL
            RETURNING *
        ), {_holder("$6", "$7")}
        SELECT {COLUMNS} FROM key
        """,
        key_id,
        merchant_id,
        stored.value,
        stored.pepper_version,
        now + timedelta(hours=grace_hours) if grace_hours else None,
        seen_by,
        now,
    )
    if row is None:
        await get_key(key_id, merchant_id)
        raise invalid("key", "is revoked; issue a new one")
    key = key_of(row)
    return key, secrets.compose(key.mode, key.id, secret)


async def revoke(*, key_id: str, merchant_id: str, now: datetime) -> Key:
    """End the key for good. Revoking it again changes nothing. Raises NOT_FOUND."""
    row = await database.fetch_one(
        f"""
        UPDATE api_keys SET revoked_at = COALESCE(revoked_at, $3) WHERE id = $1 AND merchant = $2
        RETURNING {COLUMNS}
        """,
        key_id,
        merchant_id,
        now,
    )
    if row is None:
        raise key_not_found()
    return key_of(row)


def _holder(account: str, now: str) -> str:
    """A part of a statement that made or rotated `key`: `account` holds it from `now` on. Both are parameters."""
    return f"""held AS (
        INSERT INTO api_key_holders (api_key, account, since)
        SELECT id, {account}::varchar, {now}::timestamptz FROM key WHERE {account}::varchar IS NOT NULL
        ON CONFLICT (api_key, account) DO NOTHING
    )"""


def _checked_settings(
    name: str,
    scopes: Sequence[str],
    allowlist: Sequence[str],
    rate_limit_per_minute: int,
    expires_at: datetime | None,
    now: datetime,
) -> tuple[str, list[str], list[str], int, datetime | None]:
    name = name.strip()
    if not name or len(name) > MAX_NAME_LENGTH or not name.isprintable():
        raise invalid("name", f"must have 1 to {MAX_NAME_LENGTH} printable characters")
    if not 1 <= rate_limit_per_minute <= MAX_RATE_LIMIT_PER_MINUTE:
        raise invalid("rate_limit_per_minute", f"must be from 1 to {MAX_RATE_LIMIT_PER_MINUTE}")
    if expires_at is not None and expires_at <= now:
        raise invalid("expires_at", "must be in the future")
    return name, key_scopes.checked(scopes), allowlists.checked(allowlist), rate_limit_per_minute, expires_at
