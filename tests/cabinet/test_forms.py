"""Forms without scripts: sent twice, opened again from the history, refused, or with a request for a code."""

import asyncio
from datetime import timedelta

import httpx

from app.api_keys import repository
from app.core import clock, database
from app.identity.form_routes import SENT_BEFORE
from app.web.edge import Edge
from tests.cabinet.people import Colleague, Office, problems, secret_in
from tests.cabinet.test_keys import NEW, call_api, issued
from tests.factories.webhooks import make_endpoint
from tests.identity.browsing import hidden


async def keys_of(office: Office) -> int:
    return len(await repository.list_keys(office.merchant_id, "test"))


async def opened(colleague: Colleague, place: str) -> tuple[str, dict[str, str]]:
    """Open a form's page. Returns its address and its hidden fields."""
    shown = await colleague.browser.get(colleague.path(place))
    return shown.request.url.raw_path.decode(), hidden(shown)


async def test_going_back_to_a_form_and_sending_it_again_makes_no_second_key(office: Office) -> None:
    owner = await office.new_member("owner")
    address, fields = await opened(owner, "keys/new")
    made = await owner.browser.post(owner.path("keys/new"), fields | {**NEW, "scopes": "balance.read"})
    secret = secret_in((await owner.browser.led_on(made)).text)

    back = await owner.browser.get(address)  # the browser keeps no page: it loads the address again
    again = await owner.browser.post(owner.path("keys/new"), hidden(back) | {**NEW, "name": "Another"})

    shown = (await owner.browser.led_on(again)).text
    assert again.headers["location"] == made.headers["location"]
    assert SENT_BEFORE in shown
    assert "Already shown." in shown
    assert secret not in shown
    assert await keys_of(office) == 1


async def test_two_tabs_have_forms_of_their_own(office: Office) -> None:
    owner = await office.new_member("owner")
    tabs = [await opened(owner, "keys/new") for _ in range(2)]
    assert tabs[0] != tabs[1]
    for _, fields in tabs:
        await owner.browser.post(owner.path("keys/new"), fields | {**NEW, "scopes": "balance.read"})
    assert await keys_of(office) == 2


async def test_a_refused_form_keeps_its_key_and_what_was_typed(office: Office) -> None:
    owner = await office.new_member("owner")
    _, fields = await opened(owner, "keys/new")
    sent = {**NEW, "scopes": "balance.read"}
    for wrong in ({"allowlist": "10.0.0.1/8"}, {"rate_limit_per_minute": "many"}):
        refused = await owner.browser.post(owner.path("keys/new"), fields | sent | wrong)
        assert refused.status_code == 422
        assert 'value="Shop server"' in refused.text
        assert hidden(refused)["csrf_token"] == fields["csrf_token"]
    twice = await asyncio.gather(*(owner.browser.post(owner.path("keys/new"), fields | sent) for _ in range(2)))
    assert [answer.status_code for answer in twice] == [303, 303]
    assert await keys_of(office) == 1


async def test_after_a_server_error_the_form_keeps_its_key(office: Office) -> None:
    owner = await office.new_member("owner")
    _, fields = await opened(owner, "keys/new")
    sent = fields | {**NEW, "scopes": "balance.read"}
    await database.execute("ALTER TABLE api_keys RENAME TO away")
    assert (await owner.browser.post(owner.path("keys/new"), sent)).status_code == 500
    await database.execute("ALTER TABLE away RENAME TO api_keys")
    assert (await owner.browser.post(owner.path("keys/new"), sent)).status_code == 303
    assert await keys_of(office) == 1


async def test_a_reloaded_secret_page_rotates_nothing_and_shows_nothing(app: Edge, office: Office) -> None:
    owner = await office.new_member("owner")
    first = await issued(owner)
    key_id = first.split("_")[3]
    shown = await owner.shown(f"keys/{key_id}/rotate", {"grace_hours": "24"})
    second = secret_in(shown.text)
    for _ in range(2):
        reloaded = await owner.browser.get(str(shown.request.url))
        assert "Already shown." in reloaded.text
        assert second not in reloaded.text
    assert (await call_api(app, first)).status_code == (await call_api(app, second)).status_code == 200


async def test_a_secret_is_shown_to_the_session_that_made_it_alone(office: Office) -> None:
    owner = await office.new_member("owner")
    elsewhere = office.browsers()
    await elsewhere.sign_in(owner.account)
    made = await owner.send("keys/new", {**NEW, "scopes": "balance.read"})
    assert "sspay_sec" not in made.headers["location"] + str(made.headers.get_list("set-cookie"))
    assert "Already shown." in (await elsewhere.get(made.headers["location"])).text
    await owner.browser.client.head(made.headers["location"])  # it shows no secret, and the secret stays available
    assert secret_in((await owner.browser.led_on(made)).text).startswith("sspay_sec_test_")


async def test_rotating_during_a_rotation_says_which_secret_ends(app: Edge, office: Office) -> None:
    owner = await office.new_member("owner")
    first = await issued(owner)
    place = f"keys/{first.split('_')[3]}/rotate"
    assert "ends at once" not in await owner.see(place)
    early_tab = (await opened(owner, place))[1]
    await owner.do(place, {"grace_hours": "24"})

    assert "The one before it ends at once" in await owner.see(place)
    assert "Being rotated already" in await owner.see(f"team/{owner.account.id}/secrets")
    # A page from before the first rotation did not warn of this: it is refused, and the new page warns.
    refused = await owner.browser.post(owner.path(place), early_tab | {"grace_hours": "24"})
    assert problems(refused) == [
        "Somebody has rotated it since you opened this page. Read below which secret ends, and send it again."
    ]
    assert "The one before it ends at once" in refused.text
    assert (await call_api(app, first)).status_code == 200
    sent = hidden(refused) | {"grace_hours": "24"}
    assert (await owner.browser.post(owner.path(place), sent)).status_code == 303
    assert (await call_api(app, first)).status_code == 401


async def test_rotating_a_webhook_secret_twice_says_which_secret_ends(office: Office) -> None:
    owner = await office.new_member("owner")
    endpoint = await make_endpoint(
        merchant_id=office.merchant_id,
        mode="test",
        url="https://shop.example/hook",
        keys=office.settings.data_keys,
        now=clock.now(),
    )
    place = f"webhooks/{endpoint.id}/rotate"
    early_tab = (await opened(owner, place))[1]
    await owner.do(place, {"overlap_hours": "24"})
    assert "The one before it stops at once" in await owner.see(place)
    refused = await owner.browser.post(owner.path(place), early_tab | {"overlap_hours": "24"})
    assert "rotated it since you opened this page" in problems(refused)[0]


async def test_a_button_that_needs_a_code_opens_a_page_that_names_the_action(office: Office) -> None:
    owner = await office.new_member("owner", totp=True)
    endpoint = await make_endpoint(
        merchant_id=office.merchant_id,
        mode="test",
        url="https://shop.example/hook",
        keys=office.settings.data_keys,
        now=clock.now(),
    )
    page = f"webhooks/{endpoint.id}"
    place = f"{page}/pause"
    clock.shift(timedelta(minutes=11))

    form = await owner.send(place)

    assert form.status_code == 422
    assert "<h1>Pause a webhook</h1>" in form.text
    assert f'href="{owner.path(page)}"' in form.text
    assert "Enabled" in await owner.see(page)
    wrong = await owner.browser.post(owner.path(place), hidden(form) | {"code": "000000"})
    assert wrong.status_code == 422
    sent = hidden(wrong) | {"code": owner.account.code()}
    done = await owner.browser.post(owner.path(place), sent)
    assert "Paused" in (await owner.browser.led_on(done)).text


async def test_a_creation_that_died_midway_leaves_a_clear_error(office: Office) -> None:
    owner = await office.new_member("owner")
    _, fields = await opened(owner, "keys/new")
    sent = fields | {**NEW, "scopes": "balance.read"}
    await owner.browser.post(owner.path("keys/new"), sent)
    await database.execute(
        "UPDATE form_uses SET led_to = NULL, secret_sealed = NULL, created_at = created_at - interval '2 minutes'"
    )
    lost: httpx.Response = await owner.browser.post(owner.path("keys/new"), sent)
    assert lost.status_code == 409
    assert "it is not known whether it was carried out" in lost.text
    assert await keys_of(office) == 1
