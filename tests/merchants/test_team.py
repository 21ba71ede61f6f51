"""Invitations, roles, removal: there is always an owner, and a token is for one person, once, for a week."""

import asyncio
import json
import re
from datetime import timedelta

import pytest

from app.core import clock, database
from app.core.errors import ApiError, Code, Forbidden
from app.merchants import invitation_reminders, invitations, team
from app.merchants import service as merchants
from app.merchants.members import Member, member
from tests.factories.letters import letters
from tests.factories.merchants import make_member, merchant
from tests.merchants.people import current_member, new_member, owner_of

URL = "https://pay.example.test"


async def invited(by: Member, email: str = "new@example.test", role: str = "developer") -> str:
    """Invite somebody. Returns the token in the letter."""
    await invitations.invite(by, email, role, public_url=URL, now=clock.now())
    return await mailed_token(email)


async def mailed_token(email: str = "new@example.test") -> str:
    """The token of the newest email to an address."""
    (newest, *_) = await letters(email)
    found = re.search(r"/invitation\?token=(\S+)", newest.body)
    assert found, newest
    return found[1]


async def reminded() -> int:
    """Remind of invitations that end soon, by two workers at once; returns how many emails were written."""
    return sum(await asyncio.gather(*(invitation_reminders.send(URL, clock.now()) for _ in range(2))))


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


@pytest.mark.parametrize("role", ["developer", "accountant", "support", "viewer"])
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
    for role in ("developer", "accountant", "support"):
        await team.change_role(admin, viewer.account_id, role, clock.now())
        assert (await current_member(viewer.account_id, owner.merchant_id)).role == role


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


async def test_sending_an_invitation_again_ends_the_links_before_it(db: str, steady_clock: None) -> None:
    owner = await owner_of()
    admin = await new_member(owner.merchant_id, "admin")
    first = await invited(owner, role="support")
    clock.shift(timedelta(days=8))
    (expired,) = await invitations.listed_of(owner.merchant_id, clock.now())
    assert expired.has_expired(clock.now())
    assert await invitations.open_of(owner.merchant_id, clock.now()) == []

    await invitations.send_again(admin, expired.id, public_url=URL, now=clock.now())
    second = await mailed_token()
    await invitations.send_again(admin, expired.id, public_url=URL, now=clock.now())
    third = await mailed_token()

    assert [await is_open(token) for token in (first, second, third)] == [False, False, True]
    (again,) = await invitations.listed_of(owner.merchant_id, clock.now())
    assert (again.id, again.role) == (expired.id, "support")
    assert timedelta(days=6, hours=23) < again.expires_at - clock.now() <= timedelta(days=7)
    listed = await invitations.sent_by(owner.merchant_id, admin.account_id, clock.now())
    assert [one.email for one in listed] == ["new@example.test"], "who sends it again is its sender"
    assert await accept(third, await newcomer()) == owner.merchant_id
    for by, problem in ((admin, "used or withdrawn"), (await new_member(owner.merchant_id, "viewer"), "your role")):
        with pytest.raises(ApiError, match=problem):
            await invitations.send_again(by, expired.id, public_url=URL, now=clock.now())


async def test_an_admin_sends_no_owners_invitation_again_and_no_more_than_the_most_are_open(
    db: str, steady_clock: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = await owner_of()
    admin = await new_member(owner.merchant_id, "admin")
    await invited(owner, "partner@example.test", "owner")
    (of_owner,) = await invitations.open_of(owner.merchant_id, clock.now())
    with pytest.raises(Forbidden):
        await invitations.send_again(admin, of_owner.id, public_url=URL, now=clock.now())
    clock.shift(timedelta(days=8))
    monkeypatch.setattr(invitations, "MAX_OPEN", 1)
    await invited(owner, "one@example.test")
    for deed in (
        invitations.send_again(owner, of_owner.id, public_url=URL, now=clock.now()),
        invited(owner, "two@example.test"),
    ):
        with pytest.raises(ApiError, match="invitations are open already"):
            await deed


async def test_one_reminder_two_days_before_the_end_and_both_links_work(db: str, steady_clock: None) -> None:
    owner = await owner_of()
    first = await invited(owner, role="accountant")
    clock.shift(timedelta(days=4, hours=23))
    assert await reminded() == 0, "it is open for more than two days yet"
    clock.shift(timedelta(hours=1))
    assert await reminded() == 1
    clock.shift(timedelta(hours=30))
    assert await reminded() == 0, "once"
    (reminder, _) = await letters("new@example.test")
    assert reminder.subject == "Your invitation to a team on Swap Pay ends soon"
    assert "A Person has invited you to Harbour & Pine as accountant, and you have not answered yet" in reminder.body
    assert "(UTC)" in reminder.body
    second = await mailed_token()
    assert second != first
    assert await is_open(first)
    assert await is_open(second)
    (listed,) = await invitations.open_of(owner.merchant_id, clock.now())
    assert listed.reminded_at is not None
    assert await accept(second, await newcomer()) == owner.merchant_id
    assert not await is_open(first)


async def test_nobody_is_reminded_of_an_invitation_that_leads_nowhere(db: str, steady_clock: None) -> None:
    owner = await owner_of()
    admin = await new_member(owner.merchant_id, "admin")
    used = await invited(owner)
    for email in ("withdrawn@example.test", "joined@example.test", "again@example.test"):
        await invited(owner, email)
    await invited(admin, "of-admin@example.test")
    ids = {one.email: one.id for one in await invitations.open_of(owner.merchant_id, clock.now())}
    await accept(used, await newcomer())
    await invitations.withdraw(owner, ids["withdrawn@example.test"], clock.now())
    await merchants.add_member(owner.merchant_id, await newcomer("joined@example.test"), "viewer", clock.now())
    clock.shift(timedelta(days=6))
    await invitations.send_again(owner, ids["again@example.test"], public_url=URL, now=clock.now())
    # A lower role of which the team's service knows nothing, so that the invitation stays.
    await merchants.add_member(owner.merchant_id, admin.account_id, "support", clock.now())
    assert await reminded() == 0
    await database.execute("UPDATE merchants SET status = 'suspended' WHERE id = $1", owner.merchant_id)
    await merchants.add_member(owner.merchant_id, admin.account_id, "admin", clock.now())
    assert await reminded() == 0, "a suspended merchant invites nobody"
    await database.execute("UPDATE merchants SET status = 'approved' WHERE id = $1", owner.merchant_id)
    assert await reminded() == 1
    assert len(await letters("of-admin@example.test")) == 2
