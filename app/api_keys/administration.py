"""API keys in the cabinet: a member issues, updates, rotates and revokes them.

Each function checks the member's permission and writes an audit row. To see the secret of a key that may request
payouts or refunds, or to add these scopes, a member needs a permission of its own: otherwise they could do with a key
what their role forbids.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from app.api_keys import repository, service
from app.api_keys.repository import Key
from app.api_keys.scopes import Scope
from app.api_keys.secrets import Mode
from app.core import database
from app.core.settings import Peppers
from app.merchants import notices
from app.merchants.members import Member
from app.merchants.roles import Permission

MONEY_SCOPES = frozenset({Scope.PAYOUTS_WRITE.value, Scope.REFUNDS_WRITE.value})
"""Scopes that request payments out of the gateway, which an operator approves."""

CREATED = "api_key.created"
ROTATED = "api_key.rotated"
"""Actions in the audit log that show a key's secret to the actor; app/security_checklist reads them."""

REVOKED = "api_key.revoked"


async def list_keys(by: Member, mode: Mode) -> list[Key]:
    """The merchant's keys of a mode, newest first, revoked ones too. Raises Forbidden."""
    by.require(Permission.KEYS_VIEW)
    return await repository.list_keys(by.merchant_id, mode)


async def get_key(by: Member, mode: Mode, key_id: str) -> Key:
    """One of the merchant's keys. Raises Forbidden, NOT_FOUND, for a key of the other mode too."""
    by.require(Permission.KEYS_VIEW)
    key = await service.get_key(key_id, by.merchant_id)
    if key.mode != mode:
        raise service.key_not_found()
    return key


async def issue(
    by: Member,
    peppers: Peppers,
    *,
    mode: Mode,
    name: str,
    scopes: Sequence[str],
    allowlist: Sequence[str],
    rate_limit_per_minute: int,
    expires_at: datetime | None,
    now: datetime,
) -> tuple[Key, str]:
    """Issue a key. Returns it and its full string, which is shown only once. Raises Forbidden, INVALID_INPUT."""
    _require(by, mode, scopes)
    async with database.transaction():
        key, full = await service.issue(
            peppers,
            merchant_id=by.merchant_id,
            mode=mode,
            name=name,
            scopes=scopes,
            allowlist=allowlist,
            rate_limit_per_minute=rate_limit_per_minute,
            expires_at=expires_at,
            seen_by=by.account_id,
            now=now,
        )
        await by.record(CREATED, key.id, now, mode=mode, name=key.name, scopes=key.scopes, allowlist=key.allowlist)
        await _tell(CREATED, by, key, now)
    return key, full


async def update(
    by: Member,
    *,
    mode: Mode,
    key_id: str,
    name: str,
    scopes: Sequence[str],
    allowlist: Sequence[str],
    rate_limit_per_minute: int,
    expires_at: datetime | None,
    now: datetime,
) -> Key:
    """Replace a key's settings. Raises Forbidden, NOT_FOUND, INVALID_INPUT."""
    before = await get_key(by, mode, key_id)
    _require(by, mode, (*before.scopes, *scopes))
    async with database.transaction():
        key = await service.update(
            key_id=key_id,
            merchant_id=by.merchant_id,
            name=name,
            scopes=scopes,
            allowlist=allowlist,
            rate_limit_per_minute=rate_limit_per_minute,
            expires_at=expires_at,
            now=now,
        )
        await by.record(
            "api_key.updated",
            key.id,
            now,
            name=key.name,
            scopes=key.scopes,
            allowlist=key.allowlist,
            rate_limit_per_minute=key.rate_limit_per_minute,
        )
    return key


async def rotate(
    by: Member, peppers: Peppers, *, mode: Mode, key_id: str, grace_hours: int, now: datetime
) -> tuple[Key, str]:
    """Replace the secret; the old one is valid for `grace_hours` (0 to 72). Returns the key and its new full string.

    Raises Forbidden, NOT_FOUND, INVALID_INPUT.
    """
    async with database.transaction():
        return await rotate_along(by, peppers, mode=mode, key_id=key_id, grace_hours=grace_hours, now=now)


async def rotate_along(
    by: Member, peppers: Peppers, *, mode: Mode, key_id: str, grace_hours: int, now: datetime
) -> tuple[Key, str]:
    """`rotate` in the caller's transaction: several are rotated together or not at all (app/security_checklist)."""
    database.in_transaction()
    before = await get_key(by, mode, key_id)
    _require(by, mode, before.scopes)
    key, full = await service.rotate(
        peppers,
        key_id=key_id,
        merchant_id=by.merchant_id,
        grace_hours=grace_hours,
        seen_by=by.account_id,
        now=now,
    )
    await by.record(ROTATED, key.id, now, grace_hours=grace_hours)
    await _tell(ROTATED, by, key, now)
    return key, full


async def revoke(by: Member, *, mode: Mode, key_id: str, now: datetime) -> Key:
    """Revoke a key; it can't be restored, and revoking it again changes nothing. Raises Forbidden, NOT_FOUND.

    A member without the permission KEYS_OF_MONEY may still revoke a key with money scopes.
    """
    by.require(Permission.KEYS_MANAGE, mode)
    before = await get_key(by, mode, key_id)
    if before.revoked_at is not None:
        return before
    async with database.transaction():
        key = await service.revoke(key_id=key_id, merchant_id=by.merchant_id, now=now)
        await by.record(REVOKED, key.id, now)
        await _tell(REVOKED, by, key, now)
    return key


def may_hold(by: Member, mode: Mode, scopes: Iterable[str]) -> bool:
    """Whether a member may issue, change or rotate a key of this mode with these scopes: pages leave out the others."""
    return by.may(Permission.KEYS_MANAGE, mode) and (
        MONEY_SCOPES.isdisjoint(scopes) or by.may(Permission.KEYS_OF_MONEY, mode)
    )


async def _tell(action: str, by: Member, key: Key, now: datetime) -> None:
    """Have the merchant's owners and admins told by email."""
    await notices.record(
        action,
        merchant_id=by.merchant_id,
        mode=key.mode,
        subject=key.id,
        actor=by.actor,
        facts={"name": key.name, "scopes": ", ".join(key.scopes), "address": by.address or "not known"},
        now=now,
    )


def _require(by: Member, mode: Mode, scopes: Iterable[str]) -> None:
    by.require(Permission.KEYS_MANAGE, mode)
    if not MONEY_SCOPES.isdisjoint(scopes):
        by.require(Permission.KEYS_OF_MONEY, mode)
