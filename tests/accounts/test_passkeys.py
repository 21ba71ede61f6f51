"""Passkeys: what is accepted, once, and everything that is refused."""

import asyncio
import json
from datetime import timedelta

import pytest

from app.accounts import codes_repository, passkeys_repository, sessions
from app.accounts.credentials import Outdated
from app.accounts.passkeys import MOST, PasskeyRefused
from app.accounts.sign_in import CodeWanted
from app.core import clock, database, ids
from app.core.errors import ApiError
from app.core.settings import Settings
from tests.capabilities.world import HERE, URL, World, a_world
from tests.fakes.authenticator import PRESENT, Authenticator
from tests.identity.browsing import PASSWORD

pytestmark = pytest.mark.usefixtures("db", "steady_clock")


@pytest.fixture
async def world(settings: Settings) -> World:
    return await a_world(settings)


async def add(world: World, device: Authenticator, name: str = "Phone") -> list[str] | None:
    person = await world.person()
    options, challenge = await world.passkeys.to_make(person, world.session.id)
    answer = device.make(options)
    return await world.passkeys.add(
        person, world.session.id, answer, challenge.signed, name, address=HERE, now=clock.now()
    )


async def signed_in(world: World, device: Authenticator, *, visit: str = "v1") -> str:
    """Sign in by passkey alone. Returns the session's token."""
    options, challenge = world.passkeys.to_ask("sign-in", f"visit:{visit}")
    return await answered(world, device.sign(options), challenge.signed, visit=visit)


async def answered(world: World, answer: str, signed: str, *, visit: str = "v1") -> str:
    result = await world.sign_in.with_passkey(
        answer, signed, visit=visit, address=HERE, site=HERE, user_agent="", browser="", now=clock.now()
    )
    return result.token


async def refusals(world: World) -> int:
    counted = "SELECT count(*) FROM audit_entries WHERE action = 'sign_in.passkey_refused'"
    return int(await database.fetch_value(counted))


async def test_a_passkey_alone_counts_as_both_steps(world: World) -> None:
    device = Authenticator(URL)
    assert await add(world, device) is not None  # recovery codes: the account had none
    token = await signed_in(world, device)
    session = await sessions.find(token, clock.now())
    assert session is not None
    assert (session.account_id, session.has_passkey) == (world.account_id, True)
    assert session.code_given_at == session.created_at
    (stored,) = await passkeys_repository.of_account(world.account_id)
    assert (stored.name, stored.sign_count, stored.last_used_at is not None) == ("Phone", 1, True)
    assert "Phone" in await database.fetch_value("SELECT string_agg(details, '') FROM audit_entries")


async def test_a_password_is_not_enough_where_there_is_a_passkey(world: World) -> None:
    await world.enrolment.turn_off(await world.person(), session=world.session, address=HERE, now=clock.now())
    world.token = await world.open_session()
    session = await sessions.find(world.token, clock.now())
    assert session is not None
    world.session = session
    device = Authenticator(URL)
    codes = await add(world, device)
    assert codes is not None
    half = await world.sign_in.with_password(
        email=world.email, password=PASSWORD, address=HERE, site=HERE, user_agent="", browser="", now=clock.now()
    )
    assert isinstance(half, CodeWanted)
    options, challenge = world.passkeys.to_ask(
        "second step", f"half:{half.token}", await world.passkeys.known_to(world.account_id)
    )
    assert [each["id"] for each in options["allowCredentials"]] == [json.loads(device.sign(options))["id"]]
    opened = await world.sign_in.with_passkey_after_password(
        half.token, device.sign(options), challenge.signed, address=HERE, user_agent="", browser="", now=clock.now()
    )
    assert opened is not None
    assert (
        await world.sign_in.with_code(half.token, codes[0], address=HERE, user_agent="", browser="", now=clock.now())
        is None
    )


async def test_a_recovery_code_replaces_a_lost_passkey(world: World) -> None:
    codes = await add(world, Authenticator(URL))
    assert codes is not None
    half = await world.sign_in.with_password(
        email=world.email, password=PASSWORD, address=HERE, site=HERE, user_agent="", browser="", now=clock.now()
    )
    assert isinstance(half, CodeWanted)
    opened = await world.sign_in.with_code(
        half.token, codes[0], address=HERE, user_agent="", browser="", now=clock.now()
    )
    assert opened is not None
    assert await add(world, Authenticator(URL), "Laptop") is None, "the codes that are there stay"
    assert await codes_repository.count_recovery_codes(world.account_id) == 9


@pytest.mark.parametrize("wrong", ["origin", "rp_id", "unverified", "count", "foreign key", "unknown", "not JSON"])
async def test_a_wrong_answer_opens_nothing(world: World, wrong: str) -> None:
    device = Authenticator(URL)
    await add(world, device)
    await signed_in(world, device)
    await signed_in(world, device)
    options, challenge = world.passkeys.to_ask("sign-in", "visit:v1")
    if wrong == "origin":
        device.origin = "https://pay.example.evil"
    elif wrong == "rp_id":
        device.rp_id = "example.evil"
    elif wrong == "unverified":
        device.flags = PRESENT
    elif wrong == "count":
        device.count = 1  # a copy that was made before the last sign-in
    elif wrong == "foreign key":
        other = Authenticator(URL)
        other.credential_id = device.credential_id
        device = other
    elif wrong == "unknown":
        device = Authenticator(URL)
    answer = "{" if wrong == "not JSON" else device.sign(options)
    with pytest.raises(PasskeyRefused):
        await answered(world, answer, challenge.signed)
    assert await refusals(world) == 1


async def test_an_answer_is_taken_once_in_its_browser_for_its_purpose_and_in_time(world: World) -> None:
    device = Authenticator(URL, counts=False)  # a synced one: its count proves nothing
    await add(world, device)
    options, challenge = world.passkeys.to_ask("sign-in", "visit:v1")
    answer = device.sign(options)
    for visit, signed in (
        ("v2", challenge.signed),
        ("v1", challenge.signed[:-3] + "abc"),
        ("v1", (world.passkeys.to_ask("step-up", "visit:v1"))[1].signed),
    ):
        with pytest.raises(PasskeyRefused):
            await answered(world, answer, signed, visit=visit)
    results = await asyncio.gather(
        *(answered(world, answer, challenge.signed) for _ in range(4)), return_exceptions=True
    )
    assert sorted(isinstance(result, PasskeyRefused) for result in results) == [False, True, True, True]


async def test_an_account_takes_only_its_own_passkeys(settings: Settings, world: World) -> None:
    other = await a_world(settings)
    device = Authenticator(URL)
    await add(world, device)
    options, challenge = world.passkeys.to_ask("step-up", "session:s1")
    with pytest.raises(PasskeyRefused):
        await world.passkeys.check(
            device.sign(options), challenge.signed, "step-up", "session:s1", other.account_id, clock.now()
        )
    other.passkeys = world.passkeys
    with pytest.raises(PasskeyRefused, match="in use"):  # nor can it be made there again
        await add(other, device)


async def test_a_removed_passkey_and_what_it_has_opened_are_gone(world: World) -> None:
    device = Authenticator(URL)
    await add(world, device)
    opened = await signed_in(world, device)
    (stored,) = await passkeys_repository.of_account(world.account_id)
    token = await world.passkeys.remove(
        await world.person(), stored.id, session=world.session, address=HERE, now=clock.now()
    )
    assert token is not None
    assert await sessions.find(opened, clock.now()) is None
    with pytest.raises(PasskeyRefused):
        await signed_in(world, device)
    with pytest.raises(Outdated):
        await world.passkeys.remove(
            await world.person(), stored.id, session=world.session, address=HERE, now=clock.now()
        )


async def test_an_operator_keeps_a_second_step(world: World) -> None:
    await add(world, Authenticator(URL))
    (stored,) = await passkeys_repository.of_account(world.account_id)
    await database.execute(
        "UPDATE accounts SET is_operator = true, totp_secret_sealed = NULL WHERE id = $1", world.account_id
    )
    with pytest.raises(ApiError, match="at least one second step"):
        await world.passkeys.remove(
            await world.person(), stored.id, session=world.session, address=HERE, now=clock.now()
        )
    assert len(await passkeys_repository.of_account(world.account_id)) == 1


@pytest.mark.parametrize(
    ("name", "says"), [("", "1 to 60"), ("x" * 61, "1 to 60"), ("Phone", "another"), ("a\u202eb", "shown")]
)
async def test_a_name_tells_passkeys_apart(world: World, name: str, says: str) -> None:
    await add(world, Authenticator(URL))
    with pytest.raises(ApiError, match=says):
        await add(world, Authenticator(URL), name)


async def test_an_account_has_a_limited_number_of_passkeys(world: World) -> None:
    for number in range(MOST):
        await add(world, Authenticator(URL), f"Key {number}")
    with pytest.raises(ApiError, match=f"at most {MOST}"):
        await add(world, Authenticator(URL), "One more")


async def test_an_old_challenge_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    device = Authenticator(URL)
    await add(world, device)
    options, challenge = world.passkeys.to_ask("sign-in", "visit:v1")
    monkeypatch.setattr("app.accounts.challenges.LIFETIME", timedelta(seconds=-1))
    with pytest.raises(PasskeyRefused):
        await answered(world, device.sign(options), challenge.signed)


async def test_rename(world: World) -> None:
    await add(world, Authenticator(URL))
    (stored,) = await passkeys_repository.of_account(world.account_id)
    person = await world.person()
    assert await world.passkeys.rename(person, stored.id, "Work phone", address=HERE, now=clock.now())
    assert not await world.passkeys.rename(person, stored.id + 1, "Mine", address=HERE, now=clock.now())
    assert [each.name for each in await passkeys_repository.of_account(person.id)] == ["Work phone"]
    assert ids.ACCOUNT in person.id
