"""Invitations, roles, removal: there is always an owner, and a token is for one person, once, for a week."""

import asyncio
import json
import re
from datetime import timedelta

import pytest

from app.core import clock, database
from app.core.errors import ApiError, Code, Forbidden
from app.merchants import invitations, team
from app.merchants import service as merchants
from app.merchants.members import Member, member
from tests.factories.letters import letters
from tests.factories.merchants import make_member, merchant
from tests.merchants.people import current_member, new_member, owner_of

URL = "https://pay.example.test"


async def invited(by: Member, email: str = "new@example.test", role: str = "developer") -> str:
    """Invite somebody. Returns the token in the letter."""
    await invitations.invite(by, email, role, public_url=URL, now=clock.now())
    (letter, *_) = await letters(email)
    found = re.search(r"/invitation\?token=(\S+)", letter.body)
    assert found, letter
    return found[1]


async def newcomer(email: str = "new@example.test") -> str:
    elsewhere = await merchant(name="Elsewhere")
    return await make_member(merchant_id=elsewhere, role="viewer", email=email, now=clock.now())


async def accept(token: str, account_id: str) -> str:
    return await invitations.accept(token, account_id=account_id, address="192.0.2.7", now=clock.now())


async def test_the_letter_lets_the_invited_person_in_with_the_role(db: str) -> None:
    owner = await owner_of()
    token = await invited(owner)
    assert await accept(token, await newcomer()) == owner.merchant_id
    assert [one.role for one in await team.people(owner.merchant_id)] == ["owner", "developer"]
    assert len(token) >= 43  # 256 bits
    assert (
        await database.fetch_value("SELECT count(*) FROM merchant_invitations WHERE token_hash = $1", token.encode())
        == 0
    )


async def test_of_twenty_uses_at_once_one_is_accepted(db: str) -> None:
    owner = await owner_of()
    token, account_id = await invited(owner), await newcomer()

    async def use() -> bool:
        try:
            await accept(token, account_id)
        except ApiError:
            return False
        return True

    assert sum(await asyncio.gather(*[use() for _ in range(20)])) == 1


async def test_a_leaked_token_is_refused_for_another_account(db: str) -> None:
    token = await invited(await owner_of())
    with pytest.raises(ApiError, match=r"is for new@example\.test"):
        await accept(token, await newcomer("thief@example.test"))


async def test_an_expired_withdrawn_or_replaced_invitation_is_refused(db: str, steady_clock: None) -> None:
    owner, account_id = await owner_of(), await newcomer()
    first = await invited(owner)
    second = await invited(owner)
    assert await invitations.find(first, clock.now()) is None
    (open_one,) = await invitations.open_of(owner.merchant_id, clock.now())
    await invitations.withdraw(owner, open_one.id, clock.now())
    third = await invited(owner)
    clock.shift(timedelta(days=7, seconds=1))
    for token in (first, second, third, "", "x"):
        with pytest.raises(ApiError, match="used or withdrawn, or has expired"):
            await accept(token, account_id)


async def is_open(token: str) -> bool:
    return await invitations.find(token, clock.now()) is not None


async def withdrawn_invitees(by: Member) -> list[str]:
    """The addressees of the invitations that the audit log lists as withdrawn."""
    rows = await database.fetch_all(
        "SELECT details FROM audit_entries WHERE merchant_id = $1 AND action = 'team.invitation_withdrawn' ORDER BY id",
        by.merchant_id,
    )
    return [json.loads(row["details"])["email"] for row in rows]


async def test_a_removed_admin_does_not_come_back_by_an_invitation_sent_before(db: str) -> None:
    owner = await owner_of()
    admin, leaver = await new_member(owner.merchant_id, "admin"), await new_member(owner.merchant_id, "admin", "leaver")
    second, theirs = await invited(admin, "second@example.test"), await invited(leaver, "third@example.test")
    others = await invited(owner, "new@example.test")
    await team.remove(owner, admin.account_id, clock.now())
    await team.leave(leaver, clock.now())
    for token, email in ((second, "second@example.test"), (theirs, "third@example.test")):
        with pytest.raises(ApiError, match="used or withdrawn"):
            await accept(token, await newcomer(email))
    assert await accept(others, await newcomer()) == owner.merchant_id
    assert await withdrawn_invitees(owner) == ["second@example.test", "third@example.test"]
    listed = await invitations.sent_by(owner.merchant_id, admin.account_id, clock.now())
    assert [(one.email, one.state) for one in listed] == [("second@example.test", "withdrawn")]


async def test_a_demotion_withdraws_what_the_new_role_may_not_send(db: str) -> None:
    owner = await owner_of()
    second = await new_member(owner.merchant_id, "owner", "second")
    as_owner, as_viewer = await invited(second, "a@example.test", "owner"), await invited(second, "b@example.test")
    await team.change_role(owner, second.account_id, "admin", clock.now())
    assert (await is_open(as_owner), await is_open(as_viewer)) == (False, True)
    await team.change_role(owner, second.account_id, "developer", clock.now())
    assert not await is_open(as_viewer)
    assert await withdrawn_invitees(owner) == ["a@example.test", "b@example.test"]


@pytest.mark.parametrize("ended", ["demoted", "removed", "suspended", "banned", "pending"])
async def test_the_right_to_invite_is_asked_when_the_invitation_is_used(db: str, ended: str) -> None:
    """Even if nobody has withdrawn it."""
    owner = await owner_of()
    admin = await new_member(owner.merchant_id, "admin")
    token = await invited(admin)
    if ended == "demoted":
        await merchants.add_member(owner.merchant_id, admin.account_id, "developer", clock.now())
    elif ended == "removed":
        await database.execute("DELETE FROM memberships WHERE account = $1", admin.account_id)
    else:
        await database.execute("UPDATE merchants SET status = $2 WHERE id = $1", owner.merchant_id, ended)
    account_id = await newcomer()
    assert not await is_open(token)
    with pytest.raises(ApiError, match="used or withdrawn"):
        await accept(token, account_id)
    await database.execute("UPDATE merchants SET status = 'approved' WHERE id = $1", owner.merchant_id)
    await merchants.add_member(owner.merchant_id, admin.account_id, "admin", clock.now())
    assert await accept(token, account_id) == owner.merchant_id


async def test_an_admin_does_not_end_an_owners_invitation_by_another(db: str) -> None:
    owner = await owner_of()
    admin = await new_member(owner.merchant_id, "admin")
    token = await invited(owner, "partner@example.test", "owner")
    (open_one,) = await invitations.open_of(owner.merchant_id, clock.now())
    with pytest.raises(Forbidden, match="invited as owner"):
        await invited(admin, "Partner@example.test", "viewer")
    with pytest.raises(Forbidden, match="invited as owner"):
        await invitations.withdraw(admin, open_one.id, clock.now())
    assert await accept(token, await newcomer("partner@example.test")) == owner.merchant_id


async def test_invitations_wait_for_the_approval(db: str) -> None:
    for status in ("pending", "rejected", "suspended"):
        owner = await owner_of(f"Not approved: {status}", status)
        with pytest.raises(ApiError) as refused:
            await invited(owner)
        assert refused.value.code in (Code.MERCHANT_NOT_APPROVED, Code.MERCHANT_SUSPENDED)


@pytest.mark.parametrize("role", ["developer", "viewer"])
async def test_only_allowed_roles_manage_the_team(db: str, role: str) -> None:
    owner = await owner_of()
    other = await new_member(owner.merchant_id, role)  # type: ignore[arg-type]
    for deed in (
        invited(other),
        team.change_role(other, owner.account_id, "viewer", clock.now()),
        team.remove(other, owner.account_id, clock.now()),
    ):
        with pytest.raises(Forbidden):
            await deed


async def test_admins_make_and_touch_no_owners(db: str) -> None:
    owner = await owner_of()
    admin = await new_member(owner.merchant_id, "admin")
    viewer = await new_member(owner.merchant_id, "viewer")
    for deed in (
        invited(admin, role="owner"),
        team.change_role(admin, viewer.account_id, "owner", clock.now()),
        team.change_role(admin, owner.account_id, "viewer", clock.now()),
        team.remove(admin, owner.account_id, clock.now()),
    ):
        with pytest.raises(Forbidden):
            await deed
    await team.change_role(admin, viewer.account_id, "developer", clock.now())
    assert (await current_member(viewer.account_id, owner.merchant_id)).role == "developer"


async def test_the_last_owner_stays(db: str) -> None:
    owner = await owner_of()
    for deed in (
        team.change_role(owner, owner.account_id, "admin", clock.now()),
        team.remove(owner, owner.account_id, clock.now()),
        team.leave(owner, clock.now()),
    ):
        with pytest.raises(ApiError, match="last owner"):
            await deed


async def test_of_two_owners_who_remove_each_other_at_once_one_stays(db: str) -> None:
    first = await owner_of()
    second = await new_member(first.merchant_id, "owner", "second")

    async def remove(by: Member, other: Member) -> bool:
        try:
            await team.remove(by, other.account_id, clock.now())
        except ApiError:
            return False
        return True

    assert sum(await asyncio.gather(remove(first, second), remove(second, first))) == 1
    assert len(await team.people(first.merchant_id)) == 1


async def test_a_removed_member_has_no_access_at_once_and_the_log_records_it(db: str) -> None:
    owner = await owner_of()
    admin = await new_member(owner.merchant_id, "admin")
    await team.remove(owner, admin.account_id, clock.now())
    assert await member(admin.account_id, owner.merchant_id, address=None) is None
    with pytest.raises(Forbidden):  # with the `Member` from before the removal
        await invited(admin)
    row = await database.fetch_one("SELECT action, actor, address FROM audit_entries ORDER BY id DESC LIMIT 1")
    assert row is not None
    assert tuple(row) == ("team.removed", owner.actor, "192.0.2.7")
