"""The rights of each role, and how a merchant's standing limits them."""

from pathlib import Path

import pytest

from app.core.errors import ApiError, Code, Forbidden
from app.merchants.members import member, merchants_of
from app.merchants.notices import WORDS
from app.merchants.role_matrix import GROUPS, by_role, by_standing
from app.merchants.roles import (
    ALLOWED,
    OPEN_WHILE,
    ROLES,
    Permission,
    Role,
    Standing,
    may,
    only_reads,
    takes_something,
)
from tests.factories.merchants import merchant
from tests.merchants.people import new_member, owner_of

ACCOUNTS_PAGE = Path(__file__).parents[2] / "docs/accounts.md"

WAITING: tuple[Standing, ...] = ("pending", "rejected")
CLOSED: tuple[Standing, ...] = (*WAITING, "suspended", "banned")
OF_MONEY = (Permission.PAYOUTS_WRITE, Permission.REFUNDS_WRITE, Permission.KEYS_OF_MONEY)


def test_an_owner_may_everything_and_nobody_more_than_an_admin_but_owners() -> None:
    assert ALLOWED["owner"] == set(Permission)
    assert all(ALLOWED[role] < ALLOWED["admin"] for role in ROLES if role not in ("owner", "admin"))
    assert ALLOWED["viewer"] < ALLOWED["accountant"]
    assert ALLOWED["viewer"] < ALLOWED["developer"]


@pytest.mark.parametrize("role", [role for role in ROLES if role not in ("owner", "admin")])
def test_only_owners_and_admins_move_money_and_give_roles(role: Role) -> None:
    assert not ALLOWED[role].intersection((*OF_MONEY, Permission.TEAM_INVITE, Permission.TEAM_MANAGE))


def test_viewers_and_accountants_change_nothing() -> None:
    for role in ("viewer", "accountant"):
        assert all(str(permission).endswith("view") for permission in ALLOWED[role])
    assert [role for role in ROLES if only_reads(role)] == ["accountant", "viewer"]


def test_support_sees_to_customers_and_to_nothing_else() -> None:
    assert ALLOWED["support"] == {Permission.VIEW, Permission.RETURNS_WRITE, Permission.TEAM_VIEW}


def test_whoever_may_see_long_work_may_follow_it() -> None:
    """The topic of one job asks for exports, whatever the job is about."""
    for role in ROLES:
        if ALLOWED[role].intersection((Permission.BOOKS_VIEW, Permission.WEBHOOKS_VIEW)):
            assert Permission.EXPORTS_VIEW in ALLOWED[role]


def test_an_email_goes_only_to_who_may_open_its_page() -> None:
    seen_with = {"payouts": Permission.PAYOUTS_VIEW, "refunds": Permission.VIEW, "keys": Permission.KEYS_VIEW}
    for kind, words in WORDS.items():
        needed = seen_with.get(words.page.partition("/")[0], Permission.VIEW)
        assert all(needed in ALLOWED[role] for role in words.told), kind
    assert WORDS["payout.confirmed"].told == ("owner", "admin", "accountant")
    assert WORDS["return_address.given"].told == ("owner", "admin", "support")


def test_a_change_of_role_takes_something_wherever_the_new_one_may_less() -> None:
    changes: list[tuple[Role, Role, bool]] = [
        *(("developer", "accountant", True), ("accountant", "support", True), ("support", "viewer", True)),
        *(("viewer", "accountant", False), ("viewer", "developer", False), ("support", "admin", False)),
    ]
    for was, is_now, takes in changes:
        assert takes_something(was, is_now) == takes, (was, is_now)


def test_the_page_of_roles_and_the_documentation_say_what_the_code_does() -> None:
    shown = [permission for labels in GROUPS.values() for permission in labels]
    assert sorted(shown) == sorted(Permission)
    heads = "".join(f" {role} |" for role in ROLES)
    table = [f"| |{heads}", "|---|" + "---|" * len(ROLES)]
    for group, rows in by_role():
        table.append(f"| **{group}** |" + " |" * len(ROLES))
        table += [f"| {row.words} |" + "".join(" yes |" if one else " no |" for one in row.allowed) for row in rows]
    assert "\n".join(table) in ACCOUNTS_PAGE.read_text(), "docs/accounts.md: paste\n" + "\n".join(table)


def test_the_page_of_roles_lists_what_a_standing_closes() -> None:
    limits = {row.words: row.allowed for row in by_standing()}
    assert limits["Create and cancel invoices"] == (False, True, True, False, False)
    assert limits["Apply for live mode"] == (True, True, False, False, False)
    assert "See payouts" not in limits


def test_an_unapproved_merchant_does_no_business_and_a_banned_one_changes_nothing() -> None:
    for standing in CLOSED:
        assert not may("owner", standing, Permission.INVOICES_WRITE)
        assert not may("owner", standing, Permission.PAYOUTS_WRITE)
        assert may("owner", standing, Permission.VIEW)
        assert may("owner", standing, Permission.INVOICES_WRITE, "test") == (standing in WAITING)
    for waiting in WAITING:
        assert may("owner", waiting, Permission.KEYS_MANAGE, "test")
        assert not may("owner", waiting, Permission.KEYS_MANAGE, "live")
        assert not may("viewer", waiting, Permission.KEYS_MANAGE, "test")
        assert not may("owner", waiting, Permission.TEAM_INVITE, "test")
    assert may("owner", "suspended", Permission.KEYS_MANAGE)  # an intruder must be removed even then
    assert all(str(permission).endswith("view") for permission in OPEN_WHILE["banned"])


async def test_a_refusal_says_whether_it_is_the_role_or_the_standing(db: str) -> None:
    viewer = await new_member(await merchant(), "viewer")
    with pytest.raises(Forbidden, match="your role, viewer"):
        viewer.require(Permission.PAYOUTS_WRITE)
    suspended = await owner_of(status="suspended")
    with pytest.raises(ApiError) as refused:
        suspended.require(Permission.PAYOUTS_WRITE)
    assert refused.value.code is Code.MERCHANT_SUSPENDED


async def test_a_foreign_merchant_is_not_found_like_an_unknown_one(db: str) -> None:
    owner, foreign = await owner_of(), await merchant(name="Foreign")
    assert await member(owner.account_id, foreign, address=None) is None
    assert await member(owner.account_id, "MCH-0000000000", address=None) is None
    assert [one.merchant_id for one in await merchants_of(owner.account_id)] == [owner.merchant_id]
