"""Reading keys: a merchant's own for the cabinet, and the one row that lets a request in."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from app.api_keys.secrets import Mode
from app.core import database
from app.core.errors import ApiError, Code

COLUMNS = """id, merchant AS merchant_id, mode, name, scopes, allowlist, rate_limit_per_minute,
    previous_valid_until, expires_at, revoked_at, locked_until, last_used_at, last_used_address, created_at"""
"""What anybody may see of a key: no hash is among them."""


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """A key as its merchant sees it. The whole key string was shown once and is not kept."""

    id: str
    merchant_id: str
    mode: Mode
    name: str
    scopes: list[str]
    allowlist: list[str]
    rate_limit_per_minute: int
    previous_valid_until: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None
    locked_until: datetime | None
    last_used_at: datetime | None
    last_used_address: str | None
    created_at: datetime


def key_of(row: Any) -> Key:
    """The key in a row of `COLUMNS`."""
    return Key(**dict(row))


async def list_keys(merchant_id: str, mode: Mode) -> list[Key]:
    """The merchant's keys of a mode, newest first, revoked ones too. A merchant has a handful: no paging."""
    rows: Sequence[database.Row] = await database.fetch_all(
        f"SELECT {COLUMNS} FROM api_keys WHERE merchant = $1 AND mode = $2 ORDER BY created_at DESC, id",
        merchant_id,
        mode,
    )
    return [key_of(row) for row in rows]


async def get_key(key_id: str, merchant_id: str) -> Key:
    """One of the merchant's keys. Raises NOT_FOUND, for another merchant's too."""
    row = await database.fetch_one(
        f"SELECT {COLUMNS} FROM api_keys WHERE id = $1 AND merchant = $2",
        key_id,
        merchant_id,
    )
    if row is None:
        raise key_not_found()
    return key_of(row)


def key_not_found() -> ApiError:
    """The answer for a key that is not there, or not theirs."""
    return ApiError(Code.NOT_FOUND, "there is no such API key")


async def find_for_authentication(key_ids: Sequence[str]) -> list[database.Row | None]:
    """Everything that requests need to know about their keys and merchants, in the order of `key_ids`."""
    rows = await database.fetch_all(
        """
        SELECT k.id, k.merchant AS merchant_id, k.mode, k.scopes, k.allowlist, k.rate_limit_per_minute,
            k.secret_hash, k.pepper_version,
            k.previous_secret_hash, k.previous_pepper_version, k.previous_valid_until,
            k.expires_at, k.revoked_at, k.failed_attempts, k.attempt_series, k.locked_until, k.last_used_at,
            m.name AS merchant_name, m.status AS merchant_status, m.service_fee_bps, m.fee_payer,
            m.accept_parts
        FROM api_keys k JOIN merchants m ON m.id = k.merchant
        WHERE k.id = ANY($1::varchar[])
        """,
        key_ids,
    )
    found = {row["id"]: row for row in rows}
    return [found.get(key_id) for key_id in key_ids]
