"""Who belongs to a merchant: changes of role, removal, leaving. There is always an owner left.

Each verb locks the merchant and asks for the right once more: of two owners who demote each other at once, one is
too late. Invitations that somebody has sent end with their right to send them.
"""

from dataclasses import dataclass
from datetime import datetime

from app.core import database
from app.core.errors import ApiError, Code, invalid
from app.merchants import invitations, service
from app.merchants.members import Member, locked
from app.merchants.roles import ROLES, Permission, Role, checked_role


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A member as colleagues see them."""

    account_id: str
    name: str
    email: str
    role: Role
    has_totp: bool
    since: datetime


async def people(merchant_id: str) -> list[Person]:
    """Everybody who belongs to a merchant: owners first, then by name. There are a handful: no paging."""
    rows = await database.fetch_all(
        """
        SELECT a.id AS account_id, a.name, a.email, p.role, a.totp_secret_sealed IS NOT NULL AS has_totp,
            p.created_at AS since
        FROM memberships p JOIN accounts a ON a.id = p.account WHERE p.merchant = $1
        ORDER BY array_position($2::varchar[], p.role), lower(a.name), a.id
        """,
        merchant_id,
        list(ROLES),
    )
    return [Person(**dict(row)) for row in rows]


async def person(merchant_id: str, account_id: str) -> Person:
    """One member. Raises NOT_FOUND, for somebody else's as for nobody."""
    found = next((one for one in await people(merchant_id) if one.account_id == account_id), None)
    if found is None:
        raise ApiError(Code.NOT_FOUND, "there is no such member")
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Colleague:
    """Somebody who belongs to a merchant, or did."""

    account_id: str
    name: str
    is_member: bool


async def colleague(merchant_id: str, account_id: str) -> Colleague:
    """A member or a former one. Raises NOT_FOUND for whoever has never been one: names are not for strangers."""
    row = await database.fetch_one(
        """
        SELECT a.id AS account_id, a.name, p.account IS NOT NULL AS is_member
        FROM accounts a LEFT JOIN memberships p ON p.account = a.id AND p.merchant = $1
        WHERE a.id = $2 AND (p.account IS NOT NULL OR EXISTS (
            SELECT FROM audit_entries e WHERE e.merchant_id = $1 AND e.subject = a.id
                AND e.action IN ('team.removed', 'team.left')))
        """,
        merchant_id,
        account_id,
    )
    if row is None:
        raise ApiError(Code.NOT_FOUND, "there is no such member")
    return Colleague(**dict(row))


async def change_role(by: Member, account_id: str, role: str, now: datetime) -> None:
    """Give a member another role; invitations of theirs that take a higher one are withdrawn.

    Raises Forbidden, NOT_FOUND, INVALID_INPUT for the last owner.
    """
    new_role = checked_role(role)
    by.require(Permission.TEAM_MANAGE)
    async with database.transaction():
        by = await locked(by)
        before = await _target(by, account_id)
        if "owner" in (before.role, new_role):
            by.require(Permission.OWNERS_MANAGE)
        if before.role == new_role:
            return
        if before.role == "owner":
            await _refuse_last_owner(by.merchant_id)
        await service.add_member(by.merchant_id, account_id, new_role, now)
        await by.record("team.role_changed", account_id, now, was=before.role, is_now=new_role)
        await invitations.withdraw_sent_by(by, account_id, new_role, now)


async def remove(by: Member, account_id: str, now: datetime) -> None:
    """End a membership; the next request of whoever had it finds no merchant, and invitations of theirs are withdrawn.

    What they have seen stays seen: app/security_checklist names it and rotates it. Raises Forbidden, NOT_FOUND,
    INVALID_INPUT for the last owner.
    """
    by.require(Permission.TEAM_MANAGE)
    async with database.transaction():
        by = await locked(by)
        target = await _target(by, account_id)
        if target.role == "owner":
            by.require(Permission.OWNERS_MANAGE)
            await _refuse_last_owner(by.merchant_id)
        await _end(by.merchant_id, account_id)
        await by.record("team.removed", account_id, now, role=target.role)
        await invitations.withdraw_sent_by(by, account_id, None, now)


async def leave(by: Member, now: datetime) -> None:
    """End one's own membership, whatever the role; invitations that they have sent are withdrawn.

    Raises INVALID_INPUT for the last owner.
    """
    async with database.transaction():
        by = await locked(by)
        if by.role == "owner":
            await _refuse_last_owner(by.merchant_id)
        await _end(by.merchant_id, by.account_id)
        await by.record("team.left", by.account_id, now, role=by.role)
        await invitations.withdraw_sent_by(by, by.account_id, None, now)


async def _target(by: Member, account_id: str) -> Person:
    by.require(Permission.TEAM_MANAGE)
    return await person(by.merchant_id, account_id)


async def _refuse_last_owner(merchant_id: str) -> None:
    owners = await database.fetch_value(
        "SELECT count(*) FROM memberships WHERE merchant = $1 AND role = 'owner'", merchant_id
    )
    if owners <= 1:
        raise invalid("role", "the last owner must stay one: make somebody else an owner first")


async def _end(merchant_id: str, account_id: str) -> None:
    await database.execute("DELETE FROM memberships WHERE merchant = $1 AND account = $2", merchant_id, account_id)
