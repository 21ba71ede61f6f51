"""The team of a merchant: changes of role, removal, leaving. One owner always remains.

Each function locks the merchant and checks the permission again: of two owners who demote each other at once, one
succeeds. The invitations that a member has sent are withdrawn when the member may no longer send them.
"""

from datetime import datetime

from app.core import database
from app.core.errors import ApiError, Code, invalid
from app.merchants import invitations, memberships_repository, service
from app.merchants.members import Member, locked
from app.merchants.memberships_repository import Colleague, Person
from app.merchants.roles import Permission, checked_role, roles_that_may


async def people(merchant_id: str) -> list[Person]:
    """Everybody who belongs to a merchant: owners first, then by name. There are a handful: no paging."""
    return await memberships_repository.people(merchant_id)


async def who_give_roles(merchant_id: str) -> list[Person]:
    """The members who can give somebody another role, owners first."""
    givers = roles_that_may(Permission.TEAM_MANAGE)
    return [one for one in await people(merchant_id) if one.role in givers]


async def person(merchant_id: str, account_id: str) -> Person:
    """One member. Raises NOT_FOUND, for another merchant's member too."""
    found = next((one for one in await people(merchant_id) if one.account_id == account_id), None)
    if found is None:
        raise ApiError(Code.NOT_FOUND, "there is no such member")
    return found


async def colleague(merchant_id: str, account_id: str) -> Colleague:
    """A member or a former one. Raises NOT_FOUND for any other account, whose name this merchant may not see."""
    found = await memberships_repository.colleague(merchant_id, account_id)
    if found is None:
        raise ApiError(Code.NOT_FOUND, "there is no such member")
    return found


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
    """End a membership at once, and withdraw the invitations that the member has sent.

    app/security_checklist lists the secrets that the person has seen, and rotates them. Raises Forbidden, NOT_FOUND,
    INVALID_INPUT for the last owner.
    """
    by.require(Permission.TEAM_MANAGE)
    async with database.transaction():
        by = await locked(by)
        target = await _target(by, account_id)
        if target.role == "owner":
            by.require(Permission.OWNERS_MANAGE)
            await _refuse_last_owner(by.merchant_id)
        await memberships_repository.remove(by.merchant_id, account_id)
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
        await memberships_repository.remove(by.merchant_id, by.account_id)
        await by.record("team.left", by.account_id, now, role=by.role)
        await invitations.withdraw_sent_by(by, by.account_id, None, now)


async def _target(by: Member, account_id: str) -> Person:
    by.require(Permission.TEAM_MANAGE)
    return await person(by.merchant_id, account_id)


async def _refuse_last_owner(merchant_id: str) -> None:
    if await memberships_repository.count_owners(merchant_id) <= 1:
        raise invalid("role", "the last owner must stay one: make somebody else an owner first")
