"""What each role may do, in plain words: the rows of the page and of the table in docs/accounts.md.

The marks come from the tables that enforce it (merchants/roles.py); here are only the words and the order.
"""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from app.merchants.roles import ALLOWED, OPEN_WHILE, ROLES, Permission, may

GROUPS: Mapping[str, Mapping[Permission, str]] = MappingProxyType(
    {
        "Customers": {
            Permission.VIEW: "See invoices, refunds and payments in review; find a transaction",
            Permission.INVOICES_WRITE: "Create and cancel invoices",
            Permission.RETURNS_WRITE: "Confirm or reject return addresses that customers name",
        },
        "Money out": {
            Permission.REFUNDS_WRITE: "Request refunds",
            Permission.PAYOUTS_VIEW: "See payouts",
            Permission.PAYOUTS_WRITE: "Request and cancel payouts",
        },
        "Books": {
            Permission.BOOKS_VIEW: "See balances, reports and the ledger",
            Permission.EXPORTS_VIEW: "Export lists as files",
            Permission.AUDIT_OF_MONEY_VIEW: "See the audit log of invoices, payouts, refunds and reviews",
            Permission.AUDIT_VIEW: "See the whole audit log",
        },
        "Developers": {
            Permission.KEYS_VIEW: "See API keys",
            Permission.KEYS_MANAGE: "Create, change and revoke API keys that can’t move money",
            Permission.KEYS_OF_MONEY: "The same for API keys that may request payouts or refunds",
            Permission.WEBHOOKS_VIEW: "See webhooks and their deliveries",
            Permission.WEBHOOKS_MANAGE: "Change webhooks, see their secrets, send events again",
            Permission.EVENTS_VIEW: "See events",
        },
        "Business": {
            Permission.TEAM_VIEW: "See the team",
            Permission.TEAM_INVITE: "Invite people who are no owners",
            Permission.TEAM_MANAGE: "Change roles, remove people and withdraw invitations, except of owners",
            Permission.OWNERS_MANAGE: "The same for owners, and make somebody an owner",
            Permission.SETTINGS_VIEW: "See the settings",
            Permission.SETTINGS_MANAGE: "Change the settings",
            Permission.SECURITY_VIEW: "See the security checklist",
            Permission.APPLICATION_WRITE: "Apply for live mode",
        },
    }
)
"""Every permission in words, by group, in the order of the page."""

STANDINGS = ("Before approval, live mode", "Before approval, test mode", "Approved", "Suspended", "Banned")
"""The columns of the second table: what a merchant's standing leaves of the rights of its owner."""


class MatrixRow(msgspec.Struct, frozen=True):
    """Something that one can do, and for each column of its table whether it is allowed."""

    words: str
    allowed: tuple[bool, ...]


def by_role() -> list[tuple[str, list[MatrixRow]]]:
    """For each group its rows; the columns are ROLES."""
    return [
        (
            group,
            [
                MatrixRow(words, tuple(permission in ALLOWED[role] for role in ROLES))
                for permission, words in labels.items()
            ],
        )
        for group, labels in GROUPS.items()
    ]


def by_standing() -> list[MatrixRow]:
    """What not every standing allows; the columns are STANDINGS."""
    return [
        row
        for labels in GROUPS.values()
        for permission, words in labels.items()
        if not all((row := MatrixRow(words, _while_each(permission))).allowed)
    ]


def _while_each(permission: Permission) -> tuple[bool, ...]:
    return (
        may("owner", "pending", permission, "live"),
        may("owner", "pending", permission, "test"),
        *(permission in OPEN_WHILE[standing] for standing in ("approved", "suspended", "banned")),
    )
