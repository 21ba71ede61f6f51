"""API keys in the cabinet, without scripts."""

from datetime import timedelta

import httpx

from app.api_keys import repository, service
from app.core import clock, database
from app.web.edge import Edge
from tests.cabinet.people import Colleague, Office, problems, secret_in
from tests.factories.api_keys import api_key
from tests.identity.conftest import BASE

NEW = {
    "name": "Shop server",
    "scopes": ["invoices.read", "balance.read"],
    "allowlist": "203.0.113.7\n2001:db8::/32",
    "rate_limit_per_minute": "120",
    "expires_at": "",
}


async def issued(colleague: Colleague, **fields: object) -> str:
    """Create a key. Returns its full text."""
    return secret_in((await colleague.shown("keys/new", {**NEW, **fields})).text)


async def call_api(app: Edge, key: str, address: str = "203.0.113.7") -> httpx.Response:
    """Call the API with a key."""
    transport = httpx.ASGITransport(app=app, client=(address, 1))
    async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
        return await client.get("/api/v1/merchant/balance", headers={"Authorization": f"Bearer {key}"})


async def test_a_key_is_shown_once_works_and_is_listed_with_its_last_use(app: Edge, office: Office) -> None:
    owner = await office.new_member("owner")
    assert "No test keys yet" in await owner.see("keys")

    secret = await issued(owner)

    assert secret.startswith("sspay_sec_test_")
    assert (await call_api(app, secret)).status_code == 200
    assert (await call_api(app, secret, "198.51.100.1")).json()["error"]["code"] == "IP_NOT_ALLOWED"
    key_id = secret.split("_")[3]
    listed, page = await owner.see("keys"), await owner.see(f"keys/{key_id}")
    assert "Shop server" in listed
    assert "203.0.113.7 and 1 more" in listed
    assert ">120</span> requests a minute" in page
    assert "from the IP address 203.0.113.7" in page
    for shown in (listed, page):
        assert secret.split("_", 4)[4] not in shown
    assert "Shop server" not in await owner.see("keys", mode="live")


async def test_errors_are_beside_their_fields_and_input_is_kept(office: Office) -> None:
    owner = await office.new_member("owner")
    answer = await owner.send(
        "keys/new", {"name": "", "allowlist": "10.0.0.1/8", "rate_limit_per_minute": "many", "scopes": "events.read"}
    )
    assert answer.status_code == 422
    assert problems(answer) == [
        "Enter a name for the key.",
        "Enter a whole number, without a point or letters.",
        "Enter 10.0.0.0/8, or one address alone: “10.0.0.1/8” is neither.",
    ]
    assert ">\n10.0.0.1/8</textarea>" in answer.text
    assert 'value="events.read" checked' in answer.text
    assert problems(await owner.send("keys/new", {**NEW, "scopes": []})) == [
        "Choose at least one permission for this key."
    ]
    assert problems(await owner.send("keys/new", {**NEW, "expires_at": "2001-01-01"})) == [
        "Enter a day that is not over yet, or leave it empty."
    ]
    assert await repository.list_keys(office.merchant_id, "test") == []


async def test_a_key_is_changed_and_the_change_counts_at_once(app: Edge, office: Office) -> None:
    owner = await office.new_member("owner")
    secret = await issued(owner)
    key_id = secret.split("_")[3]
    form = await owner.see(f"keys/{key_id}/edit")
    assert ">\n203.0.113.7\n2001:db8::/32</textarea>" in form

    shown = await owner.do(f"keys/{key_id}/edit", {**NEW, "name": "Till", "scopes": ["events.read"]})

    assert "Till" in shown
    assert (await call_api(app, secret)).json()["error"]["code"] == "MISSING_SCOPE"


async def test_an_expiry_lasts_to_the_end_of_its_day_and_is_shown_as_that_day(office: Office) -> None:
    owner = await office.new_member("owner")
    day = (clock.now() + timedelta(days=9)).date().isoformat()
    key_id = (await issued(owner, expires_at=day)).split("_")[3]
    key = await service.get_key(key_id, office.merchant_id)
    assert key.expires_at is not None
    assert (key.expires_at - timedelta(microseconds=1)).date().isoformat() == day
    assert f'value="{day}"' in await owner.see(f"keys/{key_id}/edit")
    clock.shift(timedelta(days=11))
    assert "Expired" in await owner.see(f"keys/{key_id}")


async def test_rotation_shows_a_new_secret_and_the_old_one_works_during_the_grace(app: Edge, office: Office) -> None:
    owner = await office.new_member("owner")
    old = await issued(owner)
    key_id = old.split("_")[3]

    answer = await owner.shown(f"keys/{key_id}/rotate", {"grace_hours": "1"})

    new = secret_in(answer.text)
    assert new != old
    assert "The old secret is valid until" in answer.text
    assert (await call_api(app, old)).status_code == (await call_api(app, new)).status_code == 200
    clock.shift(timedelta(hours=2))
    assert (await call_api(app, old)).status_code == 401
    assert problems(await owner.send(f"keys/{key_id}/rotate", {"grace_hours": "73"})) == [
        "Choose how long the old secret still works."
    ]


async def test_a_revoked_key_is_refused_and_listed_among_those_that_ended(app: Edge, office: Office) -> None:
    owner = await office.new_member("owner")
    secret = await issued(owner)
    key_id = secret.split("_")[3]
    assert "Shop server" in await owner.see(f"keys/{key_id}/revoke")

    assert "Shop server is revoked." in await owner.do(f"keys/{key_id}/revoke")

    assert (await call_api(app, secret)).json()["error"]["code"] == "API_KEY_REVOKED"
    assert "Shop server" in await owner.see("keys?show=ended")
    assert "Rotate" not in await owner.see(f"keys/{key_id}")


async def test_a_locked_key_is_shown_as_locked(office: Office) -> None:
    owner = await office.new_member("owner")
    key_id = (await issued(owner)).split("_")[3]
    await database.execute(
        "UPDATE api_keys SET locked_until = $2 WHERE id = $1", key_id, clock.now() + timedelta(minutes=30)
    )
    page = await owner.see(f"keys/{key_id}")
    assert "Five wrong secrets" in page
    assert "Locked until" in page


async def test_developers_create_no_keys_that_move_money(office: Office) -> None:
    developer = await office.new_member("developer")
    form = await developer.see("keys/new")
    assert 'value="invoices.write"' in form
    assert 'value="payouts.write"' not in form
    refused = await developer.send("keys/new", {**NEW, "scopes": ["payouts.write"]})
    assert refused.status_code == 403
    key = await api_key(
        office.settings.api_key_peppers, scopes=["payouts.write"], mode="test", merchant_id=office.merchant_id
    )
    assert "Rotate" not in await developer.see(f"keys/{key.id}")
    assert (await developer.send(f"keys/{key.id}/rotate", {"grace_hours": "0"})).status_code == 403


async def test_viewers_see_no_keys(office: Office) -> None:
    viewer = await office.new_member("viewer")
    assert "API keys" not in await viewer.see("team")
    assert "does not allow this" in await viewer.see("keys", status=403)
    assert (await viewer.send("keys/new", NEW)).status_code == 403


async def test_a_key_of_another_merchant_is_not_found(office: Office) -> None:
    owner = await office.new_member("owner")
    foreign = await api_key(office.settings.api_key_peppers, mode="test")
    live = await api_key(office.settings.api_key_peppers, mode="live", merchant_id=office.merchant_id)
    for key_id in (foreign.id, live.id, "ZZZZZZZZZZZZ"):
        await owner.see(f"keys/{key_id}", status=404)
        for verb in ("edit", "rotate", "revoke"):
            answer = await owner.send(f"keys/{key_id}/{verb}", {**NEW, "grace_hours": "0"})
            assert answer.status_code == 404, verb


async def test_a_stolen_cookie_is_not_enough_for_any_action(app: Edge, office: Office) -> None:
    owner = await office.new_member("owner", totp=True)
    secret = await issued(owner)
    key_id = secret.split("_")[3]
    clock.shift(timedelta(minutes=11))
    assert "Code from your authenticator" in await owner.see("keys/new")
    for verb in ("keys/new", f"keys/{key_id}/edit", f"keys/{key_id}/rotate", f"keys/{key_id}/revoke"):
        answer = await owner.send(verb, {**NEW, "grace_hours": "0"})
        assert answer.status_code == 422, verb
        assert problems(answer) == ["Enter the code that your authenticator app shows now."], verb
    assert (await call_api(app, secret)).status_code == 200

    answer = await owner.send(f"keys/{key_id}/rotate", {"grace_hours": "0", "code": owner.account.code()})

    assert answer.status_code == 303
    assert (await call_api(app, secret)).status_code == 401
