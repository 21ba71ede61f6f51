"""Every statement on `memberships` and `former_members`."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from app.core import database
from app.core.statement import Command, Param, Statement, insert
from app.merchants.roles import ROLES, Role, Standing
from app.merchants.tables import Membership


class MemberRow(msgspec.Struct, frozen=True, kw_only=True):
    """An account's membership with what is known of the merchant."""

    account_id: str
    merchant_id: str
    merchant_name: str
    standing: Standing
    role: Role


class MembershipView(msgspec.Struct, frozen=True, kw_only=True):
    """One of a person's merchants."""

    merchant_id: str
    merchant_name: str
    standing: Standing
    role: Role
    since: datetime


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """A member as colleagues see them."""

    account_id: str
    name: str
    email: str
    role: Role
    has_second_step: bool
    since: datetime


class Colleague(msgspec.Struct, frozen=True, kw_only=True):
    """A member of a merchant, or a former one."""

    account_id: str
    name: str
    is_member: bool


_IS_MEMBER = (Membership.account == Param("account")) & (Membership.merchant == Param("merchant"))


async def find(account_id: str, merchant_id: str) -> MemberRow | None:
    """The account's membership of the merchant, if it has one."""
    return await _FIND.first(account=account_id, merchant=merchant_id)


_FIND = Statement(
    Membership.select(
        Membership.account.as_alias("account_id"),
        Membership.merchant.as_alias("merchant_id"),
        Membership.merchant.name.as_alias("merchant_name"),
        Membership.merchant.status.as_alias("standing"),
        Membership.role,
    ).where(_IS_MEMBER),
    MemberRow,
)


async def merchants_of(account_id: str) -> list[MembershipView]:
    """Every merchant that the account belongs to, by name."""
    # SQL, since the builder can't order by an expression on a joined table.
    rows = await database.fetch_all(
        """
        SELECT m.id AS merchant_id, m.name AS merchant_name, m.status AS standing, p.role, p.created_at AS since
        FROM memberships p JOIN merchants m ON m.id = p.merchant WHERE p.account = $1 ORDER BY lower(m.name), m.id
        """,
        account_id,
    )
    return [MembershipView(**row) for row in rows]


async def people(merchant_id: str) -> list[Person]:
    """Every member of a merchant: owners first, then by name."""
    # SQL, since the builder can't order by an expression on a joined table.
    rows = await database.fetch_all(
        """
        SELECT a.id AS account_id, a.name, a.email, p.role,
            a.totp_secret_sealed IS NOT NULL OR EXISTS (SELECT FROM passkeys k WHERE k.account = a.id)
                AS has_second_step,
            p.created_at AS since
        FROM memberships p JOIN accounts a ON a.id = p.account WHERE p.merchant = $1
        ORDER BY array_position($2::varchar[], p.role), lower(a.name), a.id
        """,
        merchant_id,
        list(ROLES),
    )
    return [Person(**row) for row in rows]


async def colleague(merchant_id: str, account_id: str) -> Colleague | None:
    """A member or a former one."""
    # SQL, since accounts have no foreign key to memberships.
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
    return None if row is None else Colleague(**row)


async def has_member_with(merchant_id: str, email: str) -> bool:
    """Whether the account with this address is a member."""
    return await _HAS_MEMBER_WITH.first(merchant=merchant_id, email=email) is not None


_HAS_MEMBER_WITH = Statement(
    Membership.select(Membership.id).where(
        Membership.merchant == Param("merchant"), Membership.account.email == Param("email")
    ),
    int,
)


async def owners_emails(merchant_id: str) -> Sequence[str]:
    """The addresses of a merchant's owners, in their order."""
    return await _OWNERS_EMAILS.all(merchant=merchant_id)


_OWNERS_EMAILS = Statement(
    Membership.select(Membership.account.email)
    .where(Membership.merchant == Param("merchant"), Membership.role == "owner")
    .order_by(Membership.account.email),
    str,
)


async def count_owners(merchant_id: str) -> int:
    """How many owners a merchant has."""
    return await _COUNT_OWNERS.one(merchant=merchant_id)


_COUNT_OWNERS = Statement(
    Membership.count().where(Membership.merchant == Param("merchant"), Membership.role == "owner"), int
)


async def set_role(merchant_id: str, account_id: str, role: Role, now: datetime) -> None:
    """Make an account a member, or change its role."""
    await _SET_ROLE.run(merchant=merchant_id, account=account_id, role=role, created_at=now)


_SET_ROLE = Command(
    insert(Membership, Membership.merchant, Membership.account, Membership.role, Membership.created_at).on_conflict(
        target=(Membership.merchant, Membership.account), action="DO UPDATE", values=[Membership.role]
    )
)


async def first_steps_hidden(account_id: str, merchant_id: str) -> bool:
    """Whether the member has put the list of first steps away."""
    return bool(await _FIRST_STEPS_HIDDEN.first(account=account_id, merchant=merchant_id))


_FIRST_STEPS_HIDDEN = Statement(Membership.select(Membership.first_steps_hidden).where(_IS_MEMBER), bool)


async def hide_first_steps(account_id: str, merchant_id: str, hidden: bool) -> None:
    """Put the list of first steps away, or bring it back."""
    await _HIDE_FIRST_STEPS.run(account=account_id, merchant=merchant_id, hidden=hidden)


_HIDE_FIRST_STEPS = Command(Membership.update({Membership.first_steps_hidden: Param("hidden")}).where(_IS_MEMBER))


async def remove(merchant_id: str, account_id: str) -> None:
    """End a membership; a trigger records the former member."""
    await _REMOVE.run(merchant=merchant_id, account=account_id)


_REMOVE = Command(Membership.delete().where(_IS_MEMBER))


async def belonged_since(account_id: str, merchant_id: str | None, since: datetime) -> bool:
    """Whether an account is a member now, or was one at some time from an hour before `since` on."""
    # SQL, since the rule is a function in Postgres.
    found: bool = await database.fetch_value("SELECT belonged_since($1, $2, $3)", merchant_id, account_id, since)
    return found
