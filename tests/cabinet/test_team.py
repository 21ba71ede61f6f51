"""The team: invitations, roles, leaving, and the secrets that a removed member knows."""

import re
from datetime import timedelta

from app.core import clock
from app.merchants import team
from app.web.edge import Edge
from tests.cabinet.people import Office, problems
from tests.cabinet.test_keys import call_api, issued
from tests.factories.merchants import make_member
from tests.identity.browsing import PASSWORD, an_account, hidden, letters, mailed_path


async def roles(office: Office) -> dict[str, str]:
    """Everybody's role by first name."""
    return {one.name: one.role for one in await team.people(office.merchant_id)}


async def test_somebody_is_invited_by_mail_and_the_invitation_withdrawn(office: Office) -> None:
    admin = await office.new_member("admin")
    shown = await admin.do("team/invite", {"email": "new@example.test", "role": "viewer"})
    assert "An invitation is on its way to new@example.test." in shown
    assert "new@example.test" in await admin.see("team")
    (letter,) = await letters("new@example.test")
    assert "/invitation?token=" in letter
    number = re.search(r"/team/invitations/(\d+)/withdraw", await admin.see("team"))
    assert number
    assert "In 6 days" in await admin.see("team")
    first = await mailed_path("new@example.test")
    again = await admin.do(f"team/invitations/{number[1]}/again")
    assert "Another email is on its way to new@example.test. The link of the earlier one has ended." in again
    newest = await mailed_path("new@example.test")
    assert (await admin.browser.get(first)).status_code == 410
    assert (await admin.browser.get(newest)).status_code == 303
    clock.shift(timedelta(days=7))
    expired = await admin.see("team")
    assert "Expired" in expired
    assert f"/team/invitations/{number[1]}/again" in expired
    await make_member(merchant_id=admin.merchant_id, role="viewer", email="new@example.test", now=clock.now())
    refused = await admin.send(f"team/invitations/{number[1]}/again")
    assert problems(refused) == ["They are a member already. Withdraw the invitation."]
    await admin.do(f"team/invitations/{number[1]}/withdraw")
    assert f"/team/invitations/{number[1]}" not in await admin.see("team")
    for what in ("withdraw", "again"):
        assert (await admin.send(f"team/invitations/{number[1]}/{what}")).status_code == 404


async def test_errors_of_an_invitation_are_shown(office: Office) -> None:
    admin, _ = await office.new_member("admin"), await office.new_member("viewer")
    assert problems(await admin.send("team/invite", {"email": "nobody", "role": "viewer"})) != []
    assert problems(await admin.send("team/invite", {"email": "a@b.example", "role": "king"})) == ["Choose a role."]
    already = await admin.send("team/invite", {"email": "viewer@example.test", "role": "admin"})
    assert problems(already) == ["Somebody with this address is a member already. Enter another one."]
    assert 'value="owner"' not in await admin.see("team/invite")
    assert (await admin.send("team/invite", {"email": "a@b.example", "role": "owner"})).status_code == 403


async def test_roles_change_and_count_with_the_next_click(office: Office) -> None:
    owner, developer = await office.new_member("owner"), await office.new_member("developer")
    await developer.see("keys")
    shown = await owner.do(f"team/{developer.account.id}", {"role": "viewer"})
    assert "Developer is viewer from now on. What they have seen and sent before is below." in shown
    await developer.see("keys", status=403)
    last = await owner.send(f"team/{owner.account.id}", {"role": "viewer"})
    assert problems(last) == ["The last owner must stay one. Make somebody else an owner first."]
    assert (await roles(office))["Owner"] == "owner"


async def test_admins_can_not_touch_owners(office: Office) -> None:
    admin, owner = await office.new_member("admin"), await office.new_member("owner")
    page = await admin.see(f"team/{owner.account.id}")
    assert "Only an owner can change that" in page
    assert f"team/{owner.account.id}/remove" not in page
    assert (await admin.send(f"team/{owner.account.id}", {"role": "viewer"})).status_code == 403
    assert (await admin.send(f"team/{owner.account.id}/remove")).status_code == 403


async def test_a_member_who_leaves_loses_access(office: Office) -> None:
    owner, viewer = await office.new_member("owner"), await office.new_member("viewer")
    assert problems(await owner.send("team/leave")) == [
        "The last owner must stay one. Make somebody else an owner first."
    ]
    assert (await viewer.send("team/leave")).headers["location"] == "/cabinet"
    await viewer.see("team", status=404)
    assert "Left the team" in await owner.see("audit")


async def test_a_removed_members_invitations_are_withdrawn_and_their_guests_listed(office: Office) -> None:
    owner, admin = await office.new_member("owner"), await office.new_member("admin")
    friend = await an_account(office.settings, "friend@example.test")
    for email in ("friend@example.test", "second@example.test"):
        await admin.do("team/invite", {"email": email, "role": "admin"})
    accepted, pending = [await mailed_path(email) for email in ("friend@example.test", "second@example.test")]
    joining = office.browsers()
    await joining.sign_in(friend)
    path = accepted.replace("/invitation?", "/invitation/accept?")
    assert (await joining.send("/invitation/accept", path)).status_code == 303

    page = await owner.do(f"team/{admin.account.id}/remove")

    assert re.search(r"second@example\.test.*?Withdrawn", page, re.DOTALL)
    assert re.search(rf'friend@example\.test.*?Joined.*?team/{friend.id}"', page, re.DOTALL)
    assert (await office.browsers().get(pending)).status_code == 410


async def test_who_is_invited_and_has_no_account_joins_on_the_page_of_the_link(office: Office) -> None:
    owner = await office.new_member("owner")
    await owner.do("team/invite", {"email": "nora@example.test", "role": "developer"})
    path, nora = await mailed_path("nora@example.test"), office.browsers()
    page = await nora.get(path)
    assert "nora@example.test" in page.text
    refused = await nora.post("/invitation", hidden(page) | {"name": "", "password": "password"})
    assert problems(refused) == [
        "Enter your name.",
        "Choose another password: this one is among the first that anybody would try.",
    ]
    joined = await nora.post("/invitation", hidden(refused) | {"name": "Nora", "password": PASSWORD})
    assert joined.headers["location"] == owner.path(mode="live")
    assert "Your account is ready." in (await nora.led_on(joined)).text
    assert "Nora" in await owner.see("team")
    assert len(await letters("nora@example.test")) == 1, "the invitation alone"
    assert (await office.browsers().get(path)).status_code == 410


async def test_who_is_invited_and_has_an_account_signs_in_on_the_page_of_the_link(office: Office) -> None:
    owner, friend = await office.new_member("owner"), await an_account(office.settings, "friend@example.test")
    await owner.do("team/invite", {"email": friend.email, "role": "viewer"})
    path, browser = await mailed_path(friend.email), office.browsers()
    page = await browser.get(path)
    assert "Create an account" not in page.text
    signed_in = await browser.post("/sign-in", hidden(page) | {"password": PASSWORD})
    accept = signed_in.headers["location"]
    assert accept == path.replace("/invitation?", "/invitation/accept?")
    assert (await browser.send("/invitation/accept", accept)).headers["location"] == owner.path(mode="live")


async def test_secrets_known_to_a_removed_member_are_listed_and_rotated_together(app: Edge, office: Office) -> None:
    owner, developer = await office.new_member("owner"), await office.new_member("developer")
    made = await issued(developer, name="Till")
    others = await issued(owner, name="Bookkeeping")
    known_id, other_id = made.split("_")[3], others.split("_")[3]
    assert "one secret" in await owner.see(f"team/{developer.account.id}/remove")

    page = await owner.do(f"team/{developer.account.id}/remove")

    await developer.see("keys", status=404)
    assert "Developer has no access any more." in page
    assert "<bdi>Developer</bdi> is no member any more" in page
    assert f'value="api_key:{known_id}" checked' in page
    assert other_id not in page
    answer = await owner.shown(
        f"team/{developer.account.id}/secrets", {"secrets": [f"api_key:{known_id}"], "grace_hours": "0"}
    )
    (new,) = re.findall(r"sspay_sec_test_[\w-]+", answer.text.partition("data-copy")[0])
    assert (await call_api(app, made)).status_code == 401
    assert (await call_api(app, new)).status_code == (await call_api(app, others)).status_code == 200
    assert "has seen no secret that is in use" in await owner.see(f"team/{developer.account.id}/secrets")


async def test_rotating_nothing_or_an_unknown_secret_is_refused(office: Office) -> None:
    owner, developer = await office.new_member("owner"), await office.new_member("developer")
    await issued(developer)
    place = f"team/{developer.account.id}/secrets"
    assert problems(await owner.send(place, {"grace_hours": "0"})) == ["Choose at least one secret to rotate."]
    foreign = await owner.send(place, {"secrets": ["api_key:ZZZZZZZZZZZZ"], "grace_hours": "0"})
    assert foreign.status_code == 404
    odd = await owner.send(place, {"secrets": ["lamp:1"], "grace_hours": "0"})
    assert problems(odd) == ["Choose at least one secret to rotate."]


async def test_names_of_foreign_operators_are_not_shown(office: Office) -> None:
    owner = await office.new_member("owner")
    stranger = await an_account(office.settings, "stranger@example.test")
    for place in (f"team/{stranger.id}", f"team/{stranger.id}/secrets", f"team/{stranger.id}/remove"):
        assert "Mara" not in await owner.see(place, status=404)


async def test_a_viewer_sees_the_team_and_changes_nothing(office: Office) -> None:
    owner, viewer = await office.new_member("owner"), await office.new_member("viewer")
    page = await viewer.see("team")
    assert "owner@example.test" in page
    assert "Invite somebody" not in page
    await viewer.see(f"team/{owner.account.id}", status=403)
    for place in ("team/invite", f"team/{owner.account.id}", f"team/{viewer.account.id}"):
        answer = await viewer.send(place, {"role": "owner", "email": "x@example.test"})
        assert answer.status_code == 403, place
    assert (await roles(office))["Viewer"] == "viewer"


async def test_a_stolen_cookie_changes_no_team(office: Office) -> None:
    owner, viewer = await office.new_member("owner", totp=True), await office.new_member("viewer")
    clock.shift(timedelta(minutes=11))
    for place in (
        "team/invite",
        f"team/{viewer.account.id}",
        f"team/{viewer.account.id}/remove",
        f"team/{viewer.account.id}/secrets",
        "team/leave",
    ):
        sent = {"email": "x@example.test", "role": "owner", "secrets": "api_key:X", "grace_hours": "0"}
        answer = await owner.send(place, sent)
        assert problems(answer) == ["Enter the code that your authenticator app shows now."], place
    assert await roles(office) == {"Owner": "owner", "Viewer": "viewer"}
