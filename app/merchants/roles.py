"""What each role of a member allows, and what a merchant's standing allows of it. Pure tables.

Services check permissions (`by.require(Permission.…)`, merchants/members.py); pages only leave out what
would be refused. The page and the table of docs/accounts.md that say what each role may do are made from these tables
(merchants/role_matrix.py).
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import Literal, get_args

from app.core.errors import invalid
from app.core.newer import Rights, Words
from app.merchants.terms import Mode

Role = Literal["owner", "admin", "developer", "accountant", "support", "viewer"]

ROLES: tuple[Role, ...] = get_args(Role)
"""In the order in which they are shown. A role is not always within the one before: see `takes_something`."""

Standing = Literal["pending", "rejected", "approved", "suspended", "banned"]
"""Where a merchant stands with the platform: the column `merchants.status`."""


class Permission(StrEnum):
    """Something that a member may be allowed to do."""

    VIEW = "view"
    """See invoices, refunds and payments in review, and find a transaction. Every role may: pages of every member, such
    as the home page and the words explained, ask for this."""

    PAYOUTS_VIEW = "payouts.view"
    BOOKS_VIEW = "books.view"
    """See what the merchant has and earns: balances, reports, the ledger, and verify the ledger."""

    EXPORTS_VIEW = "exports.view"
    """Export lists as files, and see the files that are prepared. A list needs its own permission too."""

    INVOICES_WRITE = "invoices.write"
    RETURNS_WRITE = "returns.write"
    """Decide on the addresses that customers name for the return of a payment in review. Operators send it."""

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
    AUDIT_OF_MONEY_VIEW = "audit.money.view"
    """See the part of the audit log that is about invoices, payouts, refunds and reviews."""

    AUDIT_VIEW = "audit.view"


_SUPPORT = frozenset({Permission.VIEW, Permission.RETURNS_WRITE, Permission.TEAM_VIEW})
_VIEWER = frozenset(
    {
        Permission.VIEW,
        Permission.PAYOUTS_VIEW,
        Permission.BOOKS_VIEW,
        Permission.EXPORTS_VIEW,
        Permission.TEAM_VIEW,
        Permission.SETTINGS_VIEW,
    }
)
_ACCOUNTANT = _VIEWER | {Permission.AUDIT_OF_MONEY_VIEW}
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
    Rights(
        {
            "owner": frozenset(Permission),
            "admin": _ADMIN,
            "developer": _DEVELOPER,
            "accountant": _ACCOUNTANT,
            "support": _SUPPORT,
            "viewer": _VIEWER,
        }
    )
)
"""What each role may do at a merchant that is approved."""

_NEW_BUSINESS = frozenset(
    {
        Permission.INVOICES_WRITE,
        Permission.RETURNS_WRITE,
        Permission.REFUNDS_WRITE,
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
        Permission.AUDIT_OF_MONEY_VIEW,
        Permission.AUDIT_VIEW,
    }
)
_IN_TEST_MODE = frozenset(
    {
        Permission.INVOICES_WRITE,
        Permission.RETURNS_WRITE,
        Permission.REFUNDS_WRITE,
        Permission.PAYOUTS_WRITE,
        Permission.KEYS_MANAGE,
        Permission.KEYS_OF_MONEY,
        Permission.WEBHOOKS_MANAGE,
    }
)
_BEFORE_APPROVAL = frozenset(Permission) - _IN_TEST_MODE - {Permission.TEAM_INVITE}

OPEN_WHILE: Mapping[Standing, frozenset[Permission]] = MappingProxyType(
    Rights(
        {
            "pending": _BEFORE_APPROVAL,
            "rejected": _BEFORE_APPROVAL,
            "approved": frozenset(Permission) - {Permission.APPLICATION_WRITE},
            # The API refuses its keys. Its members still manage keys and team: they may have to remove an intruder.
            "suspended": frozenset(Permission) - _NEW_BUSINESS - {Permission.APPLICATION_WRITE},
            "banned": _READING,
        }
    )
)
"""What each standing allows in live mode. As in the API, new invoices, payouts and refunds need an approved merchant;
new members need one in either mode."""

OPEN_TO_TEST: frozenset[Standing] = frozenset({"pending", "rejected", "approved"})
"""The standings in which test mode is open: to a merchant from its application on (contract, section 8)."""

DESCRIPTIONS: Mapping[Role, str] = MappingProxyType(
    Words(
        {
            "owner": "Everything, and decides who else is an owner.",
            "admin": "Everything but owners: payouts, refunds, keys, webhooks, team and settings.",
            "developer": "Invoices, webhooks, and API keys that can't move money. No payouts, refunds or team.",
            "accountant": "Balances, ledger, reports, exports, payouts, refunds, and their audit log. Changes nothing.",
            "support": "Invoices, refunds, reviews, and customers' return addresses. "
            "No payouts, books, exports or keys.",
            "viewer": "Views invoices, payouts, refunds and the books, and exports them. Changes nothing.",
        }
    )
)
"""Shown where a role is chosen."""


def checked_role(role: str) -> Role:
    """The role of this name. Raises INVALID_INPUT."""
    for known in ROLES:
        if known == role:
            return known
    raise invalid("role", "choose a role")


def takes_something(was: Role, is_now: Role) -> bool:
    """Whether a member loses a permission by this change of role."""
    return not ALLOWED[was] <= ALLOWED[is_now]


def only_reads(role: Role) -> bool:
    """Whether a role changes nothing at the merchant."""
    return ALLOWED[role] <= _READING


def roles_that_may(*permissions: Permission) -> tuple[Role, ...]:
    """The roles that have all of these permissions, in their order."""
    return tuple(role for role in ROLES if ALLOWED[role].issuperset(permissions))


def in_words(roles: Sequence[str]) -> str:
    """Roles, or people, for a sentence: `owner, admin or support`."""
    *others, last = roles
    return f"{', '.join(others)} or {last}" if others else last


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
