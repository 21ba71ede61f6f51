"""The rights of each role, and how a merchant's standing limits them."""

from itertools import pairwise

import pytest

from app.core.errors import ApiError, Code, Forbidden
from app.merchants.members import member, merchants_of
from app.merchants.roles import ALLOWED, OPEN_WHILE, ROLES, Permission, Role, Standing, may
from tests.factories.merchants import merchant
from tests.merchants.people import new_member, owner_of

WAITING: tuple[Standing, ...] = ("pending", "rejected")
CLOSED: tuple[Standing, ...] = (*WAITING, "suspended", "banned")
OF_MONEY = (Permission.PAYOUTS_WRITE, Permission.REFUNDS_WRITE, Permission.KEYS_OF_MONEY)


def test_each_role_may_no_more_than_the_one_above() -> None:
    for higher, lower in pairwise(ROLES):
        assert ALLOWED[lower] < ALLOWED[higher]


@pytest.mark.parametrize("role", ["developer", "viewer"])
def test_only_owners_and_admins_move_money(role: Role) -> None:
    assert not ALLOWED[role].intersection(OF_MONEY)


def test_viewer_changes_nothing() -> None:
    assert all(str(permission).endswith("view") for permission in ALLOWED["viewer"])


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
