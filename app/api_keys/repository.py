"""Every statement on `api_keys`, `api_key_holders` and `api_key_decoys`."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec
from piccolo.columns.combination import WhereRaw
from piccolo.querystring import QueryString

from app.api_keys.secrets import Mode, StoredHash
from app.api_keys.tables import ApiKey, KeyDecoy
from app.core import database
from app.core.statement import Command, Param, Statement, any_each_of
from app.merchants.roles import Standing


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """A key as its merchant sees it. The whole key string was shown once and is not stored; no hash is here."""

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


class AuthenticationRow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a request needs to know about its key and the key's merchant."""

    id: str
    merchant_id: str
    mode: Mode
    scopes: list[str]
    allowlist: list[str]
    rate_limit_per_minute: int
    secret_hash: bytes
    pepper_version: int
    previous_secret_hash: bytes | None
    previous_pepper_version: int | None
    previous_valid_until: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None
    failed_attempts: int
    attempt_series: int
    locked_until: datetime | None
    last_used_at: datetime | None
    merchant_name: str
    merchant_status: Standing
    service_fee_bps: int
    fee_payer: str
    accept_parts: bool
    currencies: list[str]
    spread_bps: int
    quote_minutes: int


class KeySettings(NamedTuple):
    """What a merchant chooses for a key, checked."""

    name: str
    scopes: list[str]
    allowlist: list[str]
    rate_limit_per_minute: int
    expires_at: datetime | None


_COLUMNS = tuple(
    ApiKey.merchant.as_alias("merchant_id") if name == "merchant_id" else getattr(ApiKey, name)
    for name in Key.__struct_fields__
)
_COLUMNS_SQL = ", ".join("merchant AS merchant_id" if name == "merchant_id" else name for name in Key.__struct_fields__)
_IS_THE_MERCHANTS = (ApiKey.id == Param("id")) & (ApiKey.merchant == Param("merchant"))


async def list_keys(merchant_id: str, mode: Mode) -> list[Key]:
    """The merchant's keys of a mode, newest first, revoked ones too. A merchant has a handful: no paging."""
    return await _LIST.all(merchant=merchant_id, mode=mode)


_LIST = Statement(
    ApiKey.select(*_COLUMNS)
    .where(ApiKey.merchant == Param("merchant"), ApiKey.mode == Param("mode"))
    .order_by(ApiKey.created_at, ascending=False)
    .order_by(ApiKey.id),
    Key,
)


async def find(key_id: str, merchant_id: str) -> Key | None:
    """One of the merchant's keys; None for another merchant's too."""
    return await _FIND.first(id=key_id, merchant=merchant_id)


_FIND = Statement(ApiKey.select(*_COLUMNS).where(_IS_THE_MERCHANTS), Key)


async def find_for_authentication(key_ids: Sequence[str]) -> list[AuthenticationRow | None]:
    """The rows of these keys with their merchants', in the order of `key_ids`; None where there is no such key."""
    found = {row.id: row for row in await _FIND_FOR_AUTHENTICATION.all(ids=key_ids)}
    return [found.get(key_id) for key_id in key_ids]


_OF_MERCHANT: dict[str, Any] = {
    "merchant_id": ApiKey.merchant,
    "merchant_name": ApiKey.merchant.name,
    "merchant_status": ApiKey.merchant.status,
    "service_fee_bps": ApiKey.merchant.service_fee_bps,
    "fee_payer": ApiKey.merchant.fee_payer,
    "accept_parts": ApiKey.merchant.accept_parts,
    "currencies": ApiKey.merchant.currencies,
    "spread_bps": ApiKey.merchant.spread_bps,
    "quote_minutes": ApiKey.merchant.quote_minutes,
}
_FIND_FOR_AUTHENTICATION = Statement(
    ApiKey.select(
        *(
            _OF_MERCHANT[name].as_alias(name) if name in _OF_MERCHANT else getattr(ApiKey, name)
            for name in AuthenticationRow.__struct_fields__
        )
    ).where(any_each_of(ApiKey.id, Param("ids"))),
    AuthenticationRow,
)


async def add(
    key_id: str,
    merchant_id: str,
    mode: Mode,
    settings: KeySettings,
    stored: StoredHash,
    *,
    seen_by: str | None,
    now: datetime,
) -> Key | None:
    """Write a new key, and the account that is shown its secret; None where the id is taken.

    Raises asyncpg.ForeignKeyViolationError where there is no such merchant.
    """
    row = await database.fetch_one(
        _ADD, key_id, merchant_id, mode, *settings, stored.value, stored.pepper_version, now, seen_by
    )
    return None if row is None else Key(**row)


def _holder(account: str, now: str) -> str:
    """A part of a statement that made or rotated `key`: `account` holds it from `now` on. Both are parameters."""
    return f"""held AS (
        INSERT INTO api_key_holders (api_key, account, since)
        SELECT id, {account}::varchar, {now}::timestamptz FROM key WHERE {account}::varchar IS NOT NULL
        ON CONFLICT (api_key, account) DO NOTHING
    )"""


# SQL, since the key and its holder are written in one statement: a CTE and INSERT … SELECT.
_ADD = f"""
    WITH key AS (
        INSERT INTO api_keys (id, merchant, mode, name, scopes, allowlist, rate_limit_per_minute,
            expires_at, secret_hash, pepper_version, failed_attempts, attempt_series, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, 0, $11)
        ON CONFLICT (id) DO NOTHING
        RETURNING *
    ), {_holder("$12", "$11")}
    SELECT {_COLUMNS_SQL} FROM key
    """


async def update(key_id: str, merchant_id: str, settings: KeySettings) -> Key | None:
    """Replace a key's settings; None where the merchant has no such key."""
    return await _UPDATE.first(id=key_id, merchant=merchant_id, **settings._asdict())


_UPDATE = Statement(
    ApiKey.update({getattr(ApiKey, name): Param(name) for name in KeySettings._fields})
    .where(_IS_THE_MERCHANTS)
    .returning(*_COLUMNS),
    Key,
)


async def rotate(
    key_id: str,
    merchant_id: str,
    stored: StoredHash,
    *,
    previous_until: datetime | None,
    seen_by: str | None,
    now: datetime,
) -> Key | None:
    """Put a new secret in place, and write who is shown it; None where the merchant has no such key in use.

    The old secret is accepted until `previous_until`, or ends now.
    """
    row = await database.fetch_one(
        _ROTATE, key_id, merchant_id, stored.value, stored.pepper_version, previous_until, seen_by, now
    )
    return None if row is None else Key(**row)


# SQL, since the key and its holder are written in one statement: a CTE and INSERT … SELECT.
_ROTATE = f"""
    WITH key AS (
        UPDATE api_keys SET
            previous_secret_hash = CASE WHEN $5::timestamptz IS NOT NULL THEN secret_hash END,
            previous_pepper_version = CASE WHEN $5::timestamptz IS NOT NULL THEN pepper_version END,
            previous_valid_until = $5,
            secret_hash = $3, pepper_version = $4
        WHERE id = $1 AND merchant = $2 AND revoked_at IS NULL
        RETURNING *
    ), {_holder("$6", "$7")}
    SELECT {_COLUMNS_SQL} FROM key
    """


async def revoke(key_id: str, merchant_id: str, now: datetime) -> Key | None:
    """End a key; the time of its first revocation stays. None where the merchant has no such key."""
    return await _REVOKE.first(id=key_id, merchant=merchant_id, now=now)


_REVOKE = Statement(
    ApiKey.update({ApiKey.revoked_at: QueryString("COALESCE({}, {})", ApiKey.revoked_at, Param("now"))})
    .where(_IS_THE_MERCHANTS)
    .returning(*_COLUMNS),
    Key,
)


async def replace_hash(key_id: str, old: StoredHash, new: StoredHash) -> bool:
    """Store the current secret's hash under another pepper; False where the secret was rotated meanwhile."""
    return bool(
        await _REPLACE_HASH.run(id=key_id, old_hash=old.value, secret_hash=new.value, pepper_version=new.pepper_version)
    )


_REPLACE_HASH = Command(
    ApiKey.update({ApiKey.secret_hash: Param("secret_hash"), ApiKey.pepper_version: Param("pepper_version")}).where(
        ApiKey.id == Param("id"), ApiKey.secret_hash == Param("old_hash")
    )
)


async def record_use(key_id: str, address: str, now: datetime, *, every: timedelta) -> None:
    """Write when and from where a key was used, unless a use was written less than `every` ago."""
    await _RECORD_USE.run(id=key_id, address=address, now=now, every=every)


_RECORD_USE = Command(
    ApiKey.update({ApiKey.last_used_at: Param("now"), ApiKey.last_used_address: Param("address")}).where(
        ApiKey.id == Param("id"),
        ApiKey.last_used_at.is_null()
        | WhereRaw("{} <= {}::timestamptz - {}::interval", ApiKey.last_used_at, Param("now"), Param("every")),
    )
)


async def reserve_attempt(key_id: str, now: datetime, *, max_failures: int, lock: timedelta) -> int | None:
    """Count one attempt on a key that isn't locked, and lock it for `lock` with the last one. Returns its series.

    None where the key is locked. After a lock has expired the count starts at zero.
    """
    # SQL, since each CASE looks at the row's other columns.
    series: int | None = await database.fetch_value(
        """
        UPDATE api_keys SET
            failed_attempts = CASE WHEN locked_until IS NULL THEN failed_attempts + 1 ELSE 1 END,
            attempt_series = CASE WHEN locked_until IS NULL THEN attempt_series ELSE attempt_series + 1 END,
            locked_until = CASE WHEN locked_until IS NULL AND failed_attempts + 1 >= $3
                THEN $2::timestamptz + $4::interval END
        WHERE id = $1 AND (locked_until IS NULL OR locked_until <= $2)
        RETURNING attempt_series
        """,
        key_id,
        now,
        max_failures,
        lock,
    )
    return series


async def count_decoy(number: int) -> None:
    """Write to a row of decoys: the work of `reserve_attempt` for a key id that doesn't exist."""
    await _COUNT_DECOY.first(id=number, attempts=1)


_COUNT_DECOY = Statement(
    KeyDecoy.insert(KeyDecoy({KeyDecoy.id: Param("id"), KeyDecoy.attempts: Param("attempts")}))
    .on_conflict(
        target=KeyDecoy.id,
        action="DO UPDATE",
        values=[(KeyDecoy.attempts, QueryString('"api_key_decoys"."attempts" + 1'))],
    )
    .returning(KeyDecoy.attempts),
    int,
)

_RESET_COUNT: dict[Any, Any] = {
    ApiKey.failed_attempts: 0,
    ApiKey.locked_until: None,
    ApiKey.attempt_series: ApiKey.attempt_series + 1,
}
_IS_SERIES = (ApiKey.id == Param("id")) & (ApiKey.attempt_series == Param("series"))


async def end_series(key_id: str, series: int) -> None:
    """Reset a key's count of attempts and lift its lock, if this series is still the current one."""
    await _END_SERIES.run(id=key_id, series=series)


_END_SERIES = Command(ApiKey.update(_RESET_COUNT).where(_IS_SERIES))


async def end_unlocked_series(key_id: str, series: int, now: datetime) -> None:
    """Reset a key's count of attempts, if this series is still the current one and the key isn't locked."""
    await _END_UNLOCKED_SERIES.run(id=key_id, series=series, now=now)


_END_UNLOCKED_SERIES = Command(
    ApiKey.update(_RESET_COUNT).where(_IS_SERIES, ApiKey.locked_until.is_null() | (ApiKey.locked_until <= Param("now")))
)


async def locked_until(key_id: str) -> datetime | None:
    """When the key's lock ends, if it has one."""
    return await _LOCKED_UNTIL.first(id=key_id)


_LOCKED_UNTIL = Statement(ApiKey.select(ApiKey.locked_until).where(ApiKey.id == Param("id")), datetime)
