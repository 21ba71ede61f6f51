"""Members of merchants and their permissions, which every use case of the cabinet checks first."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Protocol

import msgspec

from app.accounts.operators import ActionRefused
from app.audit import service as audit
from app.core import database
from app.core.errors import ApiError, Code, Forbidden
from app.core.newer import BEING_UPGRADED
from app.mail import service as mail
from app.mail.letters import Letter
from app.merchants import memberships_repository, repository
from app.merchants.memberships_repository import MembershipView
from app.merchants.roles import ALLOWED, Permission, Role, Standing, in_words, may, roles_that_may
from app.merchants.terms import Mode


class Decider(Protocol):
    """The operator who decides: what decisions and the audit log need to know (accounts/operators.py)."""

    @property
    def actor(self) -> str:
        """`account:ACC-…`."""

    @property
    def address(self) -> str | None:
        """The client's."""


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A signed-in person at a merchant, looked up for this request. `address` is the client's, for the audit log."""

    account_id: str
    merchant_id: str
    merchant_name: str
    standing: Standing
    role: Role
    address: str | None

    @property
    def actor(self) -> str:
        """Their name in the audit log, and as the requester of a payout."""
        return f"account:{self.account_id}"

    def may(self, permission: Permission, mode: Mode = "live") -> bool:
        """Whether their role and the merchant's standing allow it in this mode. Test mode is open before approval."""
        return may(self.role, self.standing, permission, mode)

    def require(self, permission: Permission, mode: Mode = "live") -> None:
        """Raise Forbidden where the role does not allow it, MERCHANT_… where the merchant's standing does not, in this
        mode."""
        if self.role not in ALLOWED:
            raise Forbidden(f"this server does not know your role, {self.role}, yet: {BEING_UPGRADED}")
        if permission not in ALLOWED[self.role]:
            allowed = in_words(roles_that_may(permission))
            raise Forbidden(f"your role, {self.role}, does not allow this: it takes the role {allowed}")
        if not self.may(permission, mode):
            unknown = (Code.MERCHANT_NOT_APPROVED, f"the merchant is {self.standing}")
            raise ApiError(*REFUSED_STANDING.get(self.standing, unknown))

    async def record(self, action: str, subject: str, now: datetime, **details: object) -> None:
        """Record an action of theirs in the audit log, in the caller's transaction. `details` hold nothing secret."""
        await audit.record(
            actor=self.actor,
            action=action,
            subject=subject,
            merchant_id=self.merchant_id,
            address=self.address,
            details=details,
            now=now,
        )


REFUSED_STANDING: Mapping[Standing, tuple[Code, str]] = MappingProxyType(
    {
        "pending": (Code.MERCHANT_NOT_APPROVED, "the merchant is not approved yet"),
        "rejected": (Code.MERCHANT_NOT_APPROVED, "the merchant's application was rejected"),
        "approved": (Code.MERCHANT_NOT_APPROVED, "the merchant is approved already"),
        "suspended": (Code.MERCHANT_SUSPENDED, "the merchant is suspended"),
        "banned": (Code.MERCHANT_BANNED, "the merchant is banned"),
    }
)
"""The API's error for each standing, where a merchant may not do something."""


async def member(account_id: str, merchant_id: str, *, address: str | None) -> Member | None:
    """The account as a member of the merchant; None if it is not a member, or the merchant doesn't exist."""
    row = await memberships_repository.find(account_id, merchant_id)
    return None if row is None else Member(**msgspec.structs.asdict(row), address=address)


async def locked(by: Member) -> Member:
    """Lock the merchant's team and read the member again. Raises Forbidden where they were removed meanwhile."""
    database.in_transaction()
    await repository.lock(by.merchant_id)
    current = await member(by.account_id, by.merchant_id, address=by.address)
    if current is None:
        raise Forbidden("you are not a member any more")
    return current


async def merchants_of(account_id: str) -> list[MembershipView]:
    """Every merchant that the account belongs to, by name."""
    return await memberships_repository.merchants_of(account_id)


async def belonged_since(account_id: str, merchant_id: str | None, since: datetime) -> bool:
    """Whether an account belongs to a merchant now, or did at some time since then; False without a merchant.

    The rule is a function in Postgres, which triggers on approvals and reviews use too. Clocks may differ, so an hour
    before `since` counts.
    """
    return await memberships_repository.belonged_since(account_id, merchant_id, since)


async def refuse_own_merchant(operator: Decider, merchant_id: str, now: datetime) -> None:
    """Raise ActionRefused where an operator belongs to the merchant: they may not approve, reinstate or
    raise caps for their own merchant. Any operator may stop a merchant."""
    if await belonged_since(operator.actor.removeprefix("account:"), merchant_id, now):
        raise ActionRefused("you belong to the merchant: another operator must decide")


async def write_to_owners(merchant_id: str, letter: Letter, now: datetime) -> None:
    """Send a letter to each owner when the caller's transaction commits."""
    for email in await memberships_repository.owners_emails(merchant_id):
        await mail.enqueue_to_kept(email, letter, now)
