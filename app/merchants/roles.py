"""What each role of a member allows, and what a merchant's standing allows of it. Pure tables.

Services check permissions (`by.require(Permission.…)`, merchants/members.py); pages only leave out what
would be refused.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Literal, get_args

from app.core.errors import invalid
from app.merchants.terms import Mode

Role = Literal["owner", "admin", "developer", "viewer"]

ROLES: tuple[Role, ...] = get_args(Role)
"""From the most to the least powerful."""

Standing = Literal["pending", "rejected", "approved", "suspended", "banned"]
"""Where a merchant stands with the platform: the column `merchants.status`."""


class Permission(StrEnum):
    """Something that a member may be allowed to do."""

    VIEW = "view"
    """See balances, invoices, payouts, refunds, the ledger, reviews; export them."""

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


_VIEWER = frozenset({Permission.VIEW, Permission.TEAM_VIEW, Permission.SETTINGS_VIEW})
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
    {"owner": frozenset(Permission), "admin": _ADMIN, "developer": _DEVELOPER, "viewer": _VIEWER}
)
"""What each role may do at a merchant that is approved."""

_NEW_BUSINESS = frozenset(
    {Permission.INVOICES_WRITE, Permission.REFUNDS_WRITE, Permission.PAYOUTS_WRITE, Permission.TEAM_INVITE}
)
_READING = frozenset(
    {
        Permission.VIEW,
        Permission.KEYS_VIEW,
        Permission.WEBHOOKS_VIEW,
        Permission.EVENTS_VIEW,
        Permission.TEAM_VIEW,
        Permission.SETTINGS_VIEW,
        Permission.SECURITY_VIEW,
        Permission.AUDIT_VIEW,
    }
)
_IN_TEST_MODE = frozenset(
    {
        Permission.INVOICES_WRITE,
        Permission.REFUNDS_WRITE,
        Permission.PAYOUTS_WRITE,
        Permission.KEYS_MANAGE,
        Permission.KEYS_OF_MONEY,
        Permission.WEBHOOKS_MANAGE,
    }
)
_BEFORE_APPROVAL = frozenset(Permission) - _IN_TEST_MODE - {Permission.TEAM_INVITE}

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
"""What each standing allows in live mode. As in the API, new invoices, payouts and refunds need an approved merchant;
new members need one in either mode."""

OPEN_TO_TEST: frozenset[Standing] = frozenset({"pending", "rejected", "approved"})
"""The standings in which test mode is open: to a merchant from its application on (contract, section 8)."""

DESCRIPTIONS: Mapping[Role, str] = MappingProxyType(
    {
        "owner": "Everything, and decides who else is an owner.",
        "admin": "Everything but owners: payouts, refunds, keys, webhooks, team and settings.",
        "developer": "Invoices, webhooks, and API keys that can't move money. No payouts, refunds or team.",
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


def to_invite(role: Role) -> tuple[Permission, ...]:
    """Permissions that the sender of an invitation with this role needs, also when it is accepted."""
    if role == "owner":
        return Permission.TEAM_INVITE, Permission.OWNERS_MANAGE
    return (Permission.TEAM_INVITE,)


def is_open(standing: Standing, mode: Mode) -> bool:
    """Whether a merchant of this standing does business in this mode: the API lets in its keys."""
    return standing == "approved" or (mode == "test" and standing in OPEN_TO_TEST)


def may(role: Role, standing: Standing, permission: Permission, mode: Mode = "live") -> bool:
    """Whether a member with this role may do that, in this mode, at a merchant of this standing."""
    if permission not in ALLOWED[role]:
        return False
    return permission in OPEN_WHILE[standing] or (is_open(standing, mode) and permission in _IN_TEST_MODE)
