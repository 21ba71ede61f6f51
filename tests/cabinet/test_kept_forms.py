"""What was typed stays: a form that was refused, one whose session had ended, and the check of a field that is left."""

from datetime import timedelta

from app.accounts import kept_forms, kept_forms_repository
from app.core import clock, database
from app.identity.guard import SIGNED_OUT, SIGNED_OUT_KEPT
from app.identity.identity import FILLED_AGAIN
from app.identity.sentences import PLAIN_EMAIL
from tests.cabinet.people import Colleague, Office, problems
from tests.factories.letters import letters
from tests.identity.browsing import PASSWORD, hidden

INVITED = {"email": "nora@example.test", "role": "developer"}


async def kept() -> int:
    count: int = await database.fetch_value("SELECT count(*) FROM kept_forms")
    return count


async def sent_without_a_session(owner: Colleague) -> dict[str, str]:
    """Open a form, end the session, and send the form. Returns the fields."""
    fields = hidden(await owner.browser.get(owner.path("team/invite"))) | INVITED
    await database.execute("DELETE FROM sessions WHERE account = $1", owner.account.id)
    return fields


async def test_a_refused_form_can_be_loaded_again_and_is_gone_once_it_is_right(office: Office) -> None:
    owner, other = await office.new_member("owner"), await office.new_member("admin")
    fields = hidden(await owner.browser.get(owner.path("team/invite")))
    sent = await owner.browser.client.post(
        owner.path("team/invite"),
        data=fields | {"email": "nora", "role": ""},
        headers={"Sec-Fetch-Site": "same-origin"},
    )
    assert sent.status_code == 303
    where = sent.headers["location"]
    pages = [await owner.browser.get(where) for _ in range(2)]
    assert problems(pages[0]) == problems(pages[1])
    assert problems(pages[0]) == [
        "That is not a whole email address. Enter one such as name@example.com.",
        "Choose a role.",
    ]
    assert 'value="nora"' in pages[0].text
    assert hidden(pages[0])["csrf_token"] == fields["csrf_token"]
    assert "nora" not in (await other.browser.get(where)).text, "it is the sender's own"

    right = await owner.browser.post(owner.path("team/invite"), hidden(pages[0]) | INVITED)
    assert right.headers["location"] == owner.path("team")
    assert await kept() == 0
    assert problems(await owner.browser.get(where)) == []


async def test_a_kept_form_is_sealed_holds_no_secret_and_ends_after_half_an_hour(office: Office) -> None:
    owner = await office.new_member("owner")
    refused = await owner.browser.send("/account/email", email="canary", password=PASSWORD)
    assert problems(refused) == [PLAIN_EMAIL]
    assert "Yours is kept from before" in refused.text
    assert PASSWORD not in refused.text
    sealed = await database.fetch_value("SELECT content_sealed FROM kept_forms")
    assert "canary" not in sealed
    again = hidden(refused) | {"email": "new@example.test", "password": ""}
    assert (await owner.browser.post("/account/email", again)).status_code == 303, "the right password counts once more"

    place = owner.path("settings/embedding")
    refused = await owner.browser.post(place, hidden(await owner.browser.get(place)) | {"frame_origins": "canary"})
    clock.shift(kept_forms.LIFETIME + timedelta(seconds=1))
    assert "canary" not in (await owner.browser.get(str(refused.request.url))).text
    await kept_forms_repository.purge(clock.now())
    assert await kept() == 0


async def test_a_form_whose_session_has_ended_is_filled_in_again_after_signing_in(office: Office) -> None:
    owner = await office.new_member("owner")
    fields = await sent_without_a_session(owner)
    answer = await owner.browser.post(owner.path("team/invite"), fields)
    assert answer.headers["location"].startswith("/sign-in?next=/cabinet/")
    assert SIGNED_OUT_KEPT in (await owner.browser.get(answer.headers["location"])).text
    page = await owner.browser.send(
        "/sign-in", answer.headers["location"], email=owner.account.email, password=PASSWORD
    )
    assert (page.status_code, problems(page)) == (200, [])
    assert FILLED_AGAIN.text in page.text
    assert 'value="nora@example.test"' in page.text
    assert 'value="developer" checked' in page.text
    assert await letters("nora@example.test") == [], "nothing was sent"
    done = await owner.browser.post(owner.path("team/invite"), hidden(page) | INVITED)
    assert done.headers["location"] == owner.path("team")
    assert len(await letters("nora@example.test")) == 1


async def test_what_was_typed_is_shown_to_the_account_that_typed_it_alone(office: Office) -> None:
    owner, admin = await office.new_member("owner"), await office.new_member("admin")
    answer = await owner.browser.post(owner.path("team/invite"), await sent_without_a_session(owner))
    page = await owner.browser.send(
        "/sign-in", answer.headers["location"], email=admin.account.email, password=PASSWORD
    )
    assert "<h1>Invite somebody</h1>" in page.text
    assert "nora" not in page.text
    assert await kept() == 0


async def test_a_form_of_an_earlier_session_of_the_account_is_shown_again_and_not_sent(office: Office) -> None:
    owner = await office.new_member("owner", totp=True)
    fields = await sent_without_a_session(owner)
    await owner.browser.sign_in(owner.account)
    page = await owner.browser.post(owner.path("team/invite"), fields)
    assert 'value="nora@example.test"' in page.text
    assert await letters("nora@example.test") == []


async def test_a_button_without_a_session_does_nothing_and_leads_back(office: Office) -> None:
    owner = await office.new_member("owner")
    token = hidden(await owner.browser.get(owner.path("security")))
    await database.execute("DELETE FROM sessions WHERE account = $1", owner.account.id)
    answer = await owner.browser.post(owner.path("security/remedy"), token | {"finding": "x"})
    assert answer.headers["location"] == f"/sign-in?next={owner.path('security')}"
    assert SIGNED_OUT in (await owner.browser.get(answer.headers["location"])).text
    assert await kept() == 0


async def test_a_field_is_checked_when_it_is_left_and_nothing_is_done(office: Office) -> None:
    owner, viewer = await office.new_member("owner"), await office.new_member("viewer")
    place = owner.path("team/invite")
    fields = hidden(await owner.browser.get(place)) | {"email": "nora", "role": ""}

    async def said(name: str, **typed: str) -> str:
        answer = await owner.browser.post(place, fields | typed, **{"X-Check-Field": name})
        assert answer.status_code == 200
        return answer.text

    assert "That is not a whole email address." in await said("email")
    assert "Choose a role." not in await said("email"), "of the field that was left alone"
    assert "field__error" not in await said("email", email="nora@example.test", role="viewer")
    assert await letters("nora@example.test") == []
    foreign = hidden(await viewer.browser.get(viewer.path("team")))
    assert (await viewer.browser.post(place, foreign, **{"X-Check-Field": "email"})).status_code == 403
    assert (await owner.browser.post(place, {}, **{"X-Check-Field": "email"})).status_code == 403
    leave = owner.path("team/leave")
    unchecked = await owner.browser.post(leave, hidden(await owner.browser.get(leave)), **{"X-Check-Field": "x"})
    assert unchecked.status_code == 404
    answers = [await owner.browser.post(place, fields, **{"X-Check-Field": "email"}) for _ in range(120)]
    assert answers[-1].status_code == 429


async def test_a_password_that_was_chosen_is_not_asked_for_again_while_an_address_is_put_right(office: Office) -> None:
    visitor = office.browsers()
    refused = await visitor.send("/sign-up", name="Nora", email="nora", password=PASSWORD)
    assert problems(refused) == [PLAIN_EMAIL]
    assert "Yours is kept from before" in refused.text
    assert PASSWORD not in refused.text + str(await database.fetch_value("SELECT content_sealed FROM kept_forms"))
    right = {"name": "Nora", "email": "nora@example.test", "password": ""}
    elsewhere = office.browsers()
    stolen = hidden(await elsewhere.get(str(refused.request.url))) | right
    assert (await elsewhere.post("/sign-up", stolen)).status_code == 422, "it is this browser's alone"
    assert (await visitor.post("/sign-up", hidden(refused) | right)).headers["location"] == "/sign-up/sent"
