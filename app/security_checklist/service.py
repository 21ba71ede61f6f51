"""The security checklist of a merchant, and the remedies that are applied at once."""

from datetime import datetime, timedelta

from app.api_keys import administration as keys
from app.api_keys.administration import ROTATED
from app.api_keys.scopes import Scope
from app.api_keys.secrets import Mode
from app.core import database
from app.core.errors import ApiError, Code, invalid
from app.core.settings import Peppers
from app.mail import service as mail
from app.mail.letters import Kind, letter
from app.merchants import team
from app.merchants.members import Member, locked
from app.merchants.roles import Permission
from app.security_checklist import repository
from app.security_checklist.checklist import UNUSED_SCOPE, Finding, KeyFacts, PersonFacts, check
from app.security_checklist.repository import KeyUse

REMIND_EVERY = timedelta(days=1)
"""A colleague is reminded once a day at most."""

ROTATION_GRACE_HOURS = 24
"""How long the old secret is valid after a rotation from the checklist: a working day to deploy the new one."""

WATCHED_SCOPES = (Scope.PAYOUTS_WRITE.value, Scope.REFUNDS_WRITE.value, Scope.WEBHOOKS_WRITE.value)
"""Scopes whose use is recorded with the key's id."""


async def findings(by: Member, now: datetime) -> list[Finding]:
    """What the merchant should fix, the most severe first. Raises Forbidden."""
    by.require(Permission.SECURITY_VIEW)
    people = [
        PersonFacts(account_id=one.account_id, name=one.name, role=one.role, has_second_step=one.has_second_step)
        for one in await team.people(by.merchant_id)
    ]
    return check(await _keys(by.merchant_id, now), people, now)


async def remedy(by: Member, finding_id: str, peppers: Peppers, now: datetime) -> str | None:
    """Apply a finding's remedy. Returns the new secret, which is shown once, where the remedy is a rotation.

    Raises NOT_FOUND for a finding that no longer exists, Forbidden, INVALID_INPUT for a remedy that is a page.
    """
    found = next((one for one in await findings(by, now) if one.id == finding_id), None)
    if found is None:
        raise ApiError(Code.NOT_FOUND, "this was solved already")
    if found.remedy == "remind_of_totp":
        await _remind(by, found.subject, now)
        return None
    mode = found.mode
    if mode is None:
        raise invalid("finding", "has no remedy that can be applied here")
    if found.remedy == "revoke_key":
        await keys.revoke(by, mode=mode, key_id=found.subject, now=now)
    elif found.remedy == "rotate_key":
        grace = ROTATION_GRACE_HOURS
        _, full = await keys.rotate(by, peppers, mode=mode, key_id=found.subject, grace_hours=grace, now=now)
        return full
    elif found.remedy == "allow_last_address":
        await _change(by, mode, found.subject, allowlist=[found.value], drop=frozenset(), now=now)
    elif found.remedy == "drop_scopes":
        await _change(by, mode, found.subject, allowlist=None, drop=frozenset(found.value.split()), now=now)
    else:
        raise invalid("finding", "has no remedy that can be applied here")
    return None


async def _change(
    by: Member, mode: Mode, key_id: str, *, allowlist: list[str] | None, drop: frozenset[str], now: datetime
) -> None:
    key = await keys.get_key(by, mode, key_id)
    left = [scope for scope in key.scopes if scope not in drop]
    # Without writing, a key may still have to read what it wrote before.
    left += [f"{scope.removesuffix('.write')}.read" for scope in drop if scope.endswith(".write")]
    await keys.update(
        by,
        mode=mode,
        key_id=key_id,
        name=key.name,
        scopes=left,
        allowlist=key.allowlist if allowlist is None else allowlist,
        rate_limit_per_minute=key.rate_limit_per_minute,
        expires_at=key.expires_at,
        now=now,
    )


async def _remind(by: Member, account_id: str, now: datetime) -> None:
    by.require(Permission.TEAM_MANAGE)
    async with database.transaction():
        by = await locked(by)
        colleague = await team.person(by.merchant_id, account_id)
        if await repository.was_reminded(by.merchant_id, account_id, now - REMIND_EVERY):
            raise invalid("finding", f"{colleague.name} was reminded within the last day")
        await by.record("team.totp_reminded", account_id, now)
        reminder = letter(
            Kind.MERCHANT,
            "Please turn on two-step verification",
            "Hello {name},\n\nyour account has access to {merchant} as {role}, and a password alone protects it. Please"
            ' sign in and turn on two-step verification under "Sign-in and security".\n',
            ours={"role": colleague.role},
            name=colleague.name,
            merchant=by.merchant_name,
        )
        await mail.enqueue_to_kept(colleague.email, reminder, now)


async def _keys(merchant_id: str, now: datetime) -> list[KeyFacts]:
    used_since = now - UNUSED_SCOPE
    keys_in_use = await repository.keys_in_use(merchant_id, rotated=ROTATED, used_since=used_since, now=now)
    return [_facts(key) for key in keys_in_use]


def _facts(key: KeyUse) -> KeyFacts:
    used = dict(zip(WATCHED_SCOPES, (key.requested_payouts, key.requested_refunds, key.changed_webhooks), strict=True))
    return KeyFacts(
        id=key.id,
        name=key.name,
        mode=key.mode,
        scopes=tuple(key.scopes),
        has_allowlist=key.has_allowlist,
        unused_scopes=tuple(scope for scope in key.scopes if used.get(scope) is False),
        created_at=key.created_at,
        secret_since=key.secret_since,
        last_used_at=key.last_used_at,
        last_used_address=key.last_used_address,
    )
