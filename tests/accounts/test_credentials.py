"""Concurrent changes of credentials: of two one counts, and everything made under the old credentials has ended."""

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any

import pytest

from app.accounts import credentials, sessions, sessions_repository
from app.accounts.credentials import Outdated
from app.accounts.sign_in import CodeWanted
from app.core import clock, database
from app.core.settings import Settings
from tests.capabilities.world import HERE, World, a_world, found
from tests.identity.browsing import PASSWORD

NEW = "quite another phrase 8"

pytestmark = pytest.mark.usefixtures("db")


async def invalidate(world: World) -> None:
    """A change of credentials in a transaction of its own."""
    async with database.transaction():
        await credentials.invalidate(await world.person(), keep=None)


async def while_changing(world: World, started: Callable[[], Coroutine[Any, Any, object]]) -> object:
    """The result of something that begins before a change of credentials is committed and ends after it."""
    async with database.transaction():
        await credentials.invalidate(await world.person(), keep=None)
        running = asyncio.create_task(started(), context=Context())  # another request: not in this transaction
        done, _ = await asyncio.wait({running}, timeout=0.5)
        assert not done, "it did not wait for the change"
    return await running


async def test_a_request_from_before_a_change_can_not_change_credentials_after_it(
    settings: Settings, steady_clock: None
) -> None:
    """An attacker's request waits for a slow hash while the owner changes the password."""
    world = await a_world(settings)
    person = await world.person()
    await invalidate(world)
    with pytest.raises(Outdated):
        await world.password_changes.change(person, NEW, session=world.session, address=HERE, now=clock.now())
    with pytest.raises(Outdated):  # with the account's present state, and a session from before
        await world.enrolment.turn_off(await world.person(), session=world.session, address=HERE, now=clock.now())
    assert (await world.person()).has_totp
    assert await sessions.find(world.token, clock.now()) is None


async def test_of_two_changes_from_one_browser_at_once_one_counts(settings: Settings, steady_clock: None) -> None:
    world = await a_world(settings)
    person = await world.person()

    async def change() -> bool:
        try:
            await credentials.sign_out_others(person, world.session, address=HERE, now=clock.now())
        except Outdated:
            return False
        return True

    assert sum(await asyncio.gather(*(change() for _ in range(5)))) == 1


async def test_a_replaced_token_changes_nothing(settings: Settings, steady_clock: None) -> None:
    """The owner gave a code, so that the browser has a new token; a copy of the old one changes nothing."""
    world = await a_world(settings)
    assert await sessions.renew(world.session, clock.now()) is not None
    with pytest.raises(Outdated):
        await credentials.sign_out_others(await world.person(), world.session, address=HERE, now=clock.now())


async def test_a_link_that_was_asked_for_before_a_change_and_written_after_is_dead(
    settings: Settings, steady_clock: None
) -> None:
    world = await a_world(settings)
    person = await world.person()
    await invalidate(world)
    await world.email_changes.request(person, "thief@example.test", address=HERE, now=clock.now())
    token = await world.mailed("thief@example.test")
    assert await world.email_changes.confirm(token, session=None, address=HERE, now=clock.now()) is None


async def test_a_link_that_is_used_during_a_change_is_dead_after_it(settings: Settings, steady_clock: None) -> None:
    world = await a_world(settings)
    await world.email_changes.request(await world.person(), "thief@example.test", address=HERE, now=clock.now())
    token, now = await world.mailed("thief@example.test"), clock.now()
    came = await while_changing(world, lambda: world.email_changes.confirm(token, session=None, address=HERE, now=now))
    assert came is None
    assert (await world.person()).email == world.email


async def test_a_code_that_is_given_during_a_change_signs_nobody_in(settings: Settings, steady_clock: None) -> None:
    world = await a_world(settings)
    half = await world.sign_in.with_password(
        email=world.email, password=PASSWORD, address=HERE, site=HERE, user_agent="", browser="", now=clock.now()
    )
    assert isinstance(half, CodeWanted)
    code, now = world.code(), clock.now()
    came = await while_changing(
        world, lambda: world.sign_in.with_code(half.token, code, address=HERE, user_agent="", browser="", now=now)
    )
    assert came is None
    assert await sessions_repository.of_account(world.account_id, now) == []


async def test_purge_deletes_what_ended_with_a_change(settings: Settings, steady_clock: None) -> None:
    world = await a_world(settings)
    await invalidate(world)
    going_on = await world.open_session()
    assert await sessions_repository.purge(clock.now()) == 1
    assert (await found(going_on)).account_id == world.account_id
