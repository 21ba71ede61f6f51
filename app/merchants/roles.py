"""What each role of a member allows, and what a merchant's standing allows of it. Pure tables.

Services check permissions (`by.require(Permission.…)`, merchants/members.py); pages only leave out what
would be refused.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Literal, get_args

from app.core.errors import invalid

Role = Literal["owner", "admin", "developer", "accountant", "support", "viewer"]

ROLES: tuple[Role, ...] = get_args(Role)
"""In the order in which they are offered: those that may change much come first."""

Standing = Literal["pending", "rejected", "approved", "suspended", "banned"]
"""Where a merchant stands with the platform: the column `merchants.status`."""


class Permission(StrEnum):
    """Something that a member may be allowed to do."""

    VIEW = "view"
    """See invoices, refunds, reviews and transactions."""

    PAYOUTS_VIEW = "payouts.view"
    BOOKS_VIEW = "books.view"
    """See balances, the ledger and reports."""

    EXPORTS_VIEW = "exports.view"
    """Download lists and statements: whole files, with every customer's id."""

    RETURNS_WRITE = "returns.write"
    """Confirm or reject the address that a customer has given for a return."""

    INVOICES_WRITE = "invoices.write"
    REFUNDS_WRITE = "refunds.write"
    PAYOUTS_WRITE = "payouts.write"

    KEYS_VIEW = "keys.view"
    KEYS_MANAGE = "keys.manage"
    """Issue, change, rotate and revoke API keys that can't move money."""

    KEYS_OF_MONEY = "keys.of_money"
    """The same for keys that may request payouts or refunds: otherwise a developer could request both with a key."""

    WEBHOOKS_VIEW = "webhooks.view"
    WEBHOOKS_MANAGE = "webhooks.manage"
    """Endpoints, their secrets, replays."""

    EVENTS_VIEW = "events.view"
    TEAM_VIEW = "team.view"
    TEAM_MANAGE = "team.manage"
    """Change and remove members who are no owners, and withdraw invitations."""

    TEAM_INVITE = "team.invite"
    """Invite members who are no owners; invitations wait for the approval (contract, section 8)."""

    OWNERS_MANAGE = "owners.manage"
    """The same for owners, and make somebody one."""

    SETTINGS_VIEW = "settings.view"
    SETTINGS_MANAGE = "settings.manage"
    APPLICATION_WRITE = "application.write"
    """Answer the platform's questions before approval."""

    SECURITY_VIEW = "security.view"
    AUDIT_VIEW = "audit.view"


_SUPPORT = frozenset({Permission.VIEW, Permission.RETURNS_WRITE})
_ACCOUNTANT = frozenset({Permission.VIEW, Permission.PAYOUTS_VIEW, Permission.BOOKS_VIEW, Permission.EXPORTS_VIEW})
_VIEWER = _ACCOUNTANT | {Permission.TEAM_VIEW, Permission.SETTINGS_VIEW}
_DEVELOPER = _VIEWER | {
    Permission.INVOICES_WRITE,
    Permission.KEYS_VIEW,
    Permission.KEYS_MANAGE,
    Permission.WEBHOOKS_VIEW,
    Permission.WEBHOOKS_MANAGE,
    Permission.EVENTS_VIEW,
    Permission.SECURITY_VIEW,
}
_ADMIN = frozenset(Permission) - {Permission.OWNERS_MANAGE}

ALLOWED: Mapping[Role, frozenset[Permission]] = MappingProxyType(
    {
        "owner": frozenset(Permission),
        "admin": _ADMIN,
        "developer": _DEVELOPER,
        "accountant": _ACCOUNTANT,
        "support": _SUPPORT,
        "viewer": _VIEWER,
    }
)
"""What each role may do at a merchant that is approved."""

_NEW_BUSINESS = frozenset(
    {
        Permission.INVOICES_WRITE,
        Permission.REFUNDS_WRITE,
        Permission.RETURNS_WRITE,
        Permission.PAYOUTS_WRITE,
        Permission.TEAM_INVITE,
    }
)
_READING = frozenset(
    {
        Permission.VIEW,
        Permission.PAYOUTS_VIEW,
        Permission.BOOKS_VIEW,
        Permission.EXPORTS_VIEW,
        Permission.KEYS_VIEW,
        Permission.WEBHOOKS_VIEW,
        Permission.EVENTS_VIEW,
        Permission.TEAM_VIEW,
        Permission.SETTINGS_VIEW,
        Permission.SECURITY_VIEW,
        Permission.AUDIT_VIEW,
    }
)
_BEFORE_APPROVAL = (frozenset(Permission) - _NEW_BUSINESS - {Permission.KEYS_MANAGE, Permission.KEYS_OF_MONEY}) - {
    Permission.WEBHOOKS_MANAGE
}

OPEN_WHILE: Mapping[Standing, frozenset[Permission]] = MappingProxyType(
    {
        "pending": _BEFORE_APPROVAL,
        "rejected": _BEFORE_APPROVAL,
        "approved": frozenset(Permission) - {Permission.APPLICATION_WRITE},
        # The API refuses its keys. Its members still manage keys and team: they may have to remove an intruder.
        "suspended": frozenset(Permission) - _NEW_BUSINESS - {Permission.APPLICATION_WRITE},
        "banned": _READING,
    }
)
"""What each standing allows. As in the API, new invoices, payouts, refunds and members need an approved merchant."""

DESCRIPTIONS: Mapping[Role, str] = MappingProxyType(
    {
        "owner": "Everything, and decides who else is an owner.",
        "admin": "Everything but owners: payouts, refunds, keys, webhooks, team and settings.",
        "developer": "Invoices, webhooks, and API keys that can't move money. No payouts, refunds or team.",
        "accountant": "Invoices, payouts, balances, ledger, reports and exports. Changes nothing.",
        "support": "Invoices and refunds of single customers, and where a return goes. No money, keys or exports.",
        "viewer": "Views and exports. Changes nothing.",
    }
)
"""Shown where a role is chosen."""


def checked_role(role: str) -> Role:
    """The role of this name. Raises INVALID_INPUT."""
    for known in ROLES:
        if known == role:
            return known
    raise invalid("role", "choose a role")


def takes_away(new: Role, old: Role) -> bool:
    """Whether somebody loses a right by a change from the old to the new role."""
    return not ALLOWED[old] <= ALLOWED[new]


def to_invite(role: Role) -> tuple[Permission, ...]:
    """Permissions that the sender of an invitation with this role needs, also when it is accepted."""
    if role == "owner":
        return Permission.TEAM_INVITE, Permission.OWNERS_MANAGE
    return (Permission.TEAM_INVITE,)


def may(role: Role, standing: Standing, permission: Permission) -> bool:
    """Whether a member with this role may do that at a merchant of this standing."""
    return permission in ALLOWED[role] and permission in OPEN_WHILE[standing]
