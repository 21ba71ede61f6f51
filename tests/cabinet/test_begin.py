"""Where one begins and where one ends up: `/`, `/cabinet`, invitations that wait, modes, and errors with a way on."""

import re
from collections.abc import Callable

import httpx

from app.core import clock
from app.core.settings import Settings
from app.identity import cookies
from app.merchants import invitations
from app.merchants import service as merchants
from app.merchants.applications import COUNTRIES
from tests.cabinet.people import Colleague, Office
from tests.factories.merchants import merchant
from tests.identity.browsing import Browser, an_account


async def leads_to(person: Colleague, path: str) -> str:
    """Where a page redirects to."""
    answer = await person.browser.get(path)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


async def test_the_cabinet_begins_where_one_worked_last(office: Office) -> None:
    nora = await office.new_member("viewer", name="nora")
    assert await leads_to(nora, "/") == "/cabinet"
    assert await leads_to(nora, "/cabinet") == nora.path(mode="live")
    await nora.see("invoices")
    assert await leads_to(nora, "/cabinet") == nora.path()

    other = await merchant(name="Second House")
    await merchants.add_member(other, nora.account.id, "viewer", clock.now())
    assert await leads_to(nora, "/cabinet") == nora.path()
    del nora.browser.client.cookies[cookies.PLACE]
    assert await leads_to(nora, "/cabinet") == "/cabinet/merchants"
    nora.browser.client.cookies.set(cookies.PLACE, f"{office.merchant_id}0/test")
    assert await leads_to(nora, "/cabinet") == "/cabinet/merchants"
    choice = (await nora.browser.get("/cabinet/merchants")).text
    assert f'href="/cabinet/{other}/live"' in choice


async def test_a_stranger_and_an_old_cookie_get_the_front_page(office: Office) -> None:
    stranger = office.browsers()
    assert "Apply as a merchant" in (await stranger.get("/")).text
    stranger.client.cookies.set(cookies.SESSION, "long-gone")
    assert "Apply as a merchant" in (await stranger.get("/")).text


async def test_an_invitation_that_waits_is_shown_and_accepted(
    office: Office, settings: Settings, browser: Callable[..., Browser]
) -> None:
    owner = await office.new_member("owner")
    invited, other = browser(), browser()
    await invited.sign_in(await an_account(settings, "guest@example.test"))
    await other.sign_in(await an_account(settings, "other@example.test"))
    assert "You belong to no merchant yet" in (await invited.get("/cabinet/merchants")).text
    by = await owner.member()
    await invitations.invite(by, "guest@example.test", "viewer", public_url="https://x.test", now=clock.now())

    shown = (await invited.get("/cabinet/merchants")).text
    assert "Harbour &amp; Pine" in shown
    assert "You belong to no merchant yet" not in shown
    (action,) = re.findall(r'action="(/cabinet/invitations/\d+/accept)"', shown)
    assert "invites you" not in (await other.get("/cabinet/merchants")).text
    assert (await sent(other, action)).status_code == 404

    joined = await sent(invited, action)
    assert joined.headers["location"] == f"/cabinet/{office.merchant_id}/live"
    assert "Welcome to the team." in (await invited.led_on(joined)).text
    assert (await sent(invited, action)).status_code == 404, "it works once"


async def sent(browser: Browser, action: str) -> httpx.Response:
    return await browser.send(action, "/cabinet/merchants")


async def test_an_error_keeps_the_frame_and_has_a_way_on(office: Office) -> None:
    viewer = await office.new_member("viewer")
    gone = await viewer.see("payouts/PO-0000000000", status=404)
    assert "There is nothing here" in gone
    assert f'<a class="button button--quiet" href="{viewer.path("payouts")}">' in gone
    assert f'href="{viewer.path("payouts")}" aria-current="page"' in gone
    forbidden = await viewer.see("keys", status=403)
    assert "You may not do that" in forbidden
    assert "your role, viewer, does not allow this" in forbidden.lower()
    assert f'<a class="button button--quiet" href="{viewer.path()}">' in forbidden
    assert f'href="{viewer.path("keys")}"' not in forbidden
    foreign = await viewer.browser.get("/cabinet/MCH-0000000000/test")
    assert (foreign.status_code, 'href="/cabinet/merchants"' in foreign.text) == (404, True)
    account = await viewer.browser.get("/account/nothing")
    assert account.status_code == 404


async def test_changing_the_mode_keeps_the_page(office: Office) -> None:
    owner = await office.new_member("owner")
    for place, kept in {
        "payouts": "payouts",
        "payouts/new": "payouts",
        "settings/branding": "settings",
        "": "",
    }.items():
        assert f'<a class="modes__mode" href="{owner.path(kept, mode="live")}">' in await owner.see(place), place


async def test_an_invitation_is_withdrawn_after_a_question(office: Office) -> None:
    owner = await office.new_member("owner")
    await owner.do("team/invite", {"email": "new@example.test", "role": "viewer"})
    (place,) = re.findall(r'href="[^"]*/test/(team/invitations/\d+/withdraw)" data-ask', await owner.see("team"))
    question = await owner.see(place)
    assert "Withdraw the invitation of <bdi>new@example.test</bdi>?" in question
    assert "new@example.test" in await owner.see("team")
    withdrawn = await owner.browser.send(owner.path(place))
    assert "The invitation is withdrawn." in (await owner.browser.led_on(withdrawn)).text
    await owner.see(place, status=404)


def test_countries_are_sorted_for_readers() -> None:
    names = list(COUNTRIES.values())
    at = names.index("Åland Islands")
    assert names[at - 1 : at + 2] == ["Afghanistan", "Åland Islands", "Albania"]
    assert names[-1] == "Zimbabwe"
